/*
 * The largest groups of rows, each a link to its rows, with how well they are.
 *
 * Rule: what is there keeps its elements and gets new texts: who is about to press it presses it,
 * although numbers change each second.
 */

import { follow, toggled } from "./chips.js";
import { make, makeSvg, say } from "./dom.js";
import { writeState } from "./state.js";
import { number, page, valueName } from "./words.js";

const WIDTH = 100;

/** Have a list show groups: `{value, label, total, counts}`, the latter in the order of health. */
export function showGroups(list, groups, address) {
  const links = new Map(
    [...list.querySelectorAll("a")].map((link) => [link.dataset.value, link]),
  );
  let before = null;
  for (const group of groups) {
    const link = links.get(group.value) ?? groupLink(group.value);
    links.delete(group.value);
    fill(link, group, address);
    const element = link.closest("li") ?? make("li", {}, link);
    const wanted = before ? before.nextElementSibling : list.firstElementChild;
    if (wanted !== element) list.insertBefore(element, wanted);
    before = element;
  }
  for (const link of links.values()) link.closest("li").remove();
}

function groupLink(value) {
  return make(
    "a",
    { "data-filter": page.group, "data-value": value },
    make("span", { class: "label" }),
    " ",
    make("b"),
    " ",
    bar([]),
    " ",
    make("span", { class: "count" }),
  );
}

function fill(link, { value, label, counts, total }, address) {
  const [worst] = page.health[0];
  const change = () => address.change(toggled(address.current, page.group, value));
  link.href = location.pathname + writeState(toggled(address.current, page.group, value));
  link.onclick = (event) => follow(event, change);
  say(link.querySelector(".label"), valueName(page.group, label));
  say(link.querySelector("b"), number(total));
  link.querySelector(".bar").replaceWith(bar(counts));
  const failing = link.querySelector(".count");
  failing.className = counts[0] ? `status ${worst} count` : "count";
  say(failing, counts[0] ? number(counts[0]) : "");
}

/** Draw how many of each health there are. */
export function bar(counts) {
  const total = sumOf(counts) || 1;
  let x = 0;
  const parts = counts.map((count, place) => {
    const width = (WIDTH * count) / total;
    x += width;
    return makeSvg("rect", { class: page.health[place][1], x: x - width, width, height: 4 });
  });
  const attributes = { class: "bar", viewBox: `0 0 ${WIDTH} 4`, preserveAspectRatio: "none" };
  return makeSvg("svg", { ...attributes, "aria-hidden": "true" }, parts);
}

export function sumOf(counts) {
  return counts.reduce((one, other) => one + other, 0);
}
