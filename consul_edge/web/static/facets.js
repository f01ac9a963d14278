/*
 * Counts of rows by the texts of columns, each as if the terms about that column were not there.
 *
 * So a chosen value does not hide the others that might be chosen instead.
 * Rule 1: a row has a bit for each faceted column whose terms it fails, and one for all others; it
 * counts for a column if it fails by no more than that one.
 * Rule 2: a row with several texts, such as tags, counts once for each; without any, under "".
 */

import { sortNaturally } from "./natural.js";
import { jointOf } from "./joint.js";
import { findColumn } from "./schema.js";

const OTHERS = 1;

/** Count; `told` is [name of the column or undefined, what the term says of each row]. */
export function countFacets(table, told, names) {
  const columns = names.map((name) => known(table.schema, name));
  const bits = new Map(columns.map((column, place) => [column.name, 2 << place]));
  const fails = new Uint32Array(table.size);
  for (let row = 0; row < table.size; row += 1) if (!table.alive[row]) fails[row] = OTHERS;
  for (const [name, verdict] of told) {
    const bit = bits.get(name) ?? OTHERS;
    for (let row = 0; row < table.size; row += 1) if (!verdict[row]) fails[row] |= bit;
  }
  return new Map(
    names.map((name, place) => {
      return [name, countOne(table, columns[place], fails, bits.get(columns[place].name))];
    }),
  );
}

function known(schema, name) {
  const column = findColumn(schema, name);
  if (!column) throw new RangeError(`no column is called ${name}`);
  return column;
}

function countOne(table, column, fails, own) {
  const { column: joint, texts } = jointOf(table, column);
  const byCode = new Uint32Array(joint.values.length);
  let outside = 0;
  if (joint.sparse) {
    for (let row = 0; row < table.size; row += 1) outside += Number(!(fails[row] & ~own));
    for (const [row, code] of joint.sparse) {
      if (fails[row] & ~own) continue;
      byCode[code] += 1;
      outside -= 1;
    }
    byCode[joint.blank] += outside;
  } else {
    const { codes } = joint;
    for (let row = 0; row < table.size; row += 1) if (!(fails[row] & ~own)) byCode[codes[row]] += 1;
  }
  return byText(countable(joint, texts), byCode);
}

function byText({ all, places }, byCode) {
  const counts = new Uint32Array(all.length);
  byCode.forEach((count, code) => {
    if (count) for (const place of places[code]) counts[place] += count;
  });
  const found = new Map();
  all.forEach((text, place) => counts[place] && found.set(text, counts[place]));
  return found;
}

/** Give all texts of a column in natural order, and for each code the places of its own. */
export function countable(column, texts) {
  const kept = column.facet;
  if (kept?.values === column.values && kept.places.length === column.values.length) return kept;
  const lists = column.values.map((value) => [...new Set(texts(value))]);
  lists.forEach((list) => list.length || list.push(""));
  const all = sortNaturally(new Set(lists.flat()));
  const placeOf = new Map(all.map((text, place) => [text, place]));
  const places = lists.map((list) => list.map((text) => placeOf.get(text)));
  column.facet = { values: column.values, all, places };
  return column.facet;
}
