/*
 * One node chosen out of all: its rows, and no other's.
 *
 * Rule 1: it knows no rows of its own.  What is chosen is put into the address, and whoever
 * follows that looks for it in the table as it is then: no list of nodes that somebody saw before
 * is asked.
 * Rule 2: an option keeps its element while its node is there: a list that is open does not jump.
 * Rule 3: what is chosen stays to see, also when its node has gone.
 */

import { make } from "./dom.js";
import { number, t } from "./words.js";

const FILTER = "node";
/** Stands for several nodes; no node is called that. */
const SEVERAL = "\n";

const byName = new Intl.Collator(undefined, { numeric: true }).compare;

/** Add the selector before *place*; `address` follows the state, `table()` gives the rows. */
export function createNodeSelector({ place, address, table }) {
  const options = new Map();
  let shown = { rows: null, version: 0, names: new Set(), asked: "" };
  const select = make("select", {
    id: "node-selector",
    class: "tool",
    "aria-label": t("node_selector"),
    change: choose,
  });
  select.append(make("option", { value: "" }, t("all_nodes")));
  place.prepend(select);

  function choose() {
    const filters = new Map(address.current.filters);
    if (select.value === "") filters.delete(FILTER);
    else filters.set(FILTER, [select.value]);
    address.change({ filters, row: null });
  }

  /** Have an option for each name, in their order. */
  function list(names, marks) {
    const wanted = new Set(names);
    for (const [name, option] of options) {
      if (wanted.has(name)) continue;
      option.remove();
      options.delete(name);
    }
    let before = select.firstElementChild;
    for (const name of names) {
      let option = options.get(name);
      if (!option) options.set(name, (option = make("option", { value: name })));
      const text = marks.get(name) ?? name;
      if (option.textContent !== text) option.textContent = text;
      if (before.nextElementSibling !== option) before.after(option);
      before = option;
    }
  }

  /** Show what there is to choose, and what is chosen. */
  function update(state) {
    const rows = table();
    const filter = state.filters.get(FILTER) ?? [];
    const asked = JSON.stringify(filter);
    const isSame = shown.rows === rows && shown.version === rows.version;
    if (isSame && shown.asked === asked) return;
    const names = isSame ? shown.names : namesOf(rows);
    const isOther = shown.asked !== asked || !same(shown.names, names);
    shown = { rows, version: rows.version, names, asked };
    if (isOther) show(new Set(names), filter);
  }

  function show(names, filter) {
    const chosen = filter.map((one) => spelledIn(names, one));
    const marks = new Map();
    for (const one of chosen) {
      if (names.has(one)) continue;
      names.add(one);
      marks.set(one, t("node_gone", { name: one }));
    }
    const sorted = [...names].sort(byName);
    if (chosen.length > 1) {
      sorted.unshift(SEVERAL);
      marks.set(SEVERAL, t("several_nodes", { n: number(chosen.length) }));
    }
    list(sorted, marks);
    const value = chosen.length > 1 ? SEVERAL : (chosen[0] ?? "");
    if (select.value !== value) select.value = value;
    select.classList.toggle("on", chosen.length > 0);
  }

  return { update, recount: update };
}

function same(some, others) {
  return some.size === others.size && [...others].every((one) => some.has(one));
}

/** A filter takes names in any case. */
function spelledIn(names, name) {
  if (names.has(name)) return name;
  return [...names].find((one) => one.toLowerCase() === name.toLowerCase()) ?? name;
}

function namesOf(table) {
  const names = new Set();
  for (const row of table.select([])) names.add(table.cell(row, "Node"));
  return names;
}
