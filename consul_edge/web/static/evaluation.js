/*
 * What a term says of each row: a `Uint8Array` with 1 where it holds.
 *
 * Rule 1: a test is asked of each value of a column once, and rows look up their code's answer.
 * Rule 2: what is looked for anywhere in a row is looked for in each of its texts, but for what may
 * reach from one to the next: that needs the texts joined, as the server joins them.
 * Rule 3: work that may take long is given in steps of 8 ms: these are generators.
 */

import { reach } from "./automaton.js";
import { joining, partsOf } from "./joint.js";
import { judging, lowering } from "./lowered.js";
import { anyHolds } from "./matching.js";
import { paced } from "./steps.js";

const LOOK = 0x7f;

const BLANK = 0;
const FAILS = 1;
const HOLDS = 2;

/** Evaluate a term; returns what it says of each row. */
export function* evaluating(table, term) {
  const test = anyHolds(term.tests);
  if (!term.column && reachesOver(term.tests)) {
    return yield* paced(ofJoined(table, test, term.negated));
  }
  const [only, ...more] = term.tests;
  const part = !more.length && only.is === "part" && !only.text.includes("\n") ? only.text : "";
  return yield* paced(ofColumns(table, term, test, part));
}

function* ofColumns(table, { column: asked, negated }, test, part) {
  const states = new Uint8Array(table.size);
  const isFirst = asked?.joins === "first";
  for (const { column, texts } of partsOf(table, asked?.sources ?? table.schema.searched)) {
    const lowered = yield* lowering(column, texts);
    const known = yield* judging(lowered, test, part, { fails: FAILS, holds: HOLDS });
    raise(states, column, known, isFirst);
  }
  // Without any text there is the empty one, so that "" finds what has none.
  const answers = [test(""), false, true].map((holds) => Number(holds !== negated));
  for (let row = 0; row < states.length; row += 1) states[row] = answers[states[row]];
  return states;
}

function reachesOver(tests) {
  return tests.some((test) => {
    if (test.is === "part") return test.text === "" || test.text.includes("\n");
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
