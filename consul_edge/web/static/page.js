/*
 * The page put together: the address decides what is shown, the table what there is.
 *
 * Rule 1: `update` shows a state over a table, and `change` what has become of the table; nothing
 * else shows anything.
 * Rule 2: what was chosen is kept by keys, and looked up in the table as it is then: a table may
 * have taken the place of another while somebody was choosing.
 * Rule 3: until rows have come, the server's own stay.
 * Rule 4: rows first: what else is counted is counted when they are drawn, and what only makes the
 * next search fast is done while nobody waits (turns.js).
 */

import { ask } from "./ask.js";
import { createBackoff } from "./backoff.js";
import { createFilters } from "./chips.js";
import { cellText } from "./cells.js";
import { termsOf } from "./counts.js";
import { createCurrent } from "./current.js";
import { headersOf } from "./credentials.js";
import { say } from "./dom.js";
import { createDrawer } from "./drawer.js";
import { createExport } from "./export.js";
import { createNotices } from "./notices.js";
import { createNodeSelector } from "./node_selector.js";
import { columnsOf, createOptions } from "./options.js";
import { parse } from "./query.js";
import { createRights } from "./rights.js";
import { createRows } from "./rows.js";
import { listenForKeys, showKeys } from "./shortcuts.js";
import { followAddress } from "./state.js";
import { createSummary } from "./summary.js";
import { fromColumns } from "./table.js";
import { createAfterPaint, soon, whenIdle } from "./turns.js";
import { number, page, t } from "./words.js";

const SPOKEN_AFTER_MS = 600;
const RETRY_MS = 5_000;
const ROWS = `/api/v1/${page.view}?format=columns`;

const byId = (id) => document.getElementById(id);

let table = null;
let rows = null;
let order = new Uint32Array(0);
let shownFor = null;
let speaking = 0;
let stopShowing = () => {};
let isShowing = false;
let stopPreparing = () => {};
const count = createAfterPaint();
const backoff = createBackoff();
let retrying = 0;
let viewers = 1;

const address = followAddress(page, (state) => update(state));
const notices = createNotices(byId("notices"));
const summary = createSummary({ strip: byId("strip"), address });
const drawer = createDrawer({ main: byId("main"), address });
const tools = createTools();
const rights = createRights({
  place: byId("switches"),
  read: (token) => ask(ROWS, { headers: headersOf(token) }),
  show(told) {
    viewers += 1;
    drawer.renew();
    take(told);
  },
  flushed: () => load(),
});

const current = createCurrent({
  kind: page.view,
  rows: ROWS,
  place: byId("switches"),
  summary,
  on: {
    take,
    load,
    apply: change,
    failed: fail,
    well: () => notices.failure(null),
    troubles: notices.troubles,
    isBusy: () => isShowing,
  },
});

/** Everything that the tools have. */
function createTools() {
  const search = byId("search");
  const field = search.elements.q;
  search.addEventListener("submit", (event) => {
    event.preventDefault();
    address.change({ q: field.value });
    byId("rows").focus({ preventScroll: true });
  });
  field.addEventListener("input", () => address.change({ q: field.value }, { typing: true }));
  const source = () => ({ table, terms: termsNow(address.current) });
  return {
    field,
    parts: [
      createFilters({ menus: byId("facets"), chips: byId("chips"), address, source }),
      createOptions({ menus: byId("menus"), address, renew: () => update(address.current) }),
      createExport({ menu: byId("export"), address }),
      summary.marks,
      ...(page.view === "services" ? [createNodes()] : []),
    ],
  };
}

function createNodes() {
  return createNodeSelector({ place: byId("facets"), address, table: () => table });
}

/** Give the terms of a state; of a search that means nothing yet, those before the error. */
function termsNow(state) {
  const { terms, problems } = parse(state.q, page.view);
  notices.query(problems[0] ?? null);
  tools.field.form.classList.toggle("wrong", problems.length > 0);
  return [...termsOf(state.filters, page.view), ...terms];
}

function update(state) {
  if (!table) return;
  notices.address(state.problems);
  arrange(state, (found) => show(state, found));
}

/** Find the rows of a state in their order, and show them; what was to be shown before is not. */
function arrange(state, shown) {
  stopShowing();
  isShowing = true;
  stopShowing = soon(ordering(table, state), (found) => {
    isShowing = false;
    order = found;
    rows ??= createOwnRows();
    shown(found);
    current.goOn();
  });
}

function createOwnRows() {
  return createRows({
    element: byId("rows"),
    table: () => table,
    onOpen: (key) => address.change({ row: key }),
    onSort: (keys) => address.change({ sort: keys, row: address.current.row }),
  });
}

/** Put what has changed into the table, and show it where it is seen: nothing else moves. */
function change(changes) {
  stopPreparing();
  const { added, changed, removed } = table.apply(changes);
  const touched = new Set([...added, ...changed, ...removed]);
  if (!touched.size) return;
  const state = address.current;
  arrange(state, () => {
    rows.setOrder(order, touched);
    rows.grid.select(state.row ? table.find(state.row) : null);
    drawer.update(table, state.row);
    sayCount();
  });
  afterwards(state);
}

/** Do what is not the rows themselves when they are drawn. */
function afterwards(state) {
  count(() => {
    summary.count(table);
    for (const part of tools.parts) part.recount?.(state);
  });
  prepare();
}

function* ordering(from, state) {
  const found = yield* from.selecting(termsNow(state));
  return yield* from.sorting(found, sortOf(state));
}

function sortOf(state) {
  return state.sort.length ? state.sort : page.sort;
}

function show(state, found) {
  rows.setColumns(columnsOf(state));
  rows.grid.setSort(sortOf(state));
  rows.grid.setDense(state.dense);
  rows.setOrder(order);
  showFirst(state);
  rows.grid.select(state.row ? table.find(state.row) : null);
  // Who types has just put it there; who goes back finds what was there.
  if (tools.field.value !== state.q) tools.field.value = state.q;
  for (const part of tools.parts) part.update(state);
  drawer.update(table, state.row);
  showCount();
}

/** Begin at the top where somebody asked for other rows, or for another order. */
function showFirst({ q, filters, sort }) {
  const asked = JSON.stringify([q, [...filters], sort]);
  if (shownFor !== null && shownFor !== asked) rows.grid.scrollToTop();
  shownFor = asked;
}

function showCount() {
  const text = sayCount();
  clearTimeout(speaking);
  speaking = setTimeout(() => say(byId("spoken"), text), SPOKEN_AFTER_MS);
}

/** Write how many rows there are; it is spoken where somebody asked for others. */
function sayCount() {
  const total = number(table.rows);
  const text =
    order.length === table.rows
      ? t(table.rows === 1 ? "rows_one" : "rows_all", { total })
      : t("rows_shown", { shown: number(order.length), total });
  say(byId("count"), text);
  return text;
}

/** Put rows in the place of those before: a document of the API, with how it stands. */
function take(told) {
  table = fromColumns(told, page.view);
  for (const id of ["strip", "tools"]) byId(id).hidden = false;
  backoff.reset();
  notices.failure(null);
  summary.hear(told);
  notices.troubles(told);
  update(address.current);
  afterwards(address.current);
  current.start(told.index);
}

/** Work out what only makes the next search fast. */
function prepare() {
  stopPreparing();
  const sorts = page.columns.filter(({ usual }) => usual).map(({ name }) => name);
  stopPreparing = whenIdle(table.preparing(sorts, page.facets));
}

/** Load all rows. */
export async function load() {
  const viewer = viewers;
  try {
    const told = await ask(ROWS);
    // Whoever looks now is shown what he may see, and not what another asked for.
    if (viewer === viewers) take(told);
  } catch (error) {
    if (viewer !== viewers) return table;
    fail(error);
    // Who may see nothing will not see more in a moment; a server may come back.
    clearTimeout(retrying);
    if (error.status !== 401 && error.status !== 403) retrying = setTimeout(load, backoff.next(RETRY_MS));
  }
  return table;
}

function fail(error) {
  if (error.status === undefined && table) summary.lose();
  else notices.failure(error, load, rights.open);
}

/** Give what is shown now, for whoever looks into the page from its console. */
export const now = () => ({ table, order });

function focusedRow() {
  const row = rows?.grid.focused;
  if (row === undefined) return null;
  return { address: cellText(table, row, "addr"), json: JSON.stringify(table.row(row), null, 2) };
}

const keys = listenForKeys({
  search: tools.field,
  grid: byId("rows"),
  focused: focusedRow,
  close() {
    const wasOpen = drawer.isOpen;
    if (wasOpen) address.change({ row: null });
    return wasOpen;
  },
  pause: () => current.pause.toggle(),
});
showKeys(byId("keys"), keys.showHelp);
load();
