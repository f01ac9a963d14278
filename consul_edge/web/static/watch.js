/*
 * How long something may take: a signal that aborts a fetch when its time is over, or when whoever
 * wanted it does not any more.
 */

/** Make a watch over something that `signal` may end before. */
export function createWatch(signal) {
  const inner = new AbortController();
  const give = () => inner.abort();
  let timer = 0;
  signal.addEventListener("abort", give);
  if (signal.aborted) give();
  const watch = {
    signal: inner.signal,
    /** Whether the time was over. */
    isOver: false,
    /** Give so many milliseconds from now. */
    within(milliseconds) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        watch.isOver = true;
        give();
      }, milliseconds);
    },
    /** It is done: whatever is left of it is given up. */
    end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", give);
      give();
    },
  };
  return watch;
}
