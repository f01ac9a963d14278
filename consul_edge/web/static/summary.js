/*
 * What stands above the rows, kept current: how many there are, how well, and how sure that is.
 *
 * Rule 1: elements of the page's HTML get new texts; they are not made anew, so nothing moves.
 * Rule 2: an outage is loud, and its age grows while nobody tells another.
 */

import { follow, toggled } from "./chips.js";
import { countsOf, termsOf } from "./counts.js";
import { make, makeSvg, say } from "./dom.js";
import { writeState } from "./state.js";
import { age, number, page, t, valueName } from "./words.js";

const GROUPS = 8;
const WIDTH = 100;

/** Take over the summary; `address` follows the state. */
export function createSummary({ strip, address }) {
  let standing = null;
  let heardAt = 0;
  if (page.standing) hear(page.standing);
  const ticking = setInterval(() => standing && tell(), 1_000);

  function hear(told) {
    standing = told;
    heardAt = performance.now();
    tell();
  }

  function tell() {
    const { state, age_seconds: seconds } = standing.cache;
    const since = (performance.now() - heardAt) / 1_000;
    // What is live is proven all the time; what is not grows older.
    const now = seconds === null ? null : seconds + (state === "live" ? 0 : since);
    say(document.getElementById("active"), standing.active_server ?? "");
    const certainty = document.getElementById("certainty");
    say(certainty, t(`state_${state}`));
    certainty.parentElement.title = t(`hint_${state}`);
    say(document.getElementById("age"), now === null ? "" : age(now));
    document.getElementById("pulse").className = `pulse ${state}`;
    showBanner(state === "stale" ? (now ?? 0) : null);
  }

  return {
    /** Hear how the rows stand: `{active_server, cache: {state, age_seconds}}`. */
    hear,

    /** Count a table's rows, whatever is filtered. */
    count(table) {
      if (strip) showCounts(strip, table, address);
    },

    /** Marks what is chosen. */
    marks: { update: (state) => mark(strip, state) },

    close: () => clearInterval(ticking),
  };
}

function mark(strip, state) {
  for (const link of strip.querySelectorAll("a[data-filter]")) {
    const { filter, value } = link.dataset;
    const isChosen = (state.filters.get(filter) ?? []).includes(value);
    if (isChosen) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    link.href = location.pathname + writeState(toggled(state, filter, value));
  }
}

function showBanner(seconds) {
  const notices = document.getElementById("notices");
  let banner = document.getElementById("stale");
  if (seconds === null) {
    banner?.remove();
    return;
  }
  if (!banner) {
    banner = make("p", { class: "notice stale", role: "alert", id: "stale" }, make("strong"));
    notices.prepend(banner);
  }
  say(banner.querySelector("strong"), t("stale_banner", { age: age(seconds) }));
}

function showCounts(strip, table, address) {
  const statuses = page.health.map(([status]) => status);
  const groups = new Map();
  const sums = statuses.map((status, place) => {
    const terms = termsOf([["status", [status]]], table.kind);
    const counted = countsOf(table, terms, [page.group], page.choices).get(page.group);
    for (const { value, label, count } of counted) {
      if (!groups.has(value)) groups.set(value, { value, label, counts: statuses.map(() => 0) });
      groups.get(value).counts[place] = count;
    }
    return table.select(terms).length;
  });
  say(strip.querySelector(".total b"), number(table.rows));
  strip.querySelector(".totals .bar").replaceWith(bar(sums));
  strip.querySelectorAll(".healths a").forEach((link, place) => {
    say(link.querySelector("b"), number(sums[place]));
    link.classList.toggle("zero", !sums[place]);
    link.onclick = (event) =>
      follow(event, () => address.change(toggled(address.current, "status", statuses[place])));
  });
  const listed = [...groups.values()].map((group) => ({ ...group, total: sum(group.counts) }));
  listed.sort((one, other) => other.total - one.total);
  const items = listed.slice(0, GROUPS).map((group) => item(group, address));
  strip.querySelector(".groups").replaceChildren(...items);
}

function item({ value, label, counts, total }, address) {
  const [worst] = page.health[0];
  const failing = make(
    "span",
    { class: counts[0] ? `status ${worst} count` : "count" },
    counts[0] ? number(counts[0]) : "",
  );
  const link = make(
    "a",
    {
      href: location.pathname + writeState(toggled(address.current, page.group, value)),
      "data-filter": page.group,
      "data-value": value,
      click: (event) =>
        follow(event, () => address.change(toggled(address.current, page.group, value))),
    },
    make("span", { class: "label" }, valueName(page.group, label)),
    " ",
    make("b", {}, number(total)),
    " ",
    bar(counts),
    " ",
    failing,
  );
  return make("li", {}, link);
}

function sum(counts) {
  return counts.reduce((one, other) => one + other, 0);
}

function bar(counts) {
  const total = sum(counts) || 1;
  let x = 0;
  const parts = counts.map((count, place) => {
    const width = (WIDTH * count) / total;
    x += width;
    return makeSvg("rect", { class: page.health[place][1], x: x - width, width, height: 4 });
  });
  const attributes = { class: "bar", viewBox: `0 0 ${WIDTH} 4`, preserveAspectRatio: "none" };
  return makeSvg("svg", { ...attributes, "aria-hidden": "true" }, parts);
}
