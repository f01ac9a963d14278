/*
 * What a term says of each row: a `Uint8Array` with 1 where it holds.
 *
 * Rule 1: a test is asked of each value of a column once, and rows look up their code's answer.
 * Rule 2: what is looked for anywhere in a row is looked for in each of its texts, but for what may
 * reach from one to the next: that needs the texts joined, as the server joins them.
 * Rule 3: work that may take long is given in steps of 8 ms: these are generators.
 * Rule 4: nothing is looked for twice: short columns come first, and in a long one only those
 * values are judged that a row still waits for. So one letter, which most rows have somewhere, and
 * one letter more, which only rows that had the others can have, are the cheapest searches.
 */

import { reach } from "./automaton.js";
import { joining, partsOf } from "./joint.js";
import { judging, lowering } from "./lowered.js";
import { anyHolds } from "./matching.js";
import { paced } from "./steps.js";

const LOOK = 0x7f;
/** Columns with fewer values are judged whole: to learn which are waited for takes as long. */
const LONG = 2048;

const BLANK = 0;
const FAILS = 1;
const HOLDS = 2;
/** Of rows that are not there, or that a wider search has left out. */
const DECIDED = 3;

/** Evaluate a term; `wider` is what one said that holds wherever this one does, or null. */
export function* evaluating(table, term, wider) {
  if (!term.column && term.tests.some((test) => test.is === "part" && test.text === "")) {
    return new Uint8Array(table.size).fill(Number(!term.negated));
  }
  const test = anyHolds(term.tests);
  if (!term.column && reachesOver(term.tests)) {
    return yield* paced(ofJoined(table, test, term.negated));
  }
  return yield* paced(ofColumns(table, term, test, wider));
}

/** Give the one text that a term looks for within texts; "": it is another kind of term. */
export function partOf({ tests: [only, ...more] }) {
  return !more.length && only.is === "part" && !only.text.includes("\n") ? only.text : "";
}

function* ofColumns(table, term, test, wider) {
  const { column: asked, negated } = term;
  const states = new Uint8Array(table.size);
  for (let row = 0; row < states.length; row += 1) {
    if (!table.alive[row] || (wider && !wider[row])) states[row] = DECIDED;
  }
  const isFirst = asked?.joins === "first";
  // What has only texts that fail is told from what has none if that makes a difference.
  const isBlankOther = isFirst || test("");
  const parts = [...partsOf(table, asked?.sources ?? table.schema.searched)];
  const size = ({ column }) => column.values.length;
  if (!isFirst) parts.sort((one, other) => size(one) - size(other));
  for (const { column, texts } of parts) {
    const lowered = yield* lowering(column, texts);
    const wanted = size({ column }) < LONG ? null : wantedOf(states, column, isFirst);
    if (wanted && !wanted.includes(1)) continue;
    const asking = { test, part: partOf(term), wanted, fails: FAILS, holds: HOLDS };
    const known = yield* judging(lowered, asking);
    if (isBlankOther || known.includes(HOLDS)) raise(states, column, known, isFirst);
  }
  // Without any text there is the empty one, so that "" finds what has none.
  const answers = [test(""), false, true, false].map((holds) => Number(holds !== negated));
  for (let row = 0; row < states.length; row += 1) states[row] = answers[states[row]];
  return states;
}

/** Tell of which values of a column it matters to a row whether they hold. */
function wantedOf(states, { values, codes, sparse }, isFirst) {
  const wanted = new Uint8Array(values.length);
  const decided = isFirst ? FAILS : HOLDS;
  const rows = Math.min(states.length, codes?.length ?? 0);
  if (sparse) {
    for (const [row, code] of sparse) if (states[row] < decided) wanted[code] = 1;
  } else {
    for (let row = 0; row < rows; row += 1) if (states[row] < decided) wanted[codes[row]] = 1;
  }
  return wanted;
}

function reachesOver(tests) {
  return tests.some((test) => {
    if (test.is === "part") return test.text.includes("\n");
    const { overLines, toEnds } = reach(test.pattern);
    return overLines || toEnds;
  });
}

/** Let rows have the state of their codes where it says more than what they have. */
function raise(states, column, known, isFirst) {
  const { codes, sparse } = column;
  const rows = Math.min(states.length, codes?.length ?? 0);
  if (sparse) {
    for (const [row, code] of sparse) raiseOne(states, row, known[code], isFirst);
  } else if (isFirst) {
    for (let row = 0; row < rows; row += 1) if (!states[row]) states[row] = known[codes[row]];
  } else {
    for (let row = 0; row < rows; row += 1) {
      const state = known[codes[row]];
      if (state > states[row]) states[row] = state;
    }
  }
}

function raiseOne(states, row, state, isFirst) {
  if (isFirst ? states[row] === BLANK : state > states[row]) states[row] = state;
}

function* ofJoined(table, test, negated) {
  const verdict = new Uint8Array(table.size);
  const textsOfRow = joining(table);
  for (let row = 0; row < table.size; row += 1) {
    if (table.alive[row]) {
      verdict[row] = Number(test(textsOfRow(row).join("\n").toLowerCase()) !== negated);
    }
    if ((row & LOOK) === LOOK) yield;
  }
  return verdict;
}
