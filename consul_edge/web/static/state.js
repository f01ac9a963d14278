/*
 * What is shown, as the address has it: every control is in the URL, so a view can be shared.
 *
 * Rule 1: names and values are those of the server (consul_edge/web/page_address.py): a page that
 * is loaded again shows what it showed.
 * Rule 2: a parameter that means nothing is told, and left out.
 * Rule 3: a commit adds a step to the history, and so does the first key of a word; further keys
 * replace it, so that one step back undoes the word.
 * Rule 4: this file touches nothing but the address.
 */

const META = /^meta\.[A-Za-z0-9_-]{1,128}$/i;
const MOST_KEYS = 3;

/** Read an address's parameters, with what the page knows: `{known, columns, choices, ...}`. */
export function readState(search, page) {
  const state = emptyState();
  const given = new Map();
  for (const [name, value] of new URLSearchParams(search)) {
    if (given.has(name)) given.get(name).push(value);
    else given.set(name, [value]);
  }
  for (const [name, values] of given) readOne(state, name, values, page);
  readSort(state, given, page);
  return state;
}

export function emptyState() {
  return {
    q: "",
    filters: new Map(),
    sort: [],
    columns: null,
    row: null,
    dense: false,
    lang: null,
    problems: [],
  };
}

function readOne(state, name, values, page) {
  const [value] = values;
  const wrong = (expected) => state.problems.push({ name, value, expected });
  if (name === "sort" || name === "order" || name === "page" || name === "all") return;
  if (name === "q") state.q = value;
  else if (name === "dense") {
    if (value === "0" || value === "1" || !value) state.dense = value === "1";
    else wrong(["0", "1"]);
  } else if (name === "lang") {
    if (page.languages.includes(value)) state.lang = value;
    else if (value) wrong(page.languages);
  } else if (name === "columns") readColumns(state, value, page, wrong);
  else if (name === "row") {
    const parts = value.split("/");
    if (parts.length === 3) state.row = parts.map(decoded);
    else if (value) wrong(["datacenter/node/id"]);
  } else if (page.known.includes(name.toLowerCase()) || META.test(name)) {
    readFilter(state, name.toLowerCase().startsWith("meta.") ? name : name.toLowerCase(), values, page);
  } else state.problems.push({ name, value: null, expected: null });
}

function readColumns(state, value, page, wrong) {
  const names = page.columns.map((column) => column.name);
  const asked = value.split(",").filter(Boolean);
  if (asked.some((name) => !names.includes(name))) wrong(names);
  else if (asked.length) state.columns = names.filter((name) => asked.includes(name));
}

function readFilter(state, name, texts, page) {
  const split = texts.map(splitValues);
  // One of them says: all.
  if (split.some((values) => !values.length)) return;
  const values = [...new Set(split.flat())];
  const choices = page.choices[name];
  const bad = choices && values.find((value) => value && !choices.includes(value.toLowerCase()));
  if (bad === undefined || !choices) state.filters.set(name, values);
  else state.problems.push({ name, value: bad, expected: choices });
}

function readSort(state, given, page) {
  const names = (given.get("sort")?.[0] ?? "").split(",").filter(Boolean);
  const orders = (given.get("order")?.[0] ?? "").split(",").filter(Boolean);
  const wrong = (name, value, expected) => state.problems.push({ name, value, expected });
  const bad = names.find((name) => !page.known.includes(name.toLowerCase()) && !META.test(name));
  const badOrder = orders.find((order) => !/^(asc|desc)(end)?$/i.test(order));
  if (bad !== undefined) wrong("sort", bad, page.known);
  else if (names.length > MOST_KEYS) wrong("sort", names.join(","), null);
  else if (badOrder !== undefined) wrong("order", badOrder, ["asc", "desc"]);
  else {
    state.sort = names.map((name, place) => ({
      name: META.test(name) ? name : name.toLowerCase(),
      descending: /^desc/i.test(orders[place] ?? ""),
    }));
  }
}

/** Take a filter's values apart: commas between them, those with a comma in double quotes. */
export function splitValues(text) {
  if (!text.includes('"')) {
    const values = text.split(",").map((value) => value.trim()).filter(Boolean);
    return values.some((value) => value.toLowerCase() === "all") ? [] : values;
  }
  const values = [];
  let at = 0;
  while (at <= text.length) {
    const [whole, inQuotes, plain] = /^\s*(?:"((?:[^"]|"")*)"|([^,]*))/.exec(text.slice(at));
    values.push(inQuotes?.replaceAll('""', '"') ?? plain.trim());
    // Behind a value is a comma, or the end.
    at += whole.length + 1;
  }
  return values;
}

/** Write a filter's values so that they are read back as they are. */
export function spellValues(values) {
  return values.map(spellValue).join(",");
}

function spellValue(value) {
  const isPlain = value && value.toLowerCase() !== "all" && value.trim() === value;
  return isPlain && !/[",]/.test(value) ? value : `"${value.replaceAll('"', '""')}"`;
}

/** Write the parameters that the API has, too: what is searched, filtered and sorted. */
export function rowParameters(state) {
  const written = new URLSearchParams();
  if (state.q) written.set("q", state.q);
  for (const [name, values] of state.filters) written.set(name, spellValues(values));
  if (state.sort.length) {
    written.set("sort", state.sort.map(({ name }) => name).join(","));
    written.set("order", state.sort.map(({ descending }) => (descending ? "desc" : "asc")).join(","));
  }
  return written;
}

/** Write all of it, as `?...`, or nothing. */
export function writeState(state) {
  const written = rowParameters(state);
  if (state.columns) written.set("columns", state.columns.join(","));
  if (state.dense) written.set("dense", "1");
  if (state.lang) written.set("lang", state.lang);
  if (state.row) written.set("row", state.row.map(encodedPart).join("/"));
  const text = String(written);
  return text && `?${text}`;
}

function encodedPart(part) {
  return part.replaceAll("%", "%25").replaceAll("/", "%2F");
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Follow the address.
 *
 * `changed(state)` is called after each change, whoever made it. `change(parts, {typing})` makes
 * one: while somebody is typing it replaces the last step.
 */
export function followAddress(page, changed) {
  let state = readState(location.search, page);
  let isTyping = false;
  addEventListener("popstate", () => {
    isTyping = false;
    state = readState(location.search, page);
    changed(state);
  });
  return {
    get current() {
      return state;
    },
    change(parts, { typing = false } = {}) {
      const next = { ...state, ...parts, problems: [] };
      const target = location.pathname + writeState(next);
      const isOther = target !== location.pathname + location.search;
      if (typing && isTyping) history.replaceState(null, "", target);
      else if (isOther) history.pushState(null, "", target);
      isTyping = typing && (isOther || isTyping);
      state = next;
      changed(state);
    },
  };
}

