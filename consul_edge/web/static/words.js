/*
 * What the page says, and what the server told it: read once from its HTML.
 *
 * Rule 1: no text is written in a module; each has a key, the same in every language.
 * Rule 2: numbers and ages are written as the server writes them.
 */

/** What `consul_edge/web/page_data.py` tells. */
export const page = JSON.parse(document.getElementById("page-data").textContent);

const numbers = new Intl.NumberFormat(page.language);

const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
];

/** Say something: the text of a key, with `{name}` replaced by the value of that name. */
export function t(key, values = {}) {
  const text = page.words[key];
  if (text === undefined) throw new RangeError(`no word is called ${key}`);
  return text.replace(/\{([a-z]+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
}

/** Say a word of the wire, such as a status; one that nobody knows stays as it is. */
export function known(prefix, word) {
  return page.words[`${prefix}_${word}`] ?? word;
}

/** Name a column; a key of Meta has its own name. */
export function columnName(name) {
  return page.words[name] ?? name;
}

/** Say a value of a filter as people read it. */
export function valueName(name, value) {
  if (value === "") return t("none");
  return name === "status" || name === "type" ? known(name, value) : value;
}

export function number(value) {
  return numbers.format(value);
}

/** Write how long something is, in whole units. */
export function age(seconds) {
  for (const [size, unit] of UNITS) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}
