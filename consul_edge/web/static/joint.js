/*
 * What a name stands for in a table: the columns it is made of, and one column for all of these.
 *
 * Rule 1: a part is `{column, texts}`; one key of Meta that no row has is no part.
 * Rule 2: a column of one part is that part's own; one of several is made when it is first sorted
 * or counted by, and made anew when a part of it has changed.
 */

import { codeOf, decodeColumn, valueOf } from "./column.js";
import { textsOf } from "./schema.js";

const NOTHING = decodeColumn({ values: [null], codes: [] }, 0);

/** Give the parts of some sources of a schema. */
export function partsOf(table, sources) {
  return sources.flatMap((source) => {
    const map = table.maps.get(source.field);
    if (!map) {
      const column = table.fields.get(source.field);
      return column ? [{ column, texts: source.texts }] : [];
    }
    if (!source.every && !source.pairs) {
      const column = map.get(source.key);
      return column ? [{ column, texts: source.texts }] : [];
    }
    return [...map].map(([key, column]) => {
      return { column, texts: source.pairs ? pairTexts(table, key) : source.texts };
    });
  });
}

/** Make the function that gives all texts of a row, as the server joins them. */
export function joining(table) {
  const parts = partsOf(table, table.schema.searched);
  return (row) => {
    const found = [];
    for (const { column, texts } of parts) {
      const value = valueOf(column, row);
      if (typeof value === "string" && texts === textsOf) value && found.push(value);
      else if (value !== null) found.push(...texts(value));
    }
    return found;
  };
}

/** Give one column, and how its values are read, for what a schema's column is made of. */
export function jointOf(table, { name, sources, joins }) {
  const parts = partsOf(table, sources);
  if (parts.length === 1) return parts[0];
  if (!parts.length) return { column: everywhereNothing(table), texts: textsOf };
  const kept = table.joints.get(name);
  const version = parts.reduce((sum, part) => sum + part.column.version, parts.length);
  if (kept?.version === version && kept.size === table.size) return kept;
  const column = parts.slice(1).reduce(
    (before, part) => paired(table, before, part, joins),
    listed(table, parts[0]),
  );
  const made = { column, texts: textsOf, version, size: table.size };
  table.joints.set(name, made);
  return made;
}

/** Make the texts of a part its values. */
function listed(table, { column, texts }) {
  const codes = new Uint32Array(table.size);
  for (let row = 0; row < table.size; row += 1) codes[row] = codeOf(column, row) ?? 0;
  return decodeColumn({ values: column.values.map((value) => texts(value)), codes }, table.size);
}

/** Make a column of two: the texts of both, or of the first that has any. */
function paired(table, before, { column, texts }, joins) {
  const places = new Map();
  const values = [];
  const codes = new Uint32Array(table.size);
  const onlyFirst = before.values.map((found) => joins === "first" && found.length > 0);
  for (let row = 0; row < table.size; row += 1) {
    const one = before.codes[row];
    const other = codeOf(column, row);
    const pair = onlyFirst[one] ? -1 - one : one * 0x1000000 + other;
    let code = places.get(pair);
    if (code === undefined) {
      const more = onlyFirst[one] ? [] : texts(column.values[other]);
      code = values.push([...before.values[one], ...more]) - 1;
      places.set(pair, code);
    }
    codes[row] = code;
  }
  return decodeColumn({ values, codes }, table.size);
}

function pairTexts(table, key) {
  let texts = table.parts.get(key);
  if (!texts) {
    texts = (value) => (value === null || value === undefined ? [] : [`${key}=${value}`]);
    table.parts.set(key, texts);
  }
  return texts;
}

function everywhereNothing(table) {
  if (NOTHING.codes.length < table.size) NOTHING.codes = new Uint8Array(table.size);
  return NOTHING;
}
