/*
 * What stands above the rows, kept current: how many there are, how well, and how sure that is.
 *
 * Rule 1: elements of the page's HTML get new texts; they are not made anew, so nothing moves.
 * Rule 2: an outage is loud, and its age grows while nobody tells another; so is an edge that
 * cannot be reached: what it said last is proven by nobody.
 */

import { follow, toggled } from "./chips.js";
import { countsOf, termsOf } from "./counts.js";
import { make, say } from "./dom.js";
import { namesOf } from "./edge.js";
import { bar, showGroups, sumOf } from "./groups.js";
import { writeState } from "./state.js";
import { age, number, page, t } from "./words.js";

const GROUPS = 8;

/** Take over the summary; `address` follows the state. */
export function createSummary({ strip, address }) {
  let standing = null;
  let heardAt = 0;
  let lostAt = null;
  let servers = "";
  if (page.standing) hear(page.standing);
  const ticking = setInterval(() => standing && tell(), 1_000);

  function hear(told) {
    standing = told;
    heardAt = performance.now();
    tell();
  }

  function tell() {
    const { state: said, age_seconds: seconds } = standing.cache;
    const state = lostAt === null ? said : "lost";
    // What is live is proven all the time, up to now or up to the end; what is not grows older.
    const from = said === "live" ? lostAt : heardAt;
    const since = from === null ? 0 : (performance.now() - from) / 1_000;
    const now = seconds === null ? null : seconds + since;
    say(document.getElementById("active"), standing.active_server ?? "");
    const certainty = document.getElementById("certainty");
    say(certainty, t(`state_${state}`));
    certainty.parentElement.title = t(`hint_${state}`);
    say(document.getElementById("age"), now === null ? "" : age(now));
    document.getElementById("pulse").className = `pulse ${state}`;
    showBanner("lost", lostAt === null ? null : age(now ?? 0));
    showBanner("stale", said === "stale" && lostAt === null ? age(now ?? 0) : null, servers);
  }

  return {
    /** Hear how the rows stand: `{active_server, cache: {state, age_seconds}}`. */
    hear,

    /** Hear how the servers are. */
    hearServers(told) {
      servers = t("stale_servers", { servers: namesOf(told.servers) });
      if (standing) tell();
    },

    /** The edge cannot be reached. */
    lose() {
      lostAt ??= performance.now();
      if (standing) tell();
    },

    /** It can. */
    find() {
      if (lostAt === null) return;
      lostAt = null;
      if (standing) tell();
    },

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

/** Show a banner with the age of what is shown, or take it away; who listens hears it once. */
function showBanner(id, aged, more = "") {
  const notices = document.getElementById("notices");
  let banner = document.getElementById(id);
  if (aged === null) {
    banner?.remove();
    return;
  }
  if (!banner?.querySelector(".age")) {
    const [before, after] = t(`${id}_banner`, { age: "\n" }).split("\n");
    const made = make(
      "p",
      { class: "notice stale", role: "alert", id },
      make("strong", {}, before, make("span", { class: "age", "aria-live": "off" }), after),
      " ",
      make("span", { class: "more", "aria-live": "off" }),
    );
    if (banner) banner.replaceWith(made);
    else notices.prepend(made);
    banner = made;
  }
  say(banner.querySelector(".age"), aged);
  if (more) say(banner.querySelector(".more"), more);
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
  say(strip.querySelector(".total span"), t(`total_${page.view}${table.rows === 1 ? "_one" : ""}`));
  strip.querySelector(".totals .bar").replaceWith(bar(sums));
  strip.querySelectorAll(".healths a").forEach((link, place) => {
    say(link.querySelector("b"), number(sums[place]));
    link.classList.toggle("zero", !sums[place]);
    link.onclick = (event) =>
      follow(event, () => address.change(toggled(address.current, "status", statuses[place])));
  });
  const listed = [...groups.values()].map((group) => ({ ...group, total: sumOf(group.counts) }));
  listed.sort((one, other) => other.total - one.total);
  showGroups(strip.querySelector(".groups"), listed.slice(0, GROUPS), address);
}
