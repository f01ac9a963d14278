/*
 * The regular expressions of RE2, read: a text to a tree, or to what is wrong with it.
 *
 * The page must refuse what the server refuses and find what it finds, and `RegExp` does neither:
 * it looks ahead, its classes are others, and for `^(a+)+$` it needs seconds.
 * Rule 1: as the server asks: whatever the case, `^` and `$` at each line, `.` within a line.
 * Rule 2: greed is read and means nothing: all that is asked is whether there is a match.
 * Rule 3: `RegExp` is asked about single characters only, for it knows Unicode (pattern_class.js).
 */

import { BadPattern, escaped, readClass, readGroup, single } from "./pattern_class.js";

export { BadPattern };

const MOST = 1000;
/** Of all patterns of a search together; a step is about one of RE2's. */
export const MOST_STEPS = 10_000;
const REPEAT = /\{(0|[1-9][0-9]{0,7})(?:(,)(0|[1-9][0-9]{0,7})?)?\}/y;
const NAME = /P?<([A-Za-z0-9_]+)>/y;

/** Read a pattern; throws `BadPattern`. */
export function parsePattern(text) {
  const reader = { text, at: 0, names: new Set() };
  const tree = readChoice(reader, { fold: true, lines: true, dotAll: false });
  if (reader.at < text.length) throw new BadPattern("unexpected )");
  return tree;
}

function made(op, parts, rest = {}) {
  const own = op === "any" ? parts.length - 1 : 0;
  const steps = parts.reduce((sum, part) => sum + part.steps, own);
  return bounded({ op, parts, ...rest, steps });
}

function bounded(node) {
  if (node.steps > MOST_STEPS) throw new BadPattern("pattern too large");
  return node;
}

/** Read up to the end of a group; `flags` are its own and may change within. */
function readChoice(reader, flags) {
  const branches = [[]];
  let wasRepeat = false;
  while (reader.at < reader.text.length && reader.text[reader.at] !== ")") {
    const items = branches.at(-1);
    const repeat = readRepeat(reader);
    if (repeat) {
      if (wasRepeat) throw new BadPattern("bad repetition operator");
      if (!items.length) throw new BadPattern("no argument for repetition operator");
      items.push(repeated(items.pop(), repeat));
    } else if (reader.text[reader.at] === "|") {
      reader.at += 1;
      branches.push([]);
    } else {
      readItem(reader, flags, items);
    }
    wasRepeat = Boolean(repeat);
  }
  const all = branches.map((items) => (items.length === 1 ? items[0] : made("all", items)));
  return all.length === 1 ? all[0] : made("any", all);
}

function readRepeat(reader) {
  const sign = reader.text[reader.at];
  let bounds = { "*": [0, Infinity], "+": [1, Infinity], "?": [0, 1] }[sign];
  if (bounds) {
    reader.at += 1;
  } else {
    REPEAT.lastIndex = reader.at;
    const match = REPEAT.exec(reader.text);
    if (!match) return null;
    reader.at += match[0].length;
    const least = Number(match[1]);
    const most = match[2] ? Number(match[3] ?? Infinity) : least;
    bounds = [least, most];
  }
  if (reader.text[reader.at] === "?") reader.at += 1;
  return bounds;
}

function repeated(node, [least, most]) {
  const times = most === Infinity ? least : most;
  if (least > MOST || times > MOST || least > most) throw new BadPattern("bad repetition operator");
  const found = { op: "repeat", parts: [node], least, most };
  if (times > 1 && !allowance(found, MOST)) throw new BadPattern("bad repetition operator");
  const choices = most === Infinity ? 1 : most - least;
  return bounded({ ...found, steps: node.steps * Math.max(times, 1) + choices });
}

/** Give what is left of the repetitions allowed at the deepest place. */
function allowance(node, allowed) {
  let left = allowed;
  if (node.op === "repeat") {
    const times = node.most === Infinity ? node.least : node.most;
    // `*` and its like count once.
    if (times > 1 || node.most !== Infinity) left = Math.trunc(allowed / Math.max(times, 1));
  }
  for (const part of node.parts ?? []) left = Math.min(left, allowance(part, left));
  return left;
}

function readItem(reader, flags, items) {
  const { text } = reader;
  const sign = text[reader.at];
  if (sign === "(") {
    readParenthesis(reader, flags, items);
  } else if (sign === "[") {
    items.push(atom(readClass(reader, flags.fold)));
  } else if (sign === "\\") {
    readBackslash(reader, flags, items);
  } else {
    const point = text.codePointAt(reader.at);
    reader.at += point > 0xffff ? 2 : 1;
    items.push(plain(point, flags));
  }
}

function plain(point, flags) {
  const sign = String.fromCodePoint(point);
  if (sign === "^") return assertion(flags.lines ? "line-begin" : "begin");
  if (sign === "$") return assertion(flags.lines ? "line-end" : "end");
  if (sign !== ".") return atom(single(point, flags.fold));
  return atom({ key: `.${flags.dotAll}`, has: (other) => flags.dotAll || other !== 10 });
}

function atom(of) {
  return { op: "one", of, steps: 1 };
}

function assertion(kind) {
  return { op: "assert", kind, steps: 1 };
}

function readParenthesis(reader, flags, items) {
  const { text } = reader;
  reader.at += 1;
  const inner = { ...flags };
  if (text[reader.at] === "?") {
    reader.at += 1;
    if (!readName(reader) && readFlags(reader, inner) === ")") {
      Object.assign(flags, inner);
      return;
    }
  }
  const node = readChoice(reader, inner);
  if (text[reader.at] !== ")") throw new BadPattern("missing )");
  reader.at += 1;
  items.push(made("all", [node]));
}

function readName(reader) {
  NAME.lastIndex = reader.at;
  const match = NAME.exec(reader.text);
  if (!match) return false;
  if (reader.names.has(match[1])) throw new BadPattern("duplicate name of a group");
  reader.names.add(match[1]);
  reader.at += match[0].length;
  return true;
}

/** Read `i-ms:` or `i-ms)`, and give how it ends. */
function readFlags(reader, flags) {
  let on = true;
  let isDangling = false;
  for (;;) {
    const sign = reader.text[reader.at];
    reader.at += 1;
    if ((sign === ":" || sign === ")") && !isDangling) return sign;
    if (sign === "-" && on) {
      on = false;
      isDangling = true;
      continue;
    }
    if (sign === "i") flags.fold = on;
    else if (sign === "m") flags.lines = on;
    else if (sign === "s") flags.dotAll = on;
    else if (sign !== "U") throw new BadPattern("bad group: (?");
    isDangling = false;
  }
}

const ASSERTIONS = { A: "begin", z: "end", b: "boundary", B: "no-boundary" };

function readBackslash(reader, flags, items) {
  const { text } = reader;
  const sign = text[reader.at + 1];
  if (sign in ASSERTIONS) {
    reader.at += 2;
    items.push(assertion(ASSERTIONS[sign]));
  } else if (sign === "Q") {
    readLiteral(reader, flags, items);
  } else if (sign === "C") {
    reader.at += 2;
    items.push(atom({ key: "C", has: () => true }));
  } else {
    const group = readGroup(reader, flags.fold);
    items.push(atom(group ?? single(escaped(reader), flags.fold)));
  }
}

/** Read `\Q...\E`; one that stays open would swallow what the server writes behind it. */
function readLiteral(reader, flags, items) {
  const end = reader.text.indexOf("\\E", reader.at + 2);
  if (end < 0) throw new BadPattern("missing \\E");
  for (const sign of reader.text.slice(reader.at + 2, end)) {
    items.push(atom(single(sign.codePointAt(0), flags.fold)));
  }
  reader.at = end + 2;
}
