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

/** Tell of each value, in `states`, whether it has a text that passes, none, or no text at all. */
export function* judging(lowered, test, part, { fails, holds }) {
  const states = new Uint8Array(lowered.size);
  if (lowered.list) {
    lowered.list.forEach((text, code) => {
      if (typeof text !== "string") states[code] = text.some(test) ? holds : fails;
      else if (text) states[code] = test(text) ? holds : fails;
    });
    yield;
  }
  for (const { first, text, begins } of lowered.blocks) {
    if (part) scan(text, begins, part, states.subarray(first), { fails, holds });
    for (let place = 0; !part && place < begins.length - 1; place += 1) {
      const end = begins[place + 1] - 1;
      if (end > begins[place]) {
        states[first + place] = test(text.slice(begins[place], end)) ? holds : fails;
      }
      if ((place & 0xff) === 0xff) yield;
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

/** Find a part, which has no end of a line and so is within one value each time. */
function scan(text, begins, part, states, { fails, holds }) {
  const count = begins.length - 1;
  for (let place = 0; place < count; place += 1) {
    if (begins[place + 1] - begins[place] > 1) states[place] = fails;
  }
  let place = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, begins[place])) {
    while (begins[place + 1] <= at) place += 1;
    states[place] = holds;
    place += 1;
    if (place === count) return;
  }
}
