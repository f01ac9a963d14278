/*
 * The texts of a column's values in small letters, as searching wants them.
 *
 * Rule 1: few values are a list: a text each, or a list where a value has several; "" is none.
 * Rule 2: many are blocks, each one long text: what is looked for is looked for in that, which is
 * ten times faster than in each value, and takes less room.
 * Rule 3: both grow with the values; only the last block is made again.
 */

const MANY = 4096;
const BLOCK = 8192;
/** Where fewer than one in so many lines are left, each is looked at alone. */
const FEW = 64;

/** Bring the small letters of a column up to its values, and give them; a generator of steps. */
export function* lowering(column, texts) {
  let found = column.lowered.get(texts);
  if (!found) {
    const { values } = column;
    const isList = values.length < MANY || values.some((one) => texts(one).length > 1);
    found = { size: 0, list: isList ? [] : null, blocks: [] };
    column.lowered.set(texts, found);
  }
  while (found.size < column.values.length) {
    if (found.list) extendList(found, column.values, texts);
    else addBlock(found, column.values, texts);
    yield;
  }
  return found;
}

/**
 * Tell of each value whether it has a text that passes, none, or no text at all (0).
 *
 * `asking`: {test, part, wanted, fails, holds}; a part is one that the texts must have, or "", and
 * of values that are not wanted, if that is not null, nothing is told.
 */
export function* judging(lowered, asking) {
  const { test, part, wanted, fails, holds } = asking;
  const states = new Uint8Array(lowered.size);
  const isWanted = (code) => !wanted || wanted[code] === 1;
  if (lowered.list) {
    lowered.list.forEach((text, code) => {
      if (!isWanted(code)) return;
      if (typeof text !== "string") states[code] = text.some(test) ? holds : fails;
      else if (text) states[code] = test(text) ? holds : fails;
    });
    yield;
  }
  for (const { first, text, begins } of lowered.blocks) {
    const many = begins.length - 1;
    const left = linesLeft(begins, wanted?.subarray(first, first + many));
    for (const place of left) states[first + place] = fails;
    if (part && left.length * FEW > many) scan(text, begins, part, left, states.subarray(first), holds);
    else {
      for (let at = 0; at < left.length; at += 1) {
        const place = left[at];
        if (test(text.slice(begins[place], begins[place + 1] - 1))) states[first + place] = holds;
        if ((at & 0xff) === 0xff) yield;
      }
    }
    yield;
  }
  return states;
}

function extendList(found, values, texts) {
  for (; found.size < values.length; found.size += 1) {
    const all = texts(values[found.size]).map((text) => text.toLowerCase());
    found.list.push(all.length < 2 ? (all[0] ?? "") : all);
  }
}

function addBlock(found, values, texts) {
  const last = found.blocks.at(-1);
  const isOpen = last && last.begins.length - 1 < BLOCK;
  if (isOpen) found.blocks.pop();
  const first = isOpen ? last.first : found.size;
  const lines = values.slice(first, first + BLOCK).map((value) => oneOf(texts(value)));
  const begins = new Uint32Array(lines.length + 1);
  lines.forEach((line, place) => (begins[place + 1] = begins[place] + line.length + 1));
  found.blocks.push({ first, text: lines.join("\n"), begins });
  found.size = first + lines.length;
}

function oneOf(texts) {
  return texts.length ? texts[0].toLowerCase() : "";
}

/** Give the places of lines that are wanted and not empty. */
function linesLeft(begins, wanted) {
  const left = new Uint16Array(begins.length - 1);
  let count = 0;
  for (let place = 0; place < left.length; place += 1) {
    if (begins[place + 1] - begins[place] > 1 && (!wanted || wanted[place])) {
      left[count] = place;
      count += 1;
    }
  }
  return left.subarray(0, count);
}

/** Find a part, which has no end of a line and so is within one value each time. */
function scan(text, begins, part, left, states, holds) {
  let at = -1;
  for (const place of left) {
    // What was found behind the lines between needs no other look.
    if (at < begins[place]) at = text.indexOf(part, begins[place]);
    if (at < 0) return;
    if (at < begins[place + 1]) states[place] = holds;
  }
}
