/*
 * The order that people expect of names: `web2` before `web10`, whatever the case.
 *
 * The twin of consul_edge/enrich/natural.py: both make the same key of a text.
 * Rule 1: a key is made once for each text and compared as plain text.
 * Rule 2: Python compares code points and JavaScript code units; `sortKey` moves those units that
 * are in another order, so that both sort alike.
 */

const ZERO = 48;
const NINE = 57;
const LENGTHS = Array.from({ length: 100 }, (_, length) => String(length).padStart(5, "0"));
const OUT_OF_ORDER = /[\uD800-\uFFFF]/;
const UNITS = /[\uD800-\uFFFF]/g;

/** Make the key of a text: `naturalKey("Web02")` is `"web000012\0Web02"`. */
export function naturalKey(text) {
  const lowered = text.toLowerCase();
  let key = "";
  let from = 0;
  for (let at = 0; at < lowered.length; at += 1) {
    if (!isDigit(lowered, at)) continue;
    key += lowered.slice(from, at);
    while (lowered.charCodeAt(at) === ZERO && isDigit(lowered, at + 1)) at += 1;
    from = at;
    while (isDigit(lowered, at + 1)) at += 1;
    const length = at + 1 - from;
    key += LENGTHS[length] ?? String(length).padStart(5, "0");
  }
  return `${key}${lowered.slice(from)}\0${text}`;
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

function isDigit(text, at) {
  const code = text.charCodeAt(at);
  return code >= ZERO && code <= NINE;
}

function moved(unit) {
  const code = unit.charCodeAt(0);
  return String.fromCharCode(code < 0xe000 ? code + 0x2000 : code - 0x800);
}
