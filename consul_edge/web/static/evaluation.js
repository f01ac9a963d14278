/*
 * What a term says of each row: a `Uint8Array` with 1 where it holds.
 *
 * Rule 1: a test is asked of each value of a column once, and rows look up their code's answer.
 * Rule 2: what is looked for anywhere in a row is looked for in each of its texts, but for what may
 * reach from one to the next: that needs the texts joined, as the server joins them.
 * Rule 3: work that may take long is given in steps of 8 ms: these are generators.
 */

import { reach } from "./automaton.js";
import { loweredOf } from "./column.js";
import { partsOf } from "./joint.js";
import { anyHolds } from "./matching.js";

const STEP = 8;
const LOOK = 0x7f;

const BLANK = 0;
const FAILS = 1;
const HOLDS = 2;

/** Evaluate a term; returns what it says of each row. */
export function* evaluating(table, term, searchedTexts) {
  const clock = { until: performance.now() + STEP };
  const test = anyHolds(term.tests);
  const sources = term.column ? term.column.sources : table.schema.searched;
  if (!term.column && reachesOver(term.tests)) {
    return yield* ofJoined(table, test, term.negated, searchedTexts, clock);
  }
  const states = new Uint8Array(table.size);
  const isFirst = term.column?.joins === "first";
  for (const { column, texts } of partsOf(table, sources)) {
    const known = yield* statesOf(loweredOf(column, texts), test, clock);
    if (known.some(Boolean)) raise(states, column, known, isFirst);
  }
  // Without any text there is the empty one, so that "" finds what has none.
  const answers = [test(""), false, true].map((holds) => Number(holds !== term.negated));
  return states.map((state) => answers[state]);
}

function reachesOver(tests) {
  return tests.some((test) => {
    if (test.is === "part") return test.text === "" || test.text.includes("\n");
    const { overLines, toEnds } = reach(test.pattern);
    return overLines || toEnds;
  });
}

function* statesOf(lowered, test, clock) {
  const states = new Uint8Array(lowered.length);
  for (let code = 0; code < lowered.length; code += 1) {
    const text = lowered[code];
    if (typeof text !== "string") states[code] = text.some(test) ? HOLDS : FAILS;
    else if (text) states[code] = test(text) ? HOLDS : FAILS;
    if ((code & LOOK) === LOOK) yield* rest(clock);
  }
  return states;
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

function* ofJoined(table, test, negated, searchedTexts, clock) {
  const verdict = new Uint8Array(table.size);
  for (let row = 0; row < table.size; row += 1) {
    if (table.alive[row]) {
      const text = searchedTexts(table, row).join("\n").toLowerCase();
      verdict[row] = Number(test(text) !== negated);
    }
    if ((row & LOOK) === LOOK) yield* rest(clock);
  }
  return verdict;
}

function* rest(clock) {
  if (performance.now() < clock.until) return;
  yield;
  clock.until = performance.now() + STEP;
}
