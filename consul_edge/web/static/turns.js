/*
 * Work and who waits for the page: generators of short steps (steps.js) are given their turns.
 *
 * Rule 1: what somebody waits for is begun at once, and mostly done at once; if it takes longer
 * than a frame may, the page draws and listens in between.
 * Rule 2: what nobody waits for yet is done while the page is idle, and after what is waited for.
 * Rule 3: whoever wants something else instead stops what was wanted before.
 */

const AT_ONCE_MS = 24;
const TURN_MS = 12;
const IDLE_MS = 6;
const PATIENCE_MS = 1_000;

/** Do the steps of some work and tell its result; gives a function that stops it. */
export function soon(work, done) {
  const channel = new MessageChannel();
  let isOver = false;
  const go = (span) => {
    if (isOver) return;
    const until = performance.now() + span;
    do {
      const step = work.next();
      if (step.done) {
        close();
        done(step.value);
        return;
      }
    } while (performance.now() < until);
    channel.port2.postMessage(null);
  };
  const close = () => {
    isOver = true;
    channel.port1.close();
  };
  channel.port1.onmessage = () => go(TURN_MS);
  go(AT_ONCE_MS);
  return close;
}

/** Do the steps of some work while the page is idle; gives a function that stops it. */
export function whenIdle(work) {
  let asked = 0;
  const go = () => {
    const until = performance.now() + IDLE_MS;
    do {
      if (work.next().done) return;
    } while (performance.now() < until);
    asked = next(go);
  };
  asked = next(go);
  return () => cancel(asked);
}

/** Call after the next frame is drawn; of several calls before that, the last one counts. */
export function createAfterPaint() {
  let asked = 0;
  let timer = 0;
  return (act) => {
    cancelAnimationFrame(asked);
    clearTimeout(timer);
    asked = requestAnimationFrame(() => (timer = setTimeout(act)));
  };
}

/** Safari has no idle callbacks. */
const next = (go) => {
  return globalThis.requestIdleCallback
    ? requestIdleCallback(go, { timeout: PATIENCE_MS })
    : setTimeout(go, IDLE_MS);
};

const cancel = (asked) => {
  if (globalThis.cancelIdleCallback) cancelIdleCallback(asked);
  else clearTimeout(asked);
};
