/*
 * What stays of a drawer when its row is another: where one has scrolled to and what has the
 * focus, what is unfolded, and what was asked for until it is there anew.
 */

/** Those of the drawer itself: what was asked for comes with its own. */
const OWN = ":scope > details";
const FOCUSABLE = "a[href], button, summary";

/** Have a drawer go on from one of the same row, whose place it has taken already. */
export function goOn(after, before, focused) {
  unfold(unfoldedIn(before.element, OWN), after, OWN);
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

/** Put answers in the place of what was there, of which as much stays unfolded. */
export function arrive(place, elements) {
  const unfolded = unfoldedIn(place, "details");
  place.dataset.arrived = "";
  place.replaceChildren(...elements);
  unfold(unfolded, place, "details");
}

function unfoldedIn(element, selector) {
  return [...element.querySelectorAll(selector)].map(({ open }) => open);
}

function unfold(unfolded, element, selector) {
  element.querySelectorAll(selector).forEach((one, place) => {
    if (unfolded[place]) one.open = true;
  });
}
