/*
 * The order that people expect of names: `web2` before `web10`, whatever the case.
 *
 * The twin of consul_edge/enrich/natural.py: both make the same key of a text.
 * Rule 1: a key is made once for each text and compared as plain text.
 * Rule 2: Python compares code points and JavaScript code units; `sortKey` moves those units that
 * are in another order, so that both sort alike.
 */

const DIGITS = /0*([0-9]+)/g;
const OUT_OF_ORDER = /[\uD800-\uFFFF]/;
const UNITS = /[\uD800-\uFFFF]/g;

/** Make the key of a text: `naturalKey("Web02")` is `"web000012\0Web02"`. */
export function naturalKey(text) {
  return `${text.toLowerCase().replace(DIGITS, counted)}\0${text}`;
}

/** Make a key whose order under `<` is that of the other one by code points. */
export function sortKey(text) {
  const key = naturalKey(text);
  return OUT_OF_ORDER.test(key) ? key.replace(UNITS, moved) : key;
}

/** Sort texts, each distinct, into a new list. */
export function sortNaturally(texts) {
  const byKey = new Map(Array.from(texts, (text) => [sortKey(text), text]));
  return [...byKey.keys()].sort().map((key) => byKey.get(key));
}

function counted(_run, digits) {
  return String(digits.length).padStart(5, "0") + digits;
}

function moved(unit) {
  const code = unit.charCodeAt(0);
  return String.fromCharCode(code < 0xe000 ? code + 0x2000 : code - 0x800);
}
