/*
 * Keys of the whole page; those of the grid are its own (grid_keys.js).
 *
 * Rule 1: a key that is typed into a field, or held with another, is left alone.
 * Rule 2: the browser's own search is left alone, too; the help says what it finds and what not.
 */

import { copy } from "./copying.js";
import { make } from "./dom.js";
import { t } from "./words.js";

const KEYS = [
  ["/", "key_search"],
  ["j k ↑ ↓", "key_move"],
  ["Ctrl+Home Ctrl+End", "key_ends"],
  ["Enter", "key_open"],
  ["Esc", "key_close"],
  ["c", "key_copy"],
  ["Shift+C", "copy_json"],
  ["p", "pause_hint"],
  ["?", "key_help"],
];

/**
 * Listen.
 *
 * `search` and `grid` are elements; `focused()` gives `{address, json}` of the row with the focus,
 * or nothing; `close()` closes what is open, and tells whether there was something; `pause()` holds
 * the rows, or lets go of them.
 */
export function listenForKeys({ search, grid, focused, close, pause }) {
  const help = createHelp();
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") escape(event);
    else if (!event.target.closest("input, textarea, select, dialog")) press(event);
  });

  function escape(event) {
    if (event.target === search) {
      // A browser would empty the field and tell nobody, while the rows stay those of its search.
      event.preventDefault();
      return grid.focus({ preventScroll: true });
    }
    return close() && grid.focus({ preventScroll: true });
  }

  function press(event) {
    if (event.key === "/") {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "?") help.showModal();
    else if (event.key === "p") pause();
    else if (event.key === "c" && focused()) copy(focused().address);
    else if (event.key === "C" && focused()) copy(focused().json);
    else if (["j", "k", "ArrowDown", "ArrowUp"].includes(event.key) && isNowhere(event.target)) {
      event.preventDefault();
      grid.focus({ preventScroll: true });
    }
  }

  return { showHelp: () => help.showModal() };
}

function isNowhere(target) {
  return target === document.body || target === document.documentElement;
}

function createHelp() {
  const dialog = make(
    "dialog",
    { "aria-label": t("keys") },
    make("form", { method: "dialog" }, make("button", { class: "close", "aria-label": t("close") }, "×")),
    make("h2", {}, t("keys")),
    make(
      "dl",
      {},
      KEYS.flatMap(([keys, word]) => [
        make("dt", {}, keys.split(" ").flatMap((key) => [make("kbd", {}, key), " "])),
        make("dd", {}, t(word)),
      ]),
    ),
    make("p", {}, t("hint_find")),
  );
  document.body.append(dialog);
  return dialog;
}

/** Fill the foot's line with the first keys. */
export function showKeys(element, showHelp) {
  const parts = [["j", "k", "key_move"], ["Enter", "key_open"], ["/", "key_search"]];
  element.replaceChildren(
    ...parts.map((part) =>
      make("span", {}, ...part.slice(0, -1).flatMap((key) => [make("kbd", {}, key), " "]), t(part.at(-1))),
    ),
    make(
      "button",
      { type: "button", class: "linklike", click: showHelp },
      make("kbd", {}, "?"),
      ` ${t("key_help")}`,
    ),
  );
}
