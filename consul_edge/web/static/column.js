/*
 * One column of a table: its distinct values, and for each row the code of its own.
 *
 * Rule 1: a value never changes its code while rows have it; `tidy` drops those that none has.
 * Rule 2: codes are as narrow as the count of values allows; a column that few rows have is a map.
 * Rule 3: what is worked out of the values (small letters, order) is kept, and grows with them.
 * `version` grows with each code that is set, for those who keep more.
 */

import { sortKey } from "./natural.js";
import { NUMBER } from "./schema.js";

const SPARSE = 16;
const ROOM = 1.25;
const LONG = 20_000;

/** Decode a column of a document with so many rows (consul_edge/enrich/columnar.py). */
export function decodeColumn({ values, codes, at }, rows) {
  const made = { values, version: 0, codes: null, sparse: null, blank: -1, index: null };
  reset(made);
  if (!at) {
    made.codes = narrow(values.length, rows);
    if (codes) made.codes.set(codes);
    else for (let row = 0; row < rows; row += 1) made.codes[row] = row;
    return made;
  }
  const codeAt = codes ? (place) => codes[place] : (place) => place;
  made.values = [...values, null];
  made.blank = values.length;
  if (at.length * SPARSE < rows) {
    made.sparse = new Map(at.map((row, place) => [row, codeAt(place)]));
  } else {
    made.codes = narrow(made.values.length, rows).fill(made.blank);
    at.forEach((row, place) => (made.codes[row] = codeAt(place)));
  }
  return made;
}

/** Make a column that no row has a value of. */
export function emptyColumn() {
  return decodeColumn({ values: [], codes: [], at: [] }, 1);
}

/** Give the code of a row's value. */
export function codeOf(column, row) {
  return column.sparse ? (column.sparse.get(row) ?? column.blank) : column.codes[row];
}

/** Give a row's value. */
export function valueOf(column, row) {
  return column.values[codeOf(column, row)];
}

/** Give a row a value; tells whether it is another one. */
export function setValue(column, row, value) {
  const isThere = column.sparse !== null || row < column.codes.length;
  if (isThere && identity(valueOf(column, row)) === identity(value)) return false;
  const code = intern(column, value);
  if (column.sparse) {
    if (code === column.blank) column.sparse.delete(row);
    else column.sparse.set(row, code);
  } else {
    const narrowest = kindFor(column.values.length);
    if (row >= column.codes.length || column.codes.BYTES_PER_ELEMENT < narrowest.BYTES_PER_ELEMENT) {
      const room = row < column.codes.length ? column.codes.length : Math.ceil(row * ROOM) + 16;
      const wider = narrow(column.values.length, room);
      wider.set(column.codes);
      column.codes = wider;
    }
    column.codes[row] = code;
  }
  column.version += 1;
  return true;
}

/** Find the code of a value; undefined: no row has had it. */
export function findCode(column, value) {
  column.index ??= new Map(column.values.map((known, code) => [identity(known), code]));
  return column.index.get(identity(value));
}

/** Drop values that no row has any more, when they are many; tells whether codes are others now. */
export function tidy(column, rows) {
  if (column.values.length <= 2 * rows + 1000) return false;
  const codes = new Map();
  const values = [];
  const recode = (code) => {
    if (!codes.has(code)) codes.set(code, values.push(column.values[code]) - 1);
    return codes.get(code);
  };
  if (column.sparse) {
    column.blank = recode(column.blank);
    for (const [row, code] of column.sparse) column.sparse.set(row, recode(code));
  } else {
    column.codes = column.codes.map(recode);
  }
  column.values = values;
  column.index = null;
  reset(column);
  column.version += 1;
  return true;
}

/** Give the texts of each value in small letters: one, or a list; "" is none. */
export function loweredOf(column, texts) {
  let found = column.lowered.get(texts);
  if (!found) column.lowered.set(texts, (found = []));
  for (let code = found.length; code < column.values.length; code += 1) {
    const all = texts(column.values[code]);
    if (all.length < 2) found.push(all.length ? all[0].toLowerCase() : "");
    else found.push(all.map((text) => text.toLowerCase()));
  }
  return found;
}

/**
 * Give the place of each value in an order: `{ranks, blank}`; blank ones have the highest.
 *
 * Values that came since are put between those that are sorted already.
 */
export function ranksOf(column, { kind, order }, texts) {
  const name = `${kind === NUMBER}${order.join()}`;
  let kept = column.ranked.get(texts)?.get(name);
  if (kept?.size === column.values.length) return kept;
  const keyOf = keyMaker(kind, order, texts);
  const fresh = [];
  const keys = [];
  for (let code = kept?.size ?? 0; code < column.values.length; code += 1) {
    const key = keyOf(column.values[code]);
    if (key !== null) fresh.push(code);
    keys.push(key);
  }
  const first = kept?.size ?? 0;
  const keyed = (code) => keys[code - first];
  const sorted = merged(kept?.sorted ?? [], sortedBy(fresh, keyed), keyed, (code) =>
    keyOf(column.values[code]),
  );
  const ranks = ranked(column.values, sorted);
  kept = { sorted, ranks, blank: sorted.length, size: column.values.length };
  if (!column.ranked.has(texts)) column.ranked.set(texts, new Map());
  column.ranked.get(texts).set(name, kept);
  return kept;
}

/** Give each code its place; equal texts, which a long column may have twice, share one. */
function ranked(values, sorted) {
  const ranks = new Uint32Array(values.length).fill(sorted.length);
  for (let at = 0; at < sorted.length; at += 1) {
    const isSame = at > 0 && values[sorted[at]] === values[sorted[at - 1]];
    ranks[sorted[at]] = isSame ? ranks[sorted[at - 1]] : at;
  }
  return ranks;
}

function keyMaker(kind, order, texts) {
  return (value) => {
    const text = texts(value).join(",");
    if (!text) return null;
    if (kind === NUMBER) return Number(text);
    if (!order.length) return sortKey(text);
    const place = order.indexOf(text);
    return `${place < 0 ? order.length : place}${sortKey(text)}`;
  };
}

function sortedBy(codes, keyOf) {
  return Uint32Array.from(
    codes.sort((one, other) => {
      const [first, second] = [keyOf(one), keyOf(other)];
      if (first === second) return one - other;
      return first < second ? -1 : 1;
    }),
  );
}

/** Put the fresh ones into those that are sorted, each by a search of its place. */
function merged(sorted, fresh, freshKey, oldKey) {
  if (!sorted.length) return fresh;
  const result = new Uint32Array(sorted.length + fresh.length);
  let from = 0;
  let to = 0;
  for (const code of fresh) {
    const key = freshKey(code);
    let low = from;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (oldKey(sorted[middle]) <= key) low = middle + 1;
      else high = middle;
    }
    result.set(sorted.subarray(from, low), to);
    to += low - from;
    result[to] = code;
    to += 1;
    from = low;
  }
  result.set(sorted.subarray(from), to);
  return result;
}

function intern(column, value) {
  // A map of each long column would be larger than the table: there, a value may come twice.
  if (!column.index && column.values.length > LONG) return column.values.push(value) - 1;
  const found = findCode(column, value);
  if (found !== undefined) return found;
  const code = column.values.push(value) - 1;
  column.index.set(identity(value), code);
  return code;
}

/** Values of one column are of one kind: those that are no texts cannot meet those that are. */
function identity(value) {
  return value !== null && typeof value === "object" ? JSON.stringify(value) : value;
}

function reset(column) {
  column.lowered = new Map();
  column.ranked = new Map();
}

function kindFor(values) {
  if (values <= 0x100) return Uint8Array;
  return values <= 0x10000 ? Uint16Array : Uint32Array;
}

function narrow(values, rows) {
  return new (kindFor(values))(rows);
}
