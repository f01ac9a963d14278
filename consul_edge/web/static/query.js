/*
 * The search grammar: the twin of consul_edge/enrich/query.py, which tells its rules.
 *
 * Rule 1: both pass tests/enrich/query_vectors.json: the same rows, the same errors.
 * Rule 2: a text with an error gives the terms before it, and the problem: a code, and a position
 * counted in code points. The words for it are the page's.
 * Rule 3: a term knows where it is written, `from` and `to` in the text, so that it can be taken
 * out or replaced there.
 */

import { CHOICE, META, NUMBER, findColumn, nearestName, schemaOf } from "./schema.js";
import { BadPattern, MOST_STEPS, parsePattern } from "./pattern.js";

export const MAX_LENGTH = 2000;
export const MAX_VALUES = 100;
export const MAX_PATTERNS = 8;

const BLANKS = " \t\r\n\v\f\u00a0";
const FIELD = /([A-Za-z_][A-Za-z0-9_.-]{0,140}):/y;
const COULD_BE_FIELD = /^[A-Za-z_]+$/;
const OPERATOR = />=|<=|>|<|=/y;
const PORT = /^[0-9]+$/;
const NUMERAL = /^-?[0-9]{1,15}(?:\.[0-9]{1,15})?$/;
const SAFE = /^[A-Za-z0-9][A-Za-z0-9._:@+-]*$/;

/** Read a query about rows of a kind: `{terms, problems}`, of which the latter are one or none. */
export function parse(text, kind = "services") {
  const reader = { text, schema: schemaOf(kind), at: 0, values: 0, patterns: 0, steps: 0 };
  const terms = [];
  try {
    if (countPoints(text) > MAX_LENGTH) throw new Wrong("too-long", endOfPoints(text));
    skipBlanks(reader);
    while (reader.at < text.length) {
      const from = reader.at;
      terms.push({ ...readTerm(reader), from, to: reader.at });
      skipBlanks(reader);
    }
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    const position = countPoints(text.slice(0, error.at));
    return { terms, problems: [{ code: error.code, position, at: error.at, ...error.more }] };
  }
  return { terms, problems: [] };
}

/** Write a text as a value of a field, or as a word: in quotes if it would mean something else. */
export function quoted(text) {
  return SAFE.test(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}

class Wrong extends Error {
  constructor(code, at, more = {}) {
    super(code);
    Object.assign(this, { code, at, more });
  }
}

function readTerm(reader) {
  const negated = peek(reader) === "-" && !ends(reader, reader.at + 1);
  if (negated) reader.at += 1;
  const column = readColumn(reader);
  if (column) return { tests: readTests(reader, column), column, negated };
  count(reader);
  const found = readPattern(reader, "");
  if (found) return { tests: [found], column: null, negated };
  const text = peek(reader) === '"' ? readQuoted(reader, "") : readWord(reader, "");
  return { tests: [{ is: "part", text: text.toLowerCase() }], column: null, negated };
}

function readColumn(reader) {
  FIELD.lastIndex = reader.at;
  const match = FIELD.exec(reader.text);
  if (!match) return null;
  const [whole, name] = match;
  const column = findColumn(reader.schema, name);
  if (column) {
    reader.at += whole.length;
    return column;
  }
  const rest = restOf(reader, reader.at + whole.length, "");
  if (rest.startsWith("//") || PORT.test(rest) || !COULD_BE_FIELD.test(name)) return null;
  throw new Wrong("unknown-field", reader.at, { name, near: nearestName(reader.schema, name) });
}

function readTests(reader, column) {
  const start = reader.at;
  const tests = [];
  do {
    while (peek(reader) === ",") reader.at += 1;
    if (ends(reader, reader.at)) break;
    count(reader);
    tests.push(readTest(reader, column));
  } while (peek(reader) === ",");
  if (!tests.length) throw new Wrong("no-value", start, { name: column.name });
  if (!ends(reader, reader.at)) throw new Wrong("no-blank", reader.at);
  return tests;
}

function readTest(reader, column) {
  const start = reader.at;
  const found = column.kind === NUMBER ? null : readPattern(reader, ",");
  if (found) return found;
  OPERATOR.lastIndex = start;
  const operator = OPERATOR.exec(reader.text)?.[0] ?? "";
  const at = start + operator.length;
  reader.at = at;
  const isQuoted = peek(reader) === '"';
  const text = (isQuoted ? readQuoted(reader, ",") : readWord(reader, ",")).toLowerCase();
  if (operator && !text && !isQuoted) throw new Wrong("no-value", at, { name: column.name });
  if (column.kind === NUMBER) {
    return { is: "compare", operator: operator || "=", number: toNumber(text, at, column) };
  }
  if (operator && operator !== "=") {
    if (column.kind !== META) throw new Wrong("no-comparison", start, { name: column.name });
    return { is: "compare", operator, number: toNumber(text, at, column) };
  }
  if (operator || !text) return { is: "whole", text };
  if (text.includes("*") && !isQuoted) return { is: "glob", parts: text.split("*") };
  return { is: column.kind === CHOICE ? "whole" : "part", text };
}

function toNumber(text, at, column) {
  if (!NUMERAL.test(text)) throw new Wrong("no-number", at, { name: column.name });
  return Number(text);
}

/** Read `/regex/` if what begins here ends like one. */
function readPattern(reader, also) {
  if (peek(reader) !== "/") return null;
  const { text, at } = reader;
  let end = at + 1;
  while (end < text.length) {
    if (text[end] === "\\") end += 1;
    else if (text[end] === "/" && ends(reader, end + 1, also)) break;
    end += 1;
  }
  const written = text.slice(at + 1, end);
  if (end >= text.length || !written) return null;
  const pattern = written.replaceAll("\\/", "/");
  reader.patterns += 1;
  if (reader.patterns > MAX_PATTERNS) throw new Wrong("too-many", at);
  try {
    reader.steps += parsePattern(pattern).steps;
    if (reader.steps > MOST_STEPS) throw new BadPattern("pattern too large");
  } catch (error) {
    if (!(error instanceof BadPattern)) throw error;
    throw new Wrong("bad-pattern", at, { reason: error.message });
  }
  reader.at = end + 1;
  return { is: "pattern", pattern };
}

function readQuoted(reader, also) {
  const start = reader.at;
  const { text } = reader;
  let found = "";
  let at = start + 1;
  while (text[at] !== '"') {
    if (text[at] === "\\" && (text[at + 1] === '"' || text[at + 1] === "\\")) at += 1;
    if (at >= text.length) throw new Wrong("unclosed-quote", start);
    found += text[at];
    at += 1;
  }
  reader.at = at + 1;
  if (!ends(reader, reader.at, also)) throw new Wrong("no-blank", reader.at);
  return found;
}

function readWord(reader, also) {
  const word = restOf(reader, reader.at, also);
  reader.at += word.length;
  return word;
}

function restOf(reader, start, also) {
  let end = start;
  while (!ends(reader, end, also)) end += 1;
  return reader.text.slice(start, end);
}

function ends(reader, at, also = "") {
  const { text } = reader;
  return at >= text.length || BLANKS.includes(text[at]) || also.includes(text[at]);
}

function peek(reader) {
  return reader.text[reader.at] ?? "";
}

function skipBlanks(reader) {
  while (reader.at < reader.text.length && ends(reader, reader.at)) reader.at += 1;
}

function count(reader) {
  reader.values += 1;
  if (reader.values > MAX_VALUES) throw new Wrong("too-many", reader.at);
}

function countPoints(text) {
  let points = 0;
  for (const _point of text) points += 1;
  return points;
}

/** Give where the last code point that is allowed ends. */
function endOfPoints(text) {
  return Array.from(text).slice(0, MAX_LENGTH).join("").length;
}
