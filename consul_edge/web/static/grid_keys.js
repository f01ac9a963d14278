/*
 * What keys mean in a grid (W3C APG): a press to a move or an act, as values.
 *
 * Rule 1: positions are those of rows in the order, and -1 is the header.
 * Rule 2: keys with other modifiers are the browser's; so are all keys that mean nothing here.
 */

/**
 * Tell where a key leads from `{position, column}`: such a place again, "open", "sort", or null.
 *
 * `size`: {rows, columns, page}, the last being how many rows are in view.
 */
export function meaning(event, { position, column }, { rows, columns, page }) {
  if (event.altKey) return null;
  const isControl = event.ctrlKey || event.metaKey;
  const [lastRow, lastColumn] = [rows - 1, columns - 1];
  const at = (row, place = column) => ({
    position: Math.min(Math.max(-1, row), lastRow),
    column: Math.min(Math.max(0, place), lastColumn),
  });
  if (isControl) {
    if (event.key === "Home") return at(0, 0);
    return event.key === "End" ? at(lastRow, lastColumn) : null;
  }
  switch (event.key) {
    case "ArrowDown":
    case "j":
      return at(position + 1);
    case "ArrowUp":
    case "k":
      return at(position - 1);
    case "ArrowRight":
      return at(position, column + 1);
    case "ArrowLeft":
      return at(position, column - 1);
    case "PageDown":
      return at(position + page);
    case "PageUp":
      return at(Math.max(position < 0 ? -1 : 0, position - page));
    case "Home":
      return at(position, 0);
    case "End":
      return at(position, lastColumn);
    case "Enter":
      return position < 0 ? "sort" : "open";
    case " ":
      return position < 0 ? "sort" : null;
    default:
      return null;
  }
}
