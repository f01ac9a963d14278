/*
 * Filters: a menu of values with counts for each facet, and a chip for each value that is chosen.
 *
 * Rule 1: a menu is filled when it is opened, and kept current while it is open; closed ones cost
 * nothing.  When rows change, its values keep their elements and their places.
 * Rule 2: a value is a link to the address that it leads to: it can be opened in another tab.
 * Rule 3: a long list shows its first values, and finds the others by a part of their names.
 */

import { countsOf, labelOf } from "./counts.js";
import { make, say } from "./dom.js";
import { columnName, number, page, t, valueName } from "./words.js";
import { writeState } from "./state.js";

const LISTED = 300;
const FINDING = 12;

/**
 * Take over the menus and the chips of the page's HTML.
 *
 * `source()` gives `{table, terms}` as they are now; `address` follows the state.
 */
export function createFilters({ menus, chips, address, source }) {
  const found = [...menus.querySelectorAll("details[data-facet]")].map((element) =>
    createMenu(element, address, source),
  );
  closeOthers(document);
  return {
    update(state) {
      for (const menu of found) menu.update(state);
      showChips(chips, address, state, source().table);
    },
    /** Count again in what is open: rows are others, the filters are not. */
    recount() {
      for (const menu of found) menu.recount();
    },
  };
}

function createMenu(element, address, source) {
  const name = element.dataset.facet;
  const list = element.querySelector("ul");
  let part = "";
  const find = make("input", {
    type: "search",
    placeholder: t("filter_values"),
    "aria-label": t("filter_values"),
    input: () => {
      part = find.value.toLowerCase();
      fill();
    },
  });
  const finding = make("li", { class: "find" }, find);

  function fill() {
    const { table, terms } = source();
    if (!table || !element.open) return;
    const values = countsOf(table, terms, [name], page.choices).get(name);
    const chosen = address.current.filters.get(name) ?? [];
    for (const value of chosen) {
      if (!values.some((one) => same(one.value, value))) values.push({ value, label: value, count: 0 });
    }
    const shown = values.filter(({ label }) => valueName(name, label).toLowerCase().includes(part));
    const items = shown.slice(0, LISTED).map((one) => item(name, one, chosen, address));
    if (!items.length) items.push(make("li", { class: "hint" }, t("no_values")));
    if (shown.length > LISTED) {
      const more = t("all_shown_values", { n: number(shown.length - LISTED) });
      items.push(make("li", { class: "hint" }, more));
    }
    const focused = document.activeElement?.dataset?.value;
    // The field stays where it is: who types there must not lose the place.
    if (values.length > FINDING && !finding.isConnected) list.prepend(finding);
    if (values.length <= FINDING) finding.remove();
    for (const old of [...list.children]) if (old !== finding) old.remove();
    list.append(...items);
    if (focused !== undefined) list.querySelector(`[data-value="${CSS.escape(focused)}"]`)?.focus();
    keepInView(element, list);
  }

  /** Keep what is listed where it is: somebody may be about to press it. */
  function recount() {
    const { table, terms } = source();
    if (!table || !element.open) return;
    const values = countsOf(table, terms, [name], page.choices).get(name);
    const counts = new Map(values.map(({ value, count }) => [value, count]));
    for (const link of list.querySelectorAll("a[data-value]")) {
      say(link.querySelector("em"), number(counts.get(link.dataset.value) ?? 0));
      counts.delete(link.dataset.value);
    }
    // Where not all are listed, nobody misses a new one.
    if (part || list.querySelector(".hint")) return;
    const chosen = address.current.filters.get(name) ?? [];
    const fresh = values.filter(({ value }) => counts.has(value));
    list.append(...fresh.map((one) => item(name, one, chosen, address)));
  }

  element.addEventListener("toggle", () => {
    if (!element.open) return;
    part = find.value = "";
    fill();
  });
  return {
    update(state) {
      element.classList.toggle("on", state.filters.has(name));
      fill();
    },
    recount,
  };
}

function item(name, { value, label, count }, chosen, address) {
  const isChosen = chosen.some((one) => same(one, value));
  const classes = name === "status" ? `status ${value}` : "name";
  const link = make(
    "a",
    {
      href: location.pathname + writeState(toggled(address.current, name, value)),
      "aria-current": isChosen ? "true" : null,
      "data-value": value,
      click: (event) => follow(event, () => address.change(toggled(address.current, name, value))),
    },
    make("span", { class: classes }, valueName(name, label)),
    " ",
    make("em", {}, number(count)),
  );
  return make("li", {}, link);
}

/** Let a list that would reach beyond the window begin at the other side of its menu. */
function keepInView(menu, list) {
  menu.classList.remove("right");
  const isBeyond = list.getBoundingClientRect().right > document.documentElement.clientWidth;
  menu.classList.toggle("right", isBeyond);
}

/** Give a state with one more value of a filter, or without it if it has it. */
export function toggled(state, name, value) {
  const before = state.filters.get(name) ?? [];
  const after = before.filter((one) => !same(one, value));
  if (after.length === before.length) after.push(value);
  const filters = new Map(state.filters);
  if (after.length) filters.set(name, after);
  else filters.delete(name);
  return { ...state, filters, row: null };
}

function same(one, other) {
  return one.toLowerCase() === other.toLowerCase();
}

/** Do what a link is for here, unless it is to be opened elsewhere. */
export function follow(event, act) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
  event.preventDefault();
  act();
}

function showChips(chips, address, state, table) {
  const items = [];
  for (const [name, values] of state.filters) {
    for (const value of values) items.push(chip(address, state, name, value, table));
  }
  if (state.filters.size) {
    const all = { ...state, q: "", filters: new Map(), row: null };
    items.push(
      make(
        "li",
        {},
        make(
          "a",
          {
            class: "reset",
            href: location.pathname + writeState(all),
            click: (event) => follow(event, () => address.change(all)),
          },
          t("reset"),
        ),
      ),
    );
  }
  chips.replaceChildren(...items);
}

function chip(address, state, name, value, table) {
  const without = toggled(state, name, value);
  const shown = valueName(name, table ? labelOf(table, name, value) : value);
  const link = make(
    "a",
    {
      class: "chip",
      href: location.pathname + writeState(without),
      title: t("remove_filter", { name: columnName(name), value: shown }),
      click: (event) => follow(event, () => address.change(without)),
    },
    make("span", {}, `${columnName(name)}: ${shown}`),
    make("span", { "aria-hidden": "true" }, " ×"),
  );
  return make("li", {}, link);
}

/** Let one menu be open at a time, closed by Escape and by a click elsewhere. */
function closeOthers(root) {
  const open = () => [...root.querySelectorAll("details.menu[open], details.about[open]")];
  root.addEventListener("pointerdown", (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      menu.open = false;
      menu.querySelector("summary").focus();
      event.stopImmediatePropagation();
    }
  });
}

