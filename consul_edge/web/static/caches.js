/*
 * What the edge keeps, and the buttons that make it forget: for whoever gave the admin token, or
 * needs none where he is.
 *
 * Rule 1: looking changes nothing, and is done when the panel opens and after each flush.
 * Rule 2: all at once is asked for twice.
 * Rule 3: rows keep their elements: who is about to press a button presses it.
 * Rule 4: what came of it is said where it was asked for, and stays until the next.
 */

import { ask } from "./ask.js";
import { ADMIN, adminHeaders } from "./credentials.js";
import { make, say } from "./dom.js";
import { age, number, t } from "./words.js";

const PLACE = "/api/v1/admin/cache";

/** Counts alone are wanted: no key begins so. */
export const INFO = `${PLACE}/all/info?prefix=/api/v1/-`;

const NAMES = ["services", "nodes", "sites", "rules", "proxy"];
const ALL = "all";

/** Say in words why a call with the token of that name was refused. */
export function reasonFor(name, error) {
  const { status, message: reason } = error;
  const isRefused = status === 401 || status === 403;
  if (!isRefused) return reason;
  if (name !== ADMIN) return t("token_denied", { reason });
  return t(status === 401 ? "admin_needed" : "admin_wrong");
}

/** Make the table; `flushed()` and `refused()` are told what came of a flush. */
export function createCaches({ flushed, refused }) {
  const rows = new Map(NAMES.map((name) => [name, rowOf(name, () => flush(name))]));
  const said = make("p", { class: "said", id: "flushed", role: "status" });
  const all = flushButton(ALL, "flush_all", () => confirm(true));
  const confirming = make(
    "div",
    { class: "confirming", role: "group", "aria-labelledby": "confirm-all", hidden: true },
    make("p", { id: "confirm-all" }, t("flush_all_sure")),
    flushButton(ALL, "flush_all", () => flush(ALL)),
    make("button", { class: "tool", type: "button", click: () => confirm(false) }, t("cancel")),
  );
  const element = make(
    "section",
    { class: "caches", id: "caches", hidden: true, "aria-labelledby": "caches-title" },
    make("h3", { id: "caches-title" }, t("caches")),
    make(
      "table",
      {},
      make("thead", {}, make("tr", {}, ["cache", "cache_entries", "cache_age", "cache_flushed"].map(head), make("td"))),
      make("tbody", {}, [...rows.values()]),
    ),
    make("div", { class: "acts" }, all),
    confirming,
    said,
    make("p", { class: "hint" }, t("flush_here_only")),
  );

  function confirm(isAsked) {
    confirming.hidden = !isAsked;
    all.hidden = isAsked;
    (isAsked ? confirming.querySelector("button") : all).focus();
    reveal();
  }

  function show({ namespaces }) {
    for (const name of NAMES) fill(rows.get(name), namespaces[name]);
    element.hidden = false;
  }

  async function read() {
    try {
      show(await ask(INFO, { headers: adminHeaders() }));
    } catch (error) {
      failed(error, t("caches_failed", { reason: reasonFor(ADMIN, error) }));
    }
  }

  async function flush(name) {
    if (!confirming.hidden) confirm(false);
    const label = labelOf(name);
    tell("", false);
    try {
      const target = `${PLACE}/${name}/flush`;
      const told = await ask(target, { method: "POST", headers: adminHeaders() });
      tell(t(outcomeOf(name, told.flushed), { name: label, n: number(told.flushed) }));
      flushed();
      await read();
    } catch (error) {
      failed(error, t("flush_failed", { name: label, reason: reasonFor(ADMIN, error) }));
    }
  }

  function failed(error, text) {
    tell(text, true);
    if (error.status !== 401 && error.status !== 403) return;
    element.hidden = true;
    refused();
  }

  function tell(text, isBad = false) {
    said.classList.toggle("bad", isBad);
    say(said, text);
    if (text) reveal();
  }

  /** On a small screen it may be below what is seen. */
  function reveal() {
    element.scrollIntoView({ block: "end" });
  }

  return {
    element,
    show,
    read,
    close() {
      if (!confirming.hidden) confirm(false);
      tell("");
    },
  };
}

/** Sites and rules are never gone: what was good stays until they are loaded again. */
function outcomeOf(name, count) {
  if (!count) return "flush_none";
  return name === "sites" || name === "rules" ? "flush_loaded" : "flush_done";
}

function labelOf(name) {
  return t(`cache_${name}`);
}

function head(word) {
  return make("th", { scope: "col" }, t(word));
}

function rowOf(name, act) {
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, labelOf(name)),
    make("td"),
    make("td"),
    make("td"),
    make("td", {}, flushButton(name, "flush", act)),
  );
}

function fill(row, told) {
  const seconds = told.age_seconds ?? told.oldest_age_seconds ?? null;
  const last = told.last_flush?.at;
  const since = last ? Math.max(0, (Date.now() - Date.parse(last)) / 1_000) : null;
  const texts = [
    number(told.entries),
    seconds === null ? "–" : age(seconds),
    since === null ? "–" : t("ago", { age: age(since) }),
  ];
  texts.forEach((text, place) => say(row.cells[place + 1], text));
}

function flushButton(name, word, act) {
  const label = name === ALL ? null : `${t(word)}: ${labelOf(name)}`;
  return make(
    "button",
    { class: "tool", type: "button", "data-flush": name, "aria-label": label, click: act },
    t(word),
  );
}
