/*
 * The few row elements of a grid, which show one part of its rows after another.
 *
 * Rule 1: elements are made once and filled again; their order in the document is that of the rows
 * they show, so that what is read aloud is what is seen.
 * Rule 2: texts go into text nodes, and only if they are others.
 * Rule 3: the row with the focus stays in the document wherever one scrolls to: it waits next to
 * the first or the last one, out of sight.
 */

/** Make the rows of a pane; `fill(row, column, element)` gives a cell's text, or fills it. */
export function createRows(pane, { id, fill }) {
  const state = { pane, id, fill, columns: [], slots: [], from: 0, apart: null };
  return {
    setColumns: (columns) => setColumns(state, columns),
    show: (view) => show(state, view),
    find: (target) => all(state).find((slot) => slot.element.contains(target)),
    cellId: (position, column) => cellId(state, position, column),
  };
}

function setColumns(state, columns) {
  all(state).forEach((slot) => slot.element.remove());
  Object.assign(state, { columns, slots: [], apart: null });
}

function all({ slots, apart }) {
  return apart ? [...slots, apart] : slots;
}

/**
 * Show the rows from one position up to another.
 *
 * `view`: {first, end, focus: {position, column} or null, order, offset, rowHeight, selected,
 * isStale(row)}; what is not stale and shown already is not filled again.
 */
function show(state, view) {
  const { first, end, focus, offset, rowHeight } = view;
  rotate(state, first);
  resize(state, end - first);
  state.slots.forEach((slot, place) => {
    showOne(state, view, slot, first + place, (first + place) * rowHeight - offset);
  });
  const position = focus?.position ?? -1;
  showApart(state, view, position >= 0 && position < first, position >= end);
}

function showOne(state, view, slot, position, pixels) {
  const row = view.order[position];
  if (slot.position !== position || slot.row !== row || view.isStale(row)) {
    fillSlot(state, slot, position, row);
  }
  slot.element.style.height = `${view.rowHeight}px`;
  slot.element.style.transform = `translateY(${pixels}px)`;
  mark(state, slot, view);
}

/** Show the row with the focus where one would have to scroll to. */
function showApart(state, view, isAbove, isBelow) {
  if (!isAbove && !isBelow) {
    state.apart?.element.remove();
    state.apart = null;
    return;
  }
  state.apart ??= makeSlot(state);
  const { pane, apart } = state;
  const { first, end, focus, offset, rowHeight } = view;
  if (isAbove && pane.firstChild !== apart.element) pane.prepend(apart.element);
  if (isBelow && pane.lastChild !== apart.element) pane.append(apart.element);
  const place = isAbove ? first - 1 : end;
  showOne(state, view, apart, focus.position, place * rowHeight - offset);
}

/** Move the elements that are wanted no longer at one end to the other one. */
function rotate(state, first) {
  const { slots, pane } = state;
  const shift = first - state.from;
  state.from = first;
  if (Math.abs(shift) >= slots.length) return;
  for (let turn = 0; turn < shift; turn += 1) {
    slots.at(-1).element.after(slots[0].element);
    slots.push(slots.shift());
  }
  for (let turn = 0; turn < -shift; turn += 1) {
    pane.insertBefore(slots.at(-1).element, slots[0].element);
    slots.unshift(slots.pop());
  }
}

function resize(state, count) {
  const { slots, pane } = state;
  while (slots.length > count) slots.pop().element.remove();
  while (slots.length < count) {
    const slot = makeSlot(state);
    if (slots.length) slots.at(-1).element.after(slot.element);
    else pane.prepend(slot.element);
    slots.push(slot);
  }
}

function makeSlot({ columns }) {
  const element = document.createElement("div");
  element.className = "grid-row";
  element.setAttribute("role", "row");
  Object.assign(element.style, { position: "absolute", top: "0", left: "0", right: "0" });
  Object.assign(element.style, { display: "grid", gridTemplateColumns: "var(--grid-tracks)" });
  const cells = columns.map(({ className }, place) => {
    const cell = document.createElement("div");
    cell.className = className ? `grid-cell ${className}` : "grid-cell";
    cell.setAttribute("role", "gridcell");
    cell.setAttribute("aria-colindex", String(place + 1));
    cell.append("");
    return cell;
  });
  element.append(...cells);
  return { element, cells, position: -1, row: -1, isMarked: false };
}

function fillSlot(state, slot, position, row) {
  slot.position = position;
  slot.row = row;
  slot.element.setAttribute("aria-rowindex", String(position + 2));
  state.columns.forEach((column, place) => {
    const cell = slot.cells[place];
    const text = state.fill(row, column, cell);
    if (text === undefined) return;
    const written = String(text ?? "");
    if (cell.childNodes.length === 1 && cell.firstChild.nodeType === Node.TEXT_NODE) {
      if (cell.firstChild.data !== written) cell.firstChild.data = written;
    } else {
      cell.replaceChildren(written);
    }
  });
}

/** Mark the row that is chosen, and the cell with the focus by an id to point to. */
function mark(state, slot, { focus, selected }) {
  const { element, cells } = slot;
  element.setAttribute("aria-selected", String(slot.row === selected));
  const isFocused = focus !== null && focus.position === slot.position;
  if (!isFocused && !slot.isMarked) return;
  slot.isMarked = isFocused;
  element.classList.toggle("is-focused", isFocused);
  cells.forEach((cell, place) => {
    const isCell = isFocused && place === focus.column;
    cell.classList.toggle("is-focused", isCell);
    if (isCell) cell.id = cellId(state, slot.position, place);
    else cell.removeAttribute("id");
  });
}

function cellId({ id }, position, column) {
  return `${id}-r${position}-c${column}`;
}
