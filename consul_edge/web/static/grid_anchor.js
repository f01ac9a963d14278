/*
 * What stays where it is when rows above it come and go.
 *
 * Rule 1: at the top the top stays: new rows that come first are seen.
 * Rule 2: elsewhere a row holds the view: that with the focus if it is seen, else the first one
 * seen that is not itself another: who reads does not lose the line.
 */

/** Choose what holds the view; `touched` are the rows that are others now; null: nothing. */
export function anchorOf({ order, offset, rowHeight, view, focus }, touched) {
  if (offset === 0) return null;
  const first = Math.ceil(offset / rowHeight);
  const end = Math.min(order.length, Math.floor((offset + view) / rowHeight));
  const at = (position) => ({ row: order[position], above: position * rowHeight - offset });
  const focused = focus?.position ?? -1;
  if (focused >= first && focused < end && !touched.has(order[focused])) return at(focused);
  for (let position = first; position < end; position += 1) {
    if (!touched.has(order[position])) return at(position);
  }
  return null;
}

/** Give the offset at which an anchor is where it was. */
export function offsetHolding({ order, offset, rowHeight }, anchor) {
  const position = anchor ? order.indexOf(anchor.row) : -1;
  return position < 0 ? offset : Math.max(0, position * rowHeight - anchor.above);
}
