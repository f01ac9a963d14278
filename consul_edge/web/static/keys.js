/*
 * Rows by their keys: a hash table of row numbers, for a map of a hundred thousand joined texts
 * would be larger than the table.
 *
 * Rule 1: a key is the values of three columns; rows are compared by the codes of these.
 * Rule 2: it is thrown away, and made anew when asked, if codes are others.
 */

import { codeOf, findCode } from "./column.js";
import { finished } from "./steps.js";

const FREE = -1;
const GONE = -2;

/** Give the index of a table's rows, made when it is first asked for. */
export function keysOf(table) {
  const columns = table.schema.key.map((name) => table.fields.get(name));
  if (columns.includes(undefined)) return emptyIndex([], 0);
  table.keys ??= finished(indexing(table, columns));
  return table.keys;
}

/** Make that index in steps, if there is none. */
export function* preparingKeys(table) {
  const columns = table.schema.key.map((name) => table.fields.get(name));
  if (columns.includes(undefined) || table.keys) return;
  const { version } = table;
  for (const column of columns) {
    findCode(column, null);
    yield;
  }
  const index = yield* indexing(table, columns);
  if (table.version === version) table.keys = index;
}

function* indexing(table, columns) {
  const index = emptyIndex(columns, table.count);
  for (let row = 0; row < table.size; row += 1) {
    if (!table.alive[row]) continue;
    const before = index.slots[slotOf(index, codesOf(index, row))];
    // What is registered anew under another name is for a moment there twice.
    if (before >= 0) table.bury(before);
    addRow(index, row);
    if ((row & 0xfff) === 0xfff) yield;
  }
  return index;
}

function emptyIndex(columns, rows) {
  let size = 64;
  while (size < rows * 2 + 2) size *= 2;
  return { columns, slots: new Int32Array(size).fill(FREE), used: 0 };
}

/** Find the row of a key; undefined: there is none. */
export function findRow(index, key) {
  const codes = index.columns.map((column, place) => findCode(column, key[place]));
  if (codes.includes(undefined)) return undefined;
  const slot = slotOf(index, codes);
  return index.slots[slot] === FREE ? undefined : index.slots[slot];
}

/** Add a row, whose key is not there yet. */
export function addRow(index, row) {
  if (index.used * 2 >= index.slots.length) grow(index);
  index.slots[slotOf(index, codesOf(index, row))] = row;
  index.used += 1;
}

/** Take a row out, while it still has its values. */
export function dropRow(index, row) {
  index.slots[slotOf(index, codesOf(index, row))] = GONE;
}

function codesOf(index, row) {
  return index.columns.map((column) => codeOf(column, row));
}

/** Find the slot that has the row with these codes, or the free one where it would be. */
function slotOf({ columns, slots }, codes) {
  const mask = slots.length - 1;
  let slot = hash(codes) & mask;
  for (; slots[slot] !== FREE; slot = (slot + 1) & mask) {
    const row = slots[slot];
    if (row === GONE) continue;
    if (columns.every((column, place) => codeOf(column, row) === codes[place])) break;
  }
  return slot;
}

function hash(codes) {
  let mixed = 0;
  for (const code of codes) mixed = Math.imul(mixed ^ code, 0x9e3779b1) ^ (mixed >>> 15);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

function grow(index) {
  const rows = index.slots.filter((row) => row >= 0);
  Object.assign(index, emptyIndex(index.columns, rows.length * 2));
  for (const row of rows) addRow(index, row);
}
