/*
 * One column of a table: its distinct values, and for each row the code of its own.
 *
 * Rule 1: a value never changes its code while rows have it; `tidy` drops those that none has.
 * Rule 2: codes are as narrow as the count of values allows; a column that few rows have is a map.
 * Rule 3: what others work out of the values is kept here, `lowered` and `ranked`, and grows with
 * them; `version` grows with each code that is set, for those who keep more.
 */

const SPARSE = 16;
const ROOM = 1.25;
const LONG = 20_000;

/** Decode a column of a document with so many rows (consul_edge/enrich/columnar.py). */
export function decodeColumn({ values, codes, at }, rows) {
  const made = { values, version: 0, codes: null, sparse: null, blank: -1, index: null };
  reset(made);
  if (!at) {
    made.codes = narrow(values.length, rows);
    if (codes) made.codes.set(codes);
    else for (let row = 0; row < rows; row += 1) made.codes[row] = row;
    return made;
  }
  const codeAt = codes ? (place) => codes[place] : (place) => place;
  made.values = [...values, null];
  made.blank = values.length;
  if (at.length * SPARSE < rows) {
    made.sparse = new Map(at.map((row, place) => [row, codeAt(place)]));
  } else {
    made.codes = narrow(made.values.length, rows).fill(made.blank);
    at.forEach((row, place) => (made.codes[row] = codeAt(place)));
  }
  return made;
}

/** Make a column that no row has a value of. */
export function emptyColumn() {
  return decodeColumn({ values: [], codes: [], at: [] }, 1);
}

/** Give the code of a row's value. */
export function codeOf(column, row) {
  return column.sparse ? (column.sparse.get(row) ?? column.blank) : column.codes[row];
}

/** Give a row's value. */
export function valueOf(column, row) {
  return column.values[codeOf(column, row)];
}

/** Give a row a value; tells whether it is another one. */
export function setValue(column, row, value) {
  const isThere = column.sparse !== null || row < column.codes.length;
  if (isThere && identity(valueOf(column, row)) === identity(value)) return false;
  const code = intern(column, value);
  if (column.sparse) {
    if (code === column.blank) column.sparse.delete(row);
    else column.sparse.set(row, code);
  } else {
    const { length, BYTES_PER_ELEMENT: bytes } = column.codes;
    if (row >= length || bytes < kindFor(column.values.length).BYTES_PER_ELEMENT) {
      const room = row < length ? length : Math.ceil(row * ROOM) + 16;
      const wider = narrow(column.values.length, room);
      wider.set(column.codes);
      column.codes = wider;
    }
    column.codes[row] = code;
  }
  column.version += 1;
  return true;
}

/** Find the code of a value; undefined: no row has had it. */
export function findCode(column, value) {
  if (!column.index) {
    column.index = new Map();
    column.values.forEach((known, code) => column.index.set(identity(known), code));
  }
  return column.index.get(identity(value));
}

/** Drop values that no row has any more, when they are many; tells whether codes are others now. */
export function tidy(column, rows) {
  if (column.values.length <= 2 * rows + 1000) return false;
  const codes = new Map();
  const values = [];
  const recode = (code) => {
    if (!codes.has(code)) codes.set(code, values.push(column.values[code]) - 1);
    return codes.get(code);
  };
  if (column.sparse) {
    column.blank = recode(column.blank);
    for (const [row, code] of column.sparse) column.sparse.set(row, recode(code));
  } else {
    column.codes = column.codes.map(recode);
  }
  column.values = values;
  column.index = null;
  reset(column);
  column.version += 1;
  return true;
}

function intern(column, value) {
  // A map of each long column would be larger than the table: there, a value may come twice.
  if (!column.index && column.values.length > LONG) return column.values.push(value) - 1;
  const found = findCode(column, value);
  if (found !== undefined) return found;
  const code = column.values.push(value) - 1;
  column.index.set(identity(value), code);
  return code;
}

/** Values of one column are of one kind: those that are no texts cannot meet those that are. */
function identity(value) {
  return value !== null && typeof value === "object" ? JSON.stringify(value) : value;
}

function reset(column) {
  column.lowered = new Map();
  column.ranked = new Map();
}

function kindFor(values) {
  if (values <= 0x100) return Uint8Array;
  return values <= 0x10000 ? Uint16Array : Uint32Array;
}

function narrow(values, rows) {
  return new (kindFor(values))(rows);
}
