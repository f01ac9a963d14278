/*
 * Work in steps: generators that yield wherever they may rest, and return what they made.
 *
 * Rule 1: who has time does all steps at once; who has a page to draw does some in each frame.
 */

const PACE = 8;

/** Do all steps at once. */
export function finished(work) {
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

/** Take steps together until 8 ms are over. */
export function* paced(work) {
  let until = performance.now() + PACE;
  for (let step = work.next(); ; step = work.next()) {
    if (step.done) return step.value;
    if (performance.now() < until) continue;
    yield;
    until = performance.now() + PACE;
  }
}
