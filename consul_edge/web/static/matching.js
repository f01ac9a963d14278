/*
 * What the tests of a term mean for a text: the twin of consul_edge/enrich/matching.py.
 *
 * Rule 1: texts are given in small letters, as tests have them.
 * Rule 2: every test is linear in the text.
 */

import { finder } from "./automaton.js";

const NUMERAL = /^-?[0-9]{1,15}(?:\.[0-9]{1,15})?$/;

const COMPARE = {
  "=": (one, other) => one === other,
  ">": (one, other) => one > other,
  ">=": (one, other) => one >= other,
  "<": (one, other) => one < other,
  "<=": (one, other) => one <= other,
};

/** Make the function of several tests, any of which will do. */
export function anyHolds(tests) {
  const wholes = new Set(tests.filter((test) => test.is === "whole").map((test) => test.text));
  const others = tests.filter((test) => test.is !== "whole").map(holds);
  if (!others.length) return (text) => wholes.has(text);
  if (others.length === 1 && !wholes.size) return others[0];
  return (text) => wholes.has(text) || others.some((test) => test(text));
}

function holds(test) {
  if (test.is === "part") return (text) => text.includes(test.text);
  if (test.is === "glob") return (text) => globs(test.parts, text);
  if (test.is === "pattern") return finder(test.pattern);
  const compare = COMPARE[test.operator];
  return (text) => NUMERAL.test(text) && compare(Number(text), test.number);
}

/** Match without going back: the first place of each part is as good as any later one. */
function globs(parts, text) {
  const first = parts[0];
  const last = parts.at(-1);
  const end = text.length - last.length;
  if (!text || first.length > end || !text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    at = text.indexOf(part, at);
    if (at < 0 || at + part.length > end) return false;
    at += part.length;
  }
  return true;
}
