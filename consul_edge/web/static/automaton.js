/*
 * A pattern that has been read, as a function of texts: linear in the text, whatever the pattern.
 *
 * The program is that of Thompson; its states are made as texts need them, and kept.
 * Rule 1: a state is the set of places where reading goes on, and the kind of character before
 * them; what stands between two characters (`^`, `\b`) is decided when the next one is known.
 * Rule 2: characters that all classes of the program take alike are one symbol.
 * Rule 3: states beyond a bound are forgotten and made again.
 */

import { parsePattern } from "./pattern.js";

const MOST_STATES = 2000;
const END = 0;
const FOUND = { isFound: true };

const BEGIN = 1;
const LINE = 2;
const WORD = 3;
const OTHER = 4;

const HOLDS = {
  "begin": (before) => before === BEGIN,
  "end": (_before, after) => after === BEGIN,
  "line-begin": (before) => before === BEGIN || before === LINE,
  "line-end": (_before, after) => after === BEGIN || after === LINE,
  "boundary": (before, after) => (before === WORD) !== (after === WORD),
  "no-boundary": (before, after) => (before === WORD) === (after === WORD),
};

/** Make the function that tells whether a pattern is found in a text. */
export function finder(pattern) {
  const machine = {
    ...compile(parsePattern(pattern)),
    symbols: new Uint16Array(0x10000),
    beyond: new Map(),
    bySignature: new Map(),
    kinds: [BEGIN],
    takes: [[]],
    states: new Map(),
  };
  machine.start = stateOf(machine, [machine.first], BEGIN);
  return (text) => isFound(machine, text);
}

/** Tell what a pattern looks at besides the text's own characters within one line. */
export function reach(pattern) {
  const { classes, program } = compile(parsePattern(pattern));
  return {
    overLines: classes.some((made) => made.has(10)),
    toEnds: program.some((step) => step.op === "assert" && /^(begin|end)$/.test(step.kind)),
  };
}

function compile(tree) {
  const program = [];
  const classes = [];
  const places = new Map();
  const add = (step) => program.push(step) - 1;

  // Written from the end, so that each step knows the one behind it.
  function write(node, next) {
    if (node.op === "one") {
      if (!places.has(node.of.key)) places.set(node.of.key, classes.push(node.of) - 1);
      return add({ op: "one", takes: places.get(node.of.key), next });
    }
    if (node.op === "assert") return add({ op: "assert", kind: node.kind, next });
    if (node.op === "any") return add({ op: "any", to: node.parts.map((p) => write(p, next)) });
    if (node.op === "repeat") return writeRepeat(node, next);
    return node.parts.reduceRight((behind, part) => write(part, behind), next);
  }

  function writeRepeat({ parts: [part], least, most }, next) {
    let first = next;
    if (most === Infinity) {
      const again = { op: "any", to: [] };
      first = add(again);
      again.to = [write(part, first), next];
    } else {
      for (let more = least; more < most; more += 1) {
        first = add({ op: "any", to: [write(part, first), next] });
      }
    }
    for (let times = 0; times < least; times += 1) first = write(part, first);
    return first;
  }

  const first = write(tree, add({ op: "found" }));
  return { program, classes, first };
}

function isFound(machine, text) {
  const { symbols } = machine;
  let state = machine.start;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    let symbol = symbols[unit];
    if (symbol === 0) {
      const point = text.codePointAt(at);
      symbol = symbolOf(machine, point);
      if (point > 0xffff) at += 1;
    }
    state = state.next[symbol] ?? follow(machine, state, symbol);
    if (state === FOUND) return true;
  }
  return (state.next[END] ?? follow(machine, state, END)) === FOUND;
}

function symbolOf(machine, point) {
  const { classes, bySignature, beyond, symbols } = machine;
  const known = beyond.get(point);
  if (known) return known;
  const kind = kindOf(point);
  const takes = classes.map((made) => made.has(point));
  const signature = `${kind}${takes.map(Number).join("")}`;
  let symbol = bySignature.get(signature);
  if (!symbol) {
    symbol = machine.kinds.push(kind) - 1;
    machine.takes.push(takes);
    bySignature.set(signature, symbol);
  }
  // A high surrogate is half of many characters: these are found in the map only.
  if (point > 0xffff || (point >= 0xd800 && point < 0xe000)) beyond.set(point, symbol);
  else symbols[point] = symbol;
  return symbol;
}

function kindOf(point) {
  if (point === 10) return LINE;
  return /^[0-9A-Za-z_]$/.test(String.fromCodePoint(point)) ? WORD : OTHER;
}

function stateOf(machine, places, kind) {
  const key = `${kind}:${places.join()}`;
  let state = machine.states.get(key);
  if (!state) {
    if (machine.states.size >= MOST_STATES) {
      // Those at work still hold their own; the others begin anew.
      machine.states.clear();
      if (machine.start) machine.start.next.length = 0;
    }
    state = { places, kind, next: [] };
    machine.states.set(key, state);
  }
  return state;
}

/** Work out what follows a state when the next symbol is read, and keep it. */
function follow(machine, state, symbol) {
  const { program, first } = machine;
  const takes = machine.takes[symbol];
  const after = machine.kinds[symbol];
  // A match may begin anywhere.
  const open = [first, ...state.places];
  const seen = new Set(open);
  const next = new Set();
  let result = null;
  const go = (place) => {
    if (!seen.has(place)) {
      seen.add(place);
      open.push(place);
    }
  };
  while (open.length && !result) {
    const step = program[open.pop()];
    if (step.op === "found") result = FOUND;
    else if (step.op === "any") step.to.forEach(go);
    else if (step.op === "one") takes[step.takes] && next.add(step.next);
    else if (HOLDS[step.kind](state.kind, after)) go(step.next);
  }
  result ??= stateOf(machine, [...next].sort((one, other) => one - other), after);
  state.next[symbol] = result;
  return result;
}
