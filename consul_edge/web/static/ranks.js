/*
 * The place of each value of a column in an order, so that rows are sorted by counting.
 *
 * Rule 1: natural order, or numbers; texts that an order names come first, in that order.
 * Rule 2: what is ranked stays ranked: values that came since are put between the others.
 * Rule 3: the first time takes long for many values: it is done in steps (generators).
 */

import { sortKey } from "./natural.js";
import { NUMBER } from "./schema.js";

const RUN = 1024;

/** Give `{ranks, blank}`, the latter being the rank of blank values: the highest. */
export function* ranking(column, { kind, order }, texts) {
  const name = `${kind === NUMBER}${order.join()}`;
  let kept = column.ranked.get(texts)?.get(name);
  const { values } = column;
  const first = kept?.size ?? 0;
  if (kept && first === values.length) return kept;
  const keyOf = keyMaker(kind, order, texts);
  const keys = [];
  const fresh = [];
  for (let code = first; code < values.length; code += 1) {
    const key = keyOf(values[code]);
    if (key !== null) fresh.push(code);
    keys.push(key);
    if (code % RUN === RUN - 1) yield;
  }
  const added = yield* sorting(fresh, (code) => keys[code - first]);
  const oldKey = (code) => keyOf(values[code]);
  const sorted = kept ? merged(kept.sorted, added, keys, first, oldKey) : added;
  kept = { sorted, ranks: placed(values, sorted), blank: sorted.length, size: first + keys.length };
  if (!column.ranked.has(texts)) column.ranked.set(texts, new Map());
  column.ranked.get(texts).set(name, kept);
  return kept;
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

/** Sort codes by their keys: short runs, then pairs of them, and so on. */
function* sorting(codes, keyOf) {
  let runs = [];
  for (let from = 0; from < codes.length; from += RUN) {
    runs.push(Uint32Array.from(codes.slice(from, from + RUN).sort(comparing(keyOf))));
    yield;
  }
  while (runs.length > 1) {
    const longer = [];
    for (let place = 0; place < runs.length; place += 2) {
      const [one, other] = [runs[place], runs[place + 1]];
      longer.push(other ? mergedRuns(one, other, keyOf) : one);
      yield;
    }
    runs = longer;
  }
  return runs[0] ?? new Uint32Array(0);
}

function comparing(keyOf) {
  return (one, other) => {
    const [first, second] = [keyOf(one), keyOf(other)];
    if (first === second) return one - other;
    return first < second ? -1 : 1;
  };
}

function mergedRuns(one, other, keyOf) {
  const result = new Uint32Array(one.length + other.length);
  let [left, right] = [0, 0];
  for (let to = 0; to < result.length; to += 1) {
    const isLeft =
      right === other.length || (left < one.length && keyOf(one[left]) <= keyOf(other[right]));
    result[to] = isLeft ? one[left++] : other[right++];
  }
  return result;
}

/** Put the fresh codes into those that are sorted, each by a search of its place. */
function merged(sorted, fresh, keys, first, oldKey) {
  const result = new Uint32Array(sorted.length + fresh.length);
  let [from, to] = [0, 0];
  for (const code of fresh) {
    const key = keys[code - first];
    let [low, high] = [from, sorted.length];
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

/** Give each code its place; equal texts, which a long column may have twice, share one. */
function placed(values, sorted) {
  const ranks = new Uint32Array(values.length).fill(sorted.length);
  for (let at = 0; at < sorted.length; at += 1) {
    const isSame = at > 0 && values[sorted[at]] === values[sorted[at - 1]];
    ranks[sorted[at]] = isSame ? ranks[sorted[at - 1]] : at;
  }
  return ranks;
}
