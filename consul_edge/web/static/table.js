/*
 * Rows as columns of codes: what is asked of a hundred thousand rows is asked of their values.
 *
 * Rule 1: a row goes by its number, which is its own until the row is removed; after that another
 * row may get it. Who has to know a row for longer keeps its key.
 * Rule 2: an order is a `Uint32Array` of row numbers; selecting and sorting make new ones.
 * Rule 3: blank cells are last in either direction, and equal ones keep the order they had.
 * Rule 4: what a term says of each row is kept for the next keys pressed, until rows change.
 */

import { codeOf, decodeColumn, valueOf } from "./column.js";
import { applyChanges } from "./changes.js";
import { evaluating, partOf } from "./evaluation.js";
import { countFacets, countable } from "./facets.js";
import { joining, jointOf, partsOf } from "./joint.js";
import { findRow, keysOf, preparingKeys } from "./keys.js";
import { lowering } from "./lowered.js";
import { ranking } from "./ranks.js";
import { findColumn, schemaOf } from "./schema.js";
import { finished, paced } from "./steps.js";

const KEPT_TERMS = 12;

/**
 * Make a table of a document with columns.
 *
 * `kind` is "services" or "nodes". What the table offers:
 *
 *   rows                       how many there are now
 *   version                    grows with each change
 *   versionOf(names)           grows with each change of what some columns have
 *   cell(row, name)            a field's value as on the wire, or what a column's texts are
 *   texts(row)                 all texts that a word is looked for in
 *   row(row)                   the row as on the wire
 *   keyOf(row), find(key)      [dc, node, id or address], and the row of one or undefined
 *   select(terms)              the rows for which all terms hold, in the document's order
 *   selecting(terms)           the same in steps of 8 ms: a generator that returns the order
 *   sort(order, keys)          by [{name, descending}], the first key first
 *   sorting(order, keys)       the same in steps: the first sort by a long column takes a while
 *   facets(terms, names)       Map(name -> Map(text -> count)), each without its own terms
 *   apply({changed, removed})  {added, changed, removed}: numbers of rows
 *   preparing(sorts, facets)   does in steps of 8 ms what else the first of each would wait for
 *   metaKeys()                 all keys of Meta, the most frequent first
 */
export function fromColumns(document, kind) {
  const table = { schema: schemaOf(kind), ...decode(document, kind), version: 0 };
  return {
    kind,
    get rows() {
      return table.count;
    },
    get version() {
      return table.version;
    },
    versionOf: (names) => names.reduce((sum, name) => sum + versionOf(table, name), 0),
    cell: (row, name) => cell(table, row, name),
    texts: (row) => joining(table)(row),
    row: (row) => wireRow(table, row),
    keyOf: (row) => table.schema.key.map((name) => cell(table, row, name)),
    find: (key) => findRow(keysOf(table), key),
    select: (terms) => finished(selecting(table, terms)),
    selecting: (terms) => selecting(table, terms),
    sort: (order, keys) => finished(sorting(table, order, keys)),
    sorting: (order, keys) => sorting(table, order, keys),
    facets: (terms, names) => facets(table, terms, names),
    apply: (changes) => applyChanges(table, changes),
    preparing: (sorts, counted) => paced(preparing(table, sorts, counted)),
    metaKeys: () => metaKeys(table),
  };
}

function decode({ rows, columns }, kind) {
  const { mappings } = schemaOf(kind);
  const fields = new Map();
  const maps = new Map(mappings.map((name) => [name, new Map()]));
  for (const [name, column] of Object.entries(columns)) {
    if (!maps.has(name)) fields.set(name, decodeColumn(column, rows));
    else {
      const keys = Object.keys(column.keys).sort();
      for (const key of keys) maps.get(name).set(key, decodeColumn(column.keys[key], rows));
    }
  }
  return {
    fields,
    maps,
    names: Object.keys(columns),
    count: rows,
    // Rows that were removed are still there, and dead, until their numbers are given again.
    size: rows,
    alive: new Uint8Array(rows).fill(1),
    free: [],
    keys: null,
    parts: new Map(),
    joints: new Map(),
    verdicts: new Map(),
    bury(row) {
      this.alive[row] = 0;
      this.free.push(row);
      this.count -= 1;
    },
  };
}

function cell(table, row, name) {
  const field = table.fields.get(name);
  if (field) return valueOf(field, row);
  const map = table.maps.get(name);
  if (map) return mapping(map, row);
  const column = findColumn(table.schema, name);
  if (!column) return undefined;
  const { column: joint, texts } = jointOf(table, column);
  const value = valueOf(joint, row);
  const isOne = column.sources.length === 1 && !Array.isArray(value);
  const found = texts(value);
  return isOne || column.joins === "first" ? (found[0] ?? null) : found;
}

function versionOf(table, name) {
  const column = findColumn(table.schema, name);
  const parts = column ? partsOf(table, column.sources) : [];
  return parts.reduce((sum, part) => sum + part.column.version, parts.length);
}

function mapping(map, row) {
  const found = {};
  for (const [key, column] of map) {
    const value = valueOf(column, row);
    if (value !== null && value !== undefined) found[key] = value;
  }
  return found;
}

function wireRow(table, row) {
  return Object.fromEntries(table.names.map((name) => [name, cell(table, row, name)]));
}

function* selecting(table, terms) {
  const verdicts = [];
  // Those about one column are cheap, and wait for none.
  const ordered = [...terms].sort((one, other) => Number(!one.column) - Number(!other.column));
  for (const term of ordered) verdicts.push(yield* verdictOf(table, term));
  const order = new Uint32Array(table.count);
  let found = 0;
  for (let row = 0; row < table.size; row += 1) {
    let holds = table.alive[row];
    for (let place = 0; holds && place < verdicts.length; place += 1) holds = verdicts[place][row];
    if (holds) {
      order[found] = row;
      found += 1;
    }
  }
  return order.slice(0, found);
}

/** Tell of each row whether a term holds. */
function* verdictOf(table, term) {
  const name = JSON.stringify([term.column?.name ?? null, term.negated, term.tests]);
  const { verdicts, version } = table;
  let found = verdicts.get(name);
  if (found) verdicts.delete(name);
  else found = { term, says: yield* evaluating(table, term, widerThan(verdicts, term)) };
  if (table.version === version) {
    verdicts.set(name, found);
    if (verdicts.size > KEPT_TERMS) verdicts.delete(verdicts.keys().next().value);
  }
  return found.says;
}

/** Give what a term said that holds wherever this one does: of a word, one key press before. */
function widerThan(verdicts, { column, negated, tests }) {
  const part = negated ? "" : partOf({ tests });
  let [wider, longest] = [null, ""];
  for (const { term, says } of part ? verdicts.values() : []) {
    const known = term.negated || term.column?.name !== column?.name ? "" : partOf(term);
    if (known.length > longest.length && part.includes(known)) [wider, longest] = [says, known];
  }
  return wider;
}

function facets(table, terms, names) {
  const told = terms.map((term) => [term.column?.name, finished(verdictOf(table, term))]);
  return countFacets(table, told, names);
}

function* sorting(table, order, keys) {
  let sorted = order;
  for (const { name, descending } of [...keys].reverse()) {
    const column = findColumn(table.schema, name);
    if (!column) throw new RangeError(`no column is called ${name}`);
    const { column: joint, texts } = jointOf(table, column);
    sorted = sortBy(sorted, joint, yield* ranking(joint, column, texts), Boolean(descending));
    yield;
  }
  return sorted === order ? order.slice() : sorted;
}

/** Sort by counting: how many rows have each rank, and so where each begins. */
function sortBy(order, column, { ranks, blank }, descending) {
  const begins = new Uint32Array(blank + 2);
  const places = new Uint32Array(order.length);
  for (let at = 0; at < order.length; at += 1) {
    const rank = ranks[codeOf(column, order[at])];
    const place = descending && rank !== blank ? blank - 1 - rank : rank;
    places[at] = place;
    begins[place + 1] += 1;
  }
  for (let place = 1; place < begins.length; place += 1) begins[place] += begins[place - 1];
  const sorted = new Uint32Array(order.length);
  for (let at = 0; at < order.length; at += 1) {
    sorted[begins[places[at]]] = order[at];
    begins[places[at]] += 1;
  }
  return sorted;
}

function* preparing(table, sorts, counted) {
  for (const { column, texts } of partsOf(table, table.schema.searched)) {
    yield* lowering(column, texts);
  }
  for (const name of counted) {
    const { column, texts } = jointOf(table, findColumn(table.schema, name));
    yield;
    countable(column, texts);
    yield;
  }
  for (const name of sorts) {
    const column = findColumn(table.schema, name);
    const { column: joint, texts } = jointOf(table, column);
    yield;
    yield* ranking(joint, column, texts);
  }
  yield* preparingKeys(table);
}

function metaKeys(table) {
  const counts = [...table.maps.get(table.schema.meta)].map(([key, column]) => {
    if (column.sparse) return [key, column.sparse.size];
    let count = 0;
    for (let row = 0; row < table.size; row += 1) {
      if (table.alive[row] && (column.values[column.codes[row]] ?? null) !== null) count += 1;
    }
    return [key, count];
  });
  const byName = (one, other) => (one < other ? -1 : 1);
  counts.sort(([one, many], [other, more]) => more - many || byName(one, other));
  return counts.filter(([, count]) => count).map(([key]) => key);
}
