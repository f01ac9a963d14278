/*
 * How long to wait before the next try.
 *
 * Rule: it doubles with each failure up to a bound, and is never the same for two pages: those
 * that lost the edge together must not come back together.
 */

const MOST_MS = 30_000;

/** Make one; `next(first)` gives milliseconds, `first` being those of the first failure at most. */
export function createBackoff(random = Math.random) {
  let failures = 0;
  return {
    next(first) {
      const most = Math.min(first * 2 ** failures, MOST_MS);
      failures += 1;
      return most * (0.5 + 0.5 * random());
    },
    reset() {
      failures = 0;
    },
  };
}
