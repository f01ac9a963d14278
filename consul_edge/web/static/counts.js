/*
 * Rows counted by the values of a column, as people choose among them.
 *
 * Rule 1: what a filter takes is not always what is shown: a site is filtered by its code, and
 * shown by its name; a node's address is a text of its column, and no value to choose.
 * Rule 2: statuses are in their own order, worst first; all else by count, then by name.
 */

import { parse, quoted } from "./query.js";

const FIELDS = {
  services: { site: ["site_code", "site_name"], node: ["Node", "Node"] },
  nodes: { site: ["site", "site_name"] },
};

/** Write what is chosen as terms of a query, which is what a table selects by. */
export function termsOf(filters, kind) {
  const terms = [];
  for (const [name, values] of filters) {
    const text = `${name}:${values.map((value) => `=${inQuotes(value)}`).join(",")}`;
    terms.push(...parse(text, kind).terms);
  }
  return terms;
}

function inQuotes(value) {
  return value === "" ? '""' : quoted(value).startsWith('"') ? quoted(value) : `"${value}"`;
}

/** Count by columns: `Map(name -> [{value, label, count}])`; see the rules above. */
export function countsOf(table, terms, names, choices) {
  const counted = table.facets(terms, names);
  return new Map(
    names.map((name) => [name, ordered(valuesOf(table, name, counted.get(name)), choices[name])]),
  );
}

function valuesOf(table, name, counts) {
  const fields = FIELDS[table.kind][name];
  if (!fields) return [...counts].map(([value, count]) => ({ value, label: value, count }));
  const found = [];
  for (const [value, label] of labelsOf(table, ...fields)) {
    if (counts.has(value)) found.push({ value, label, count: counts.get(value) });
  }
  return found;
}

/** Give what people read for a value of a filter. */
export function labelOf(table, name, value) {
  const fields = FIELDS[table.kind][name];
  return (fields && labelsOf(table, ...fields).get(value)) ?? value;
}

const labels = new WeakMap();

/** Give each value of a column and its label, worked out once for each state of the two. */
function labelsOf(table, code, name) {
  if (!labels.has(table)) labels.set(table, {});
  const kept = labels.get(table);
  // Rows that were removed may be listed: who counts finds none of them.
  const version = table.versionOf([code, name]);
  if (kept[code]?.version === version) return kept[code].found;
  const found = new Map();
  for (const row of table.select([])) {
    const label = table.cell(row, name);
    const value = table.cell(row, code) || label;
    if (!found.has(value)) found.set(value, label);
  }
  kept[code] = { version, found };
  return found;
}

function ordered(values, order) {
  if (order) {
    return values.sort((one, other) => order.indexOf(one.value) - order.indexOf(other.value));
  }
  const byName = new Intl.Collator(undefined, { numeric: true }).compare;
  return values.sort((one, other) => other.count - one.count || byName(one.label, other.label));
}
