/*
 * The cell that has the focus, told to those who do not see it, and brought into view.
 *
 * Rule 1: the grid's element has the real focus and points to the cell; one that is not in the
 * document cannot be pointed to, so grid_rows.js keeps the focused row there.
 */

/** Point from the grid to the cell or header with the focus. */
export function pointToFocus({ element, focus, head, rows }) {
  head.focus(focus?.position === -1 ? focus.column : null);
  if (!focus) {
    element.removeAttribute("aria-activedescendant");
    return;
  }
  const { position, column } = focus;
  const pointed = position < 0 ? head.cellId(column) : rows.cellId(position, column);
  element.setAttribute("aria-activedescendant", pointed);
}

/** Scroll sideways so far that the cell is in view. */
export function revealColumn({ element, focus }) {
  const cell = document.getElementById(element.getAttribute("aria-activedescendant"));
  if (!cell || !focus) return;
  const [left, right] = [cell.offsetLeft, cell.offsetLeft + cell.offsetWidth];
  if (left < element.scrollLeft) element.scrollLeft = left;
  else if (right > element.scrollLeft + element.clientWidth) {
    element.scrollLeft = right - element.clientWidth;
  }
}
