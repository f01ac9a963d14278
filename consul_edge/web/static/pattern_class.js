/*
 * The characters that a place of a pattern takes: a class is `{key, has}`, told by code points.
 *
 * Rule 1: classes with the same key are the same, so each is asked once for each character.
 * Rule 2: what a class takes is folded first and turned round then, as RE2 does.
 */

/** Thrown with the reason why RE2 would refuse a pattern. */
export class BadPattern extends Error {}

const SIMPLE = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

const PERL = { d: "0-9", s: "\\t\\n\\f\\r ", w: "0-9A-Za-z_" };

const POSIX = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7f",
  blank: "\\t ",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: "\\t-\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

const OCTAL = /\\(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/y;
const HEX = /\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]+)\})/y;
const UNICODE = /\\([pP])(?:\{(\^?)([^}]*)\}|(.))/uy;
const CATEGORY = /^(?:C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?)$/;
const NAMED = /\[:(\^?)([^\]:]*):\]/y;

/** Make the class of one character. */
export function single(point, fold) {
  return written(hex(point), fold);
}

/** Read `\d`, `\pL` and their like; null: it is none of these. */
export function readGroup(reader, fold) {
  const { text, at } = reader;
  const sign = text[at + 1] ?? "";
  const perl = PERL[sign.toLowerCase()];
  if (perl) {
    reader.at += 2;
    return written(perl, fold, sign < "a");
  }
  if (sign !== "p" && sign !== "P") return null;
  UNICODE.lastIndex = at;
  const match = UNICODE.exec(text);
  if (!match) throw new BadPattern("bad character class");
  reader.at += match[0].length;
  const isTurned = (match[1] === "P") !== (match[2] === "^");
  return written(unicode(match[3] ?? match[4]), fold, isTurned);
}

/** Read an escaped character, and give its code point. */
export function escaped(reader) {
  const { text, at } = reader;
  const sign = text[at + 1];
  if (sign === undefined) throw new BadPattern("trailing \\");
  OCTAL.lastIndex = at;
  HEX.lastIndex = at;
  const octal = OCTAL.exec(text);
  const found = octal ?? HEX.exec(text);
  reader.at += found ? found[0].length : 2;
  if (octal) return parseInt(octal[0].slice(1), 8);
  if (found) return inRange(parseInt(found[1] ?? found[2], 16));
  if (sign in SIMPLE) return SIMPLE[sign];
  if (/[\x00-\x7f]/.test(sign) && !/[0-9A-Za-z]/.test(sign)) return sign.charCodeAt(0);
  throw new BadPattern(`bad escape: \\${sign}`);
}

/** Read `[...]`. */
export function readClass(reader, fold) {
  const { text } = reader;
  reader.at += 1;
  const isTurned = text[reader.at] === "^";
  if (isTurned) reader.at += 1;
  const parts = [];
  let ranges = "";
  for (let isFirst = true; isFirst || text[reader.at] !== "]"; isFirst = false) {
    if (reader.at >= text.length) throw new BadPattern("missing ]");
    const group = readNamed(reader, fold) ?? (text[reader.at] === "\\" && readGroup(reader, fold));
    if (group) parts.push(group);
    else ranges += readRange(reader);
  }
  reader.at += 1;
  if (ranges) parts.push(written(ranges, fold));
  return {
    key: `${isTurned}[${parts.map((part) => part.key).join("|")}]`,
    has: (point) => parts.some((part) => part.has(point)) !== isTurned,
  };
}

function readNamed(reader, fold) {
  const { text, at } = reader;
  if (!text.startsWith("[:", at) || text.indexOf(":]", at + 2) < 0) return null;
  NAMED.lastIndex = at;
  const match = NAMED.exec(text);
  if (!match || !Object.hasOwn(POSIX, match[2])) throw new BadPattern("bad character class");
  reader.at += match[0].length;
  return written(POSIX[match[2]], fold, match[1] === "^");
}

function readRange(reader) {
  const { text } = reader;
  const low = readOne(reader);
  let high = low;
  if (text[reader.at] === "-" && reader.at + 1 < text.length && text[reader.at + 1] !== "]") {
    reader.at += 1;
    high = readOne(reader);
    if (high < low) throw new BadPattern("bad character class range");
  }
  return high === low ? hex(low) : `${hex(low)}-${hex(high)}`;
}

function readOne(reader) {
  if (reader.at >= reader.text.length) throw new BadPattern("missing ]");
  if (reader.text[reader.at] === "\\") return escaped(reader);
  const point = reader.text.codePointAt(reader.at);
  reader.at += point > 0xffff ? 2 : 1;
  return point;
}

function unicode(name) {
  if (name === "Any") return "\\p{Any}";
  // To others, C has the unassigned, too.
  if (name === "C") return "\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}";
  if (CATEGORY.test(name)) return `\\p{${name}}`;
  const script = `\\p{Script=${name}}`;
  try {
    new RegExp(script, "u");
  } catch {
    throw new BadPattern("bad character class");
  }
  return script;
}

function written(ranges, fold, isTurned = false) {
  const regex = new RegExp(`^[${ranges}]$`, fold ? "iu" : "u");
  return {
    key: `${fold}${isTurned}${ranges}`,
    has: (point) => regex.test(String.fromCodePoint(point)) !== isTurned,
  };
}

function hex(point) {
  return `\\u{${point.toString(16)}}`;
}

function inRange(point) {
  if (point > 0x10ffff) throw new BadPattern("bad escape: \\x");
  return point;
}
