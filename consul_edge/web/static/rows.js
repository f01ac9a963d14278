/*
 * The rows: the table in the page's HTML gives way to a grid over all of them.
 *
 * Rule 1: a cell's text is that of cells.js; a status has its shape beside it.
 * Rule 2: a text that is cut is told in full when the pointer rests on it.
 */

import { cellText, shownText } from "./cells.js";
import { make, say } from "./dom.js";
import { createGrid } from "./grid.js";
import { columnName, page, t } from "./words.js";

const ROW = 32;
const DENSE = 24;

/** The least width of a column in pixels, and its share of what is left. */
const WIDTHS = {
  status: [98, 0],
  service: [138, 1.1],
  id: [148, 1.6],
  node: [116, 0.92],
  addr: [168, 0],
  category: [176, 0],
  name: [140, 1.2],
  site: [108, 0.75],
  company: [112, 0.85],
  tags: [140, 1.4],
  matched_rule: [150, 1],
  services_error: [180, 2],
  critical: [84, 0],
  warning: [84, 0],
  passing: [84, 0],
  services_count: [92, 0],
  dc: [92, 0.3],
  type: [92, 0.3],
};
const USUAL = [100, 1];

/**
 * Make the grid in the place of the table.
 *
 * `table()` gives the rows as they are now; `onOpen(key)` and `onSort(keys)` are told what was
 * asked for.
 */
export function createRows({ element, table, onOpen, onSort }) {
  let shown = "";
  const empty = make("p", { class: "empty", hidden: true }, t("no_rows"));
  const grid = createGrid(element, {
    columns: [],
    rowHeight: ROW,
    denseHeight: DENSE,
    label: t(`grid_label_${page.view}`),
    cell: (row, column, cell) => fill(table(), row, column, cell),
    keyOf: (row) => table().keyOf(row),
    find: (key) => table().find(key),
    onOpen: (row) => onOpen(table().keyOf(row)),
    onSort,
  });
  element.after(empty);
  element.addEventListener("mouseover", tellInFull);
  return {
    grid,
    setColumns(names) {
      if (shown === names.join()) return;
      shown = names.join();
      grid.setColumns(names.map(columnOf));
    },
    setOrder(order, touched) {
      grid.setOrder(order, touched);
      empty.hidden = order.length > 0;
      say(empty, t(table().rows ? "no_rows" : "no_rows_at_all"));
    },
  };
}

function columnOf(name) {
  const { kind } = page.columns.find((column) => column.name === name);
  const [least, share] = WIDTHS[name] ?? USUAL;
  return { name, kind, label: columnName(name), least, share, className: `c-${name} k-${kind}` };
}

function fill(table, row, { name, kind }, cell) {
  if (kind !== "status") return shownText(table, row, name);
  const status = cellText(table, row, name);
  let mark = cell.firstElementChild;
  if (!mark) cell.replaceChildren((mark = make("span")));
  if (mark.dataset.status !== status) {
    mark.dataset.status = status;
    mark.className = `status ${status}`;
    mark.textContent = shownText(table, row, name);
  }
  return undefined;
}

function tellInFull({ target }) {
  const cell = target.closest?.(".grid-cell");
  if (cell) cell.title = cell.scrollWidth > cell.clientWidth ? cell.textContent : "";
}
