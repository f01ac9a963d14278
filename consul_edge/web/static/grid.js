/*
 * A grid of any number of rows, of which the document has those in view.
 *
 * Rule 1: rows are of one height; they hang in a pane that stays in view while the body, which is
 * as high as all rows (grid_scroll.js), scrolls behind it. So there is never a blank.
 * Rule 2: the focus is a logical place, a row's key and a column; the element with the real focus
 * is the grid, which points to a cell (`aria-activedescendant`).  It follows its row through
 * other orders and new tables, and stays where it is if the row is gone.
 * Rule 3: geometry is set here through CSSOM; what things look like is the style sheet's: the
 * classes grid-head, grid-row, grid-cell, grid-sort, is-focused.
 */

import { anchorOf, offsetHolding } from "./grid_anchor.js";
import { pointToFocus, revealColumn } from "./grid_focus.js";
import { createHead } from "./grid_head.js";
import { meaning } from "./grid_keys.js";
import { createRows } from "./grid_rows.js";
import { extent, offsetShowing, toOffset, toScrolled } from "./grid_scroll.js";

/** Rows in view at most: with those around it is fewer than 80 elements. */
const MOST_ROWS = 72;
const AROUND = 2;

let grids = 0;

/**
 * Turn an element that scrolls into a grid.
 *
 * `options`: columns [{name, label, least (pixels), share (of the rest), className, sortable}],
 * rowHeight, denseHeight, label, cell(row, column, element) which gives the text or fills the
 * element and gives undefined, keyOf(row), find(key), onOpen(row), onSort(keys), onFocus(row).
 */
export function createGrid(element, options) {
  grids += 1;
  const id = `grid-${grids}`;
  const body = document.createElement("div");
  const pane = document.createElement("div");
  const grid = {
    element,
    options,
    id,
    body,
    pane,
    head: createHead({ id, onSort: (keys) => options.onSort?.(keys) }),
    rows: createRows(pane, { id, fill: (row, column, cell) => options.cell(row, column, cell) }),
    order: new Uint32Array(0),
    columns: [],
    rowHeight: options.rowHeight ?? 32,
    offset: 0,
    scrolled: 0,
    view: 0,
    extent: extent(0, 1, 0),
    focus: null,
    focusKey: null,
    selectedKey: null,
    stale: null,
    frame: 0,
  };
  build(grid);
  const stop = listen(grid);
  setColumns(grid, options.columns);
  return {
    setOrder: (order, touched) => setOrder(grid, order, touched),
    setColumns: (columns) => setColumns(grid, columns),
    setDense: (isDense) => setDense(grid, isDense),
    setSort: (keys) => grid.head.setSort(keys),
    refresh: (rows) => refresh(grid, rows),
    focusRow: (position, column) => focusRow(grid, position, column),
    scrollToTop: () => scrollTo(grid, 0),
    select: (row) => select(grid, row),
    get selected() {
      return rowOfKey(grid, grid.selectedKey);
    },
    get focused() {
      return grid.focus && grid.focus.position >= 0 ? grid.order[grid.focus.position] : undefined;
    },
    destroy: () => destroy(grid, stop),
  };
}

function build({ element, options, head, body, pane }) {
  element.setAttribute("role", "grid");
  element.setAttribute("aria-label", options.label ?? "");
  element.tabIndex = 0;
  Object.assign(element.style, { overflow: "auto", overflowAnchor: "none" });
  body.setAttribute("role", "presentation");
  pane.setAttribute("role", "rowgroup");
  body.className = "grid-body";
  pane.className = "grid-pane";
  Object.assign(pane.style, { position: "sticky", overflow: "hidden", contain: "strict" });
  body.append(pane);
  element.replaceChildren(head.element, body);
}

function listen(grid) {
  const { element } = grid;
  const on = (name, handler, more) => {
    element.addEventListener(name, handler, more);
    return () => element.removeEventListener(name, handler, more);
  };
  const observer = new ResizeObserver(() => measure(grid));
  observer.observe(element);
  const stops = [
    on("scroll", () => schedule(grid), { passive: true }),
    on("wheel", (event) => wheel(grid, event), { passive: false }),
    on("keydown", (event) => press(grid, event)),
    on("click", (event) => click(grid, event)),
    on("focus", () => grid.focus || focusRow(grid, firstInView(grid), 0)),
    () => observer.disconnect(),
    () => cancelAnimationFrame(grid.frame),
  ];
  return () => stops.forEach((stop) => stop());
}

function setColumns(grid, columns) {
  hearScroll(grid);
  grid.columns = columns;
  const { style } = grid.element;
  const tracks = columns.map(({ least = 80, share = 1 }) => `minmax(${least}px, ${share}fr)`);
  style.setProperty("--grid-tracks", tracks.join(" "));
  const least = `${columns.reduce((sum, column) => sum + (column.least ?? 80), 0)}px`;
  for (const part of [grid.head.element, grid.body]) part.style.minWidth = least;
  grid.element.setAttribute("aria-colcount", String(columns.length));
  grid.head.setColumns(columns);
  grid.rows.setColumns(columns);
  if (grid.focus) grid.focus.column = Math.min(grid.focus.column, columns.length - 1);
  measure(grid);
}

/** Show rows in an order; where these are as before but for those `touched`, the view is held. */
function setOrder(grid, order, touched) {
  hearScroll(grid);
  const anchor = touched ? anchorOf(grid, touched) : null;
  grid.order = order;
  grid.element.setAttribute("aria-rowcount", String(order.length + 1));
  const { focus } = grid;
  if (focus && grid.focusKey !== null) {
    const row = rowOfKey(grid, grid.focusKey);
    const position = row === undefined ? -1 : order.indexOf(row);
    focus.position = position >= 0 ? position : Math.min(focus.position, order.length - 1);
    // Where nobody is at work the row may come back, when the search is another one.
    if (position < 0 && document.activeElement === grid.element) remember(grid);
  }
  grid.stale = "all";
  measure(grid);
  if (anchor) scrollTo(grid, offsetHolding(grid, anchor));
}

function setDense(grid, isDense) {
  hearScroll(grid);
  const first = grid.offset / grid.rowHeight;
  const { rowHeight = 32, denseHeight = 24 } = grid.options;
  grid.rowHeight = isDense ? denseHeight : rowHeight;
  measure(grid);
  scrollTo(grid, first * grid.rowHeight);
}

/** Fill the rows in view again: all, or those of some numbers. */
function refresh(grid, rows) {
  grid.stale = rows ? new Set(rows) : "all";
  draw(grid);
}

function focusRow(grid, position, column = grid.focus?.column ?? 0) {
  const last = grid.order.length - 1;
  grid.focus = { position: Math.min(Math.max(-1, position), last), column };
  remember(grid);
  if (grid.focus.position >= 0) {
    const wanted = offsetShowing(grid.focus.position, grid.rowHeight, grid.view, grid.offset);
    if (wanted !== grid.offset) scrollTo(grid, wanted);
  }
  draw(grid);
  revealColumn(grid);
  grid.options.onFocus?.(grid.order[grid.focus.position]);
}

function remember(grid) {
  const row = grid.order[grid.focus.position];
  grid.focusKey = row === undefined ? null : keyOf(grid, row);
}

function select(grid, row) {
  grid.selectedKey = row === undefined || row === null ? null : keyOf(grid, row);
  draw(grid);
}

function keyOf({ options }, row) {
  return options.keyOf ? options.keyOf(row) : row;
}

function rowOfKey({ options }, key) {
  if (key === null) return undefined;
  return options.find ? options.find(key) : key;
}

/** Learn how much room there is, and draw. */
function measure(grid) {
  const { element, head, body, pane, order } = grid;
  const most = MOST_ROWS * grid.rowHeight;
  const above = head.element.offsetHeight;
  element.style.maxHeight = `${most + above + element.offsetHeight - element.clientHeight}px`;
  grid.view = Math.max(0, Math.min(element.clientHeight - above, most));
  grid.extent = extent(order.length, grid.rowHeight, grid.view);
  body.style.height = `${grid.extent.real}px`;
  pane.style.top = `${above}px`;
  pane.style.height = `${Math.min(grid.view, grid.extent.real)}px`;
  scrollTo(grid, Math.min(grid.offset, grid.extent.last));
}

/** Go to an offset, and know it exactly although the browser rounds. */
function scrollTo(grid, offset) {
  grid.offset = Math.min(Math.max(0, offset), grid.extent.last);
  grid.element.scrollTop = toScrolled(grid.extent, grid.offset);
  grid.scrolled = grid.element.scrollTop;
  draw(grid);
}

function schedule(grid) {
  grid.frame ||= requestAnimationFrame(() => {
    grid.frame = 0;
    hearScroll(grid);
    draw(grid);
  });
}

/** Learn where somebody has scrolled to: what comes before the next frame must not undo it. */
function hearScroll(grid) {
  const { scrollTop } = grid.element;
  if (scrollTop === grid.scrolled) return;
  grid.scrolled = scrollTop;
  grid.offset = toOffset(grid.extent, scrollTop);
}

/** Where a real pixel stands for several, the wheel would pass over rows. */
function wheel(grid, event) {
  const isOurs = grid.extent.isScaled && !event.ctrlKey && !event.shiftKey && event.deltaY !== 0;
  if (!isOurs || Math.abs(event.deltaX) > Math.abs(event.deltaY)) return;
  event.preventDefault();
  const unit = [1, grid.rowHeight, grid.view][event.deltaMode];
  scrollTo(grid, grid.offset + event.deltaY * unit);
}

function draw(grid) {
  const { order, offset, rowHeight, view, focus, stale } = grid;
  const first = Math.max(0, Math.floor(offset / rowHeight) - AROUND);
  const behind = view ? Math.ceil((offset + view) / rowHeight) + AROUND : first;
  const end = Math.min(order.length, behind);
  const selected = rowOfKey(grid, grid.selectedKey);
  const isStale = (row) => stale === "all" || (stale !== null && stale.has(row));
  grid.rows.show({ first, end, focus, order, offset, rowHeight, selected, isStale });
  grid.stale = null;
  pointToFocus(grid);
}

function firstInView({ offset, rowHeight, order }) {
  return order.length ? Math.ceil(offset / rowHeight) : -1;
}

function press(grid, event) {
  if (event.target !== grid.element && event.target.closest("input, textarea, select")) return;
  const from = grid.focus ?? { position: firstInView(grid) - 1, column: 0 };
  const page = Math.max(1, Math.floor(grid.view / grid.rowHeight) - 1);
  const size = { rows: grid.order.length, columns: grid.columns.length, page };
  const found = meaning(event, from, size);
  if (found === null) return;
  event.preventDefault();
  if (found === "open") open(grid);
  else if (found === "sort") grid.head.press(from.column, event.shiftKey);
  else focusRow(grid, found.position, found.column);
}

function click(grid, event) {
  const slot = grid.rows.find(event.target);
  if (!slot) {
    grid.element.focus({ preventScroll: true });
    return;
  }
  const column = slot.cells.findIndex((cell) => cell.contains(event.target));
  grid.element.focus({ preventScroll: true });
  focusRow(grid, slot.position, Math.max(0, column));
  const isOther = event.defaultPrevented || event.target.closest("a, button");
  if (!isOther && document.getSelection().isCollapsed) open(grid);
}

function open(grid) {
  const row = grid.order[grid.focus?.position];
  if (row === undefined) return;
  select(grid, row);
  grid.options.onOpen?.(row);
}

function destroy({ element }, stop) {
  stop();
  element.replaceChildren();
  for (const name of ["role", "tabindex", "aria-activedescendant", "aria-rowcount"]) {
    element.removeAttribute(name);
  }
}
