/*
 * What stays of a drawer when its row is another: where one has scrolled to and what has the
 * focus, what is unfolded, and what was asked for until it is there anew.
 */

const FOCUSABLE = "a[href], button, summary";

/** Have a drawer go on from one of the same row, whose place it has taken already. */
export function goOn(after, before, focused) {
  unfold(after, before.element);
  for (const place of after.querySelectorAll("[data-asked]")) {
    const old = before.element.querySelector(`[data-asked="${place.dataset.asked}"]`);
    if (old && place.dataset.arrived === undefined) place.replaceChildren(...old.childNodes);
  }
  after.scrollTop = before.scrolled;
  if (focused >= 0) after.querySelectorAll(FOCUSABLE)[focused]?.focus({ preventScroll: true });
}

/** Tell which of a drawer's elements has the focus; -1: none. */
export function focusedIn(element) {
  return [...element.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
}

function unfold(after, before) {
  const old = before.querySelectorAll("details");
  after.querySelectorAll("details").forEach((element, place) => {
    if (old[place]?.open) element.open = true;
  });
}
