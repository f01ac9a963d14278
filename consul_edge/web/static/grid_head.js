/*
 * The header row of a grid: a button for each column that can be sorted.
 *
 * Rule 1: a click sorts by that column, another one turns it round; with shift it is the second
 * key, behind the first.
 * Rule 2: one header says `aria-sort`, that of the first key; the second one shows its own.
 * Rule 3: buttons are no tab stops: the grid is one, and the header is its first row.
 */

const MOST_KEYS = 2;

/** Make the header; `onSort(keys)` is told what was asked for, and `setSort` what holds. */
export function createHead({ id, onSort }) {
  const element = document.createElement("div");
  element.className = "grid-head";
  element.setAttribute("role", "row");
  element.setAttribute("aria-rowindex", "1");
  Object.assign(element.style, { position: "sticky", top: "0", zIndex: "2" });
  Object.assign(element.style, { display: "grid", gridTemplateColumns: "var(--grid-tracks)" });
  const state = { id, element, columns: [], cells: [], keys: [], onSort };
  element.addEventListener("click", (event) => {
    const place = state.cells.findIndex((cell) => cell.contains(event.target));
    if (place >= 0 && event.target.closest("button")) press(state, place, event.shiftKey);
  });
  return {
    element,
    setColumns: (columns) => setColumns(state, columns),
    setSort: (keys) => setSort(state, keys),
    focus: (column) => focus(state, column),
    press: (column, isSecond) => press(state, column, isSecond),
    cellId: (column) => `${id}-head-c${column}`,
  };
}

/** Give the keys after a press on a column. */
export function pressed(keys, name, isSecond) {
  const place = keys.findIndex((key) => key.name === name);
  if (!isSecond || !keys.length) {
    return [{ name, descending: place === 0 ? !keys[0].descending : false }];
  }
  if (place < 0) return [...keys.slice(0, MOST_KEYS - 1), { name, descending: false }];
  return keys.map((key, at) => (at === place ? { name, descending: !key.descending } : key));
}

function press(state, place, isSecond) {
  const column = state.columns[place];
  if (column?.sortable !== false) state.onSort(pressed(state.keys, column.name, isSecond));
}

function setColumns(state, columns) {
  state.columns = columns;
  state.cells = columns.map((column, place) => {
    const cell = document.createElement("div");
    cell.className = column.className ? `grid-cell ${column.className}` : "grid-cell";
    cell.setAttribute("role", "columnheader");
    cell.setAttribute("aria-colindex", String(place + 1));
    if (column.sortable === false) {
      cell.append(column.label);
    } else {
      const button = document.createElement("button");
      button.type = "button";
      button.tabIndex = -1;
      button.className = "grid-sort";
      button.append(column.label);
      cell.append(button);
    }
    return cell;
  });
  state.element.replaceChildren(...state.cells);
  setSort(state, state.keys);
}

function setSort(state, keys) {
  state.keys = keys;
  state.columns.forEach(({ name }, place) => {
    const cell = state.cells[place];
    const at = keys.findIndex((key) => key.name === name);
    const direction = at < 0 ? "" : keys[at].descending ? "descending" : "ascending";
    if (at === 0) cell.setAttribute("aria-sort", direction);
    else cell.removeAttribute("aria-sort");
    cell.dataset.sort = direction;
    cell.dataset.sortKey = at < 0 ? "" : String(at + 1);
  });
}

function focus(state, column) {
  state.cells.forEach((cell, place) => {
    cell.classList.toggle("is-focused", place === column);
    if (place === column) cell.id = `${state.id}-head-c${place}`;
    else cell.removeAttribute("id");
  });
}
