/*
 * Where rows are while one scrolls: arithmetic only.
 *
 * Browsers bound the height of an element (33.5 million device pixels, of which a screen of two to
 * one, zoomed to 500%, has ten for each of ours), and one pixel more may make it none.
 * Rule 1: up to a bound, which 100,000 rows of 32 pixels keep within, the real height is that of
 * all rows; above, it stays there, and each real pixel stands for several.
 * Rule 2: the two ends are exact: the first row at the top, the last one at the bottom.
 */

export const MOST_PIXELS = 3_250_000;

/** Measure so many rows in a view of some height. */
export function extent(rows, rowHeight, view) {
  const whole = rows * rowHeight;
  const real = Math.min(whole, MOST_PIXELS);
  const last = Math.max(0, whole - view);
  const lastReal = Math.max(0, real - view);
  return { real, last, lastReal, isScaled: whole > real };
}

/** Tell how far down the rows one is, from how far the browser has scrolled. */
export function toOffset({ last, lastReal, isScaled }, scrolled) {
  if (!isScaled) return Math.min(Math.max(0, scrolled), last);
  // A browser's own end may be a part of a pixel off.
  if (scrolled >= lastReal - 1) return last;
  return Math.max(0, (scrolled / lastReal) * last);
}

/** Tell how far the browser has to scroll. */
export function toScrolled({ last, lastReal, isScaled }, offset) {
  const wanted = Math.min(Math.max(0, offset), last);
  return isScaled ? (wanted / last) * lastReal : wanted;
}

/** Give the offset at which a row is all in view, as near to the present one as can be. */
export function offsetShowing(position, rowHeight, view, offset) {
  const top = position * rowHeight;
  if (top < offset) return top;
  return Math.max(offset, top + rowHeight - view);
}
