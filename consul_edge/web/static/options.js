/*
 * How things look: columns, dense rows, the theme.  What is remembered is this browser's.
 *
 * Rule 1: columns and density are in the address; where it says nothing hold the columns that were
 * chosen last before this page: who goes back finds those that he had there.
 * Rule 2: the theme is this browser's alone, and set before the first paint (theme.js).
 */

import { make, remember, remembered } from "./dom.js";
import { emptyState, writeState } from "./state.js";
import { columnName, page, t } from "./words.js";

const COLUMNS = `columns.${page.view}`;
const NARROW = "(max-width: 720px)";
const FEW = { services: ["status", "service", "node"], nodes: ["status", "name", "critical"] };
const THEMES = ["auto", "light", "dark"];

let kept = remembered(COLUMNS);

/** Give the names of the columns to show for a state. */
export function columnsOf(state) {
  if (state.columns) return state.columns;
  const names = page.columns.map((column) => column.name);
  const last = (kept ?? "").split(",").filter((name) => names.includes(name));
  if (last.length) return names.filter((name) => last.includes(name));
  if (matchMedia(NARROW).matches) return FEW[page.view];
  return page.columns.filter((column) => column.usual).map((column) => column.name);
}

/** Add the menus beside the page's own; `renew()` shows the same state in a window of another width. */
export function createOptions({ menus, address, renew }) {
  matchMedia(NARROW).addEventListener("change", renew);
  const list = make("ul", { class: "values" });
  const menu = make(
    "details",
    { class: "menu right", name: "menu", id: "view" },
    make("summary", {}, t("view_options")),
    list,
  );
  menus.append(menu);
  const boxes = new Map(page.columns.map(({ name }) => [name, box(() => choose())]));
  const dense = box(() => address.change({ dense: dense.checked }));
  const usual = make("button", { type: "button", click: () => forget() }, t("usual_columns"));

  function choose() {
    const chosen = page.columns.map(({ name }) => name).filter((name) => boxes.get(name).checked);
    if (!chosen.length) return address.change({});
    remember(COLUMNS, chosen.join(","));
    address.change({ columns: chosen });
  }

  function forget() {
    remember(COLUMNS, null);
    kept = null;
    address.change({ columns: null });
  }

  list.append(
    make("li", {}, labelled(dense, t("dense"))),
    ...themes(),
    make("li", { class: "hint parting" }, t("columns")),
    ...page.columns.map(({ name }) => make("li", {}, labelled(boxes.get(name), columnName(name)))),
    make("li", {}, usual),
  );
  return {
    update(state) {
      const shown = columnsOf(state);
      for (const [name, element] of boxes) element.checked = shown.includes(name);
      dense.checked = state.dense;
      document.body.classList.toggle("dense", state.dense);
      keepLinks(state);
    },
  };
}

/** Have the links to the other language and the other table lead on from here. */
function keepLinks(state) {
  for (const link of document.querySelectorAll("a.lang")) {
    link.href = location.pathname + writeState({ ...state, lang: link.hreflang });
  }
  const { dense, lang } = state;
  for (const link of document.querySelectorAll("a[data-view]")) {
    link.href = link.pathname + writeState({ ...emptyState(), dense, lang });
  }
}

function box(changed) {
  return make("input", { type: "checkbox", change: changed });
}

function labelled(input, text) {
  return make("label", {}, input, text);
}

function themes() {
  const chosen = remembered("theme") ?? "auto";
  return [
    make("li", { class: "hint parting" }, t("theme")),
    ...THEMES.map((theme) => {
      const input = make("input", {
        type: "radio",
        name: "theme",
        value: theme,
        checked: theme === chosen,
        change: () => setTheme(theme),
      });
      return make("li", {}, labelled(input, t(`theme_${theme}`)));
    }),
  ];
}

function setTheme(theme) {
  remember("theme", theme === "auto" ? null : theme);
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
