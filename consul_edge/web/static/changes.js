/*
 * What changed, put into a table: rows by their keys, as `/api/v1/events` tells them.
 *
 * Rule 1: a row that changed keeps its number; one that is new gets one that is free.
 * Rule 2: a field that a row does not have is null.
 * Rule 3: what was worked out of columns that did not change stays.
 */

import { emptyColumn, setValue, tidy } from "./column.js";
import { addRow, dropRow, findRow, keysOf } from "./keys.js";

/** Apply `{changed: [row], removed: [key]}`; gives the numbers of the rows that were touched. */
export function applyChanges(table, { changed = [], removed = [] }) {
  const told = { added: [], changed: [], removed: [] };
  for (const key of removed) {
    const row = findRow(keysOf(table), key);
    if (row !== undefined) told.removed.push(remove(table, row));
  }
  for (const fields of changed) {
    const row = findRow(
      keysOf(table),
      table.schema.key.map((name) => fields[name]),
    );
    if (row === undefined) told.added.push(add(table, fields));
    else if (put(table, row, fields)) told.changed.push(row);
  }
  if (told.added.length + told.changed.length + told.removed.length) settle(table);
  return told;
}

function remove(table, row) {
  dropRow(keysOf(table), row);
  table.bury(row);
  return row;
}

function add(table, fields) {
  const row = table.free.pop() ?? table.size;
  if (row === table.size) {
    table.size += 1;
    if (row >= table.alive.length) {
      const wider = new Uint8Array(Math.ceil(table.size * 1.25));
      wider.set(table.alive);
      table.alive = wider;
    }
  }
  table.alive[row] = 1;
  table.count += 1;
  put(table, row, fields);
  // Without an index this was the first row of all, which the index will find.
  if (table.keys) addRow(table.keys, row);
  return row;
}

/** Give a row all its values; tells whether any is another one. */
function put(table, row, fields) {
  let isOther = false;
  for (const [name, value] of Object.entries(fields)) {
    if (!table.names.includes(name)) table.names.push(name);
    const map = table.maps.get(name);
    if (map) isOther = putMap(map, row, value) || isOther;
    else isOther = putOne(table.fields, name, row, value) || isOther;
  }
  return isOther;
}

function putMap(map, row, values) {
  let isOther = false;
  for (const key of keysWith(map, values)) {
    const value = Object.hasOwn(values, key) ? values[key] : null;
    isOther = putOne(map, key, row, value) || isOther;
  }
  return isOther;
}

/** Give the keys of a map, after adding those that it lacks in their place. */
function keysWith(map, values) {
  const missing = Object.keys(values).filter((key) => !map.has(key));
  if (missing.length) {
    const columns = [...map, ...missing.map((key) => [key, emptyColumn()])];
    map.clear();
    columns.sort(([one], [other]) => (one < other ? -1 : 1));
    for (const [key, column] of columns) map.set(key, column);
  }
  return [...map.keys()];
}

function putOne(columns, name, row, value) {
  if (!columns.has(name)) columns.set(name, emptyColumn());
  return setValue(columns.get(name), row, value);
}

function settle(table) {
  table.version += 1;
  table.verdicts.clear();
  for (const columns of [table.fields, ...table.maps.values()]) {
    for (const column of columns.values()) if (tidy(column, table.count)) table.keys = null;
  }
}
