/*
 * What has to be said above the rows: an address or a search that means nothing, what failed, what
 * could not be learnt.
 *
 * Rule: the server's own words stay until something changes; then each is said in this page's.
 */

import { make } from "./dom.js";
import { number, t } from "./words.js";

const MOST_NAMES = 12;

/** Take over the notices of the page's HTML. */
export function createNotices(element) {
  function replace(selector, ...made) {
    for (const old of element.querySelectorAll(selector)) old.remove();
    element.append(...made);
  }

  return {
    /** Say what an address has that means nothing. */
    address(problems) {
      const said = problems.map((problem) =>
        make(
          "p",
          { class: "notice bad", role: "alert", "data-problem": true },
          t("bad_address", { problem: textOf(problem) }),
        ),
      );
      replace("[data-problem]", ...said);
    },

    /** Say what is wrong with a search; null: nothing. */
    query(problem) {
      const text = problem ? queryText(problem) : "";
      // It is asked each time that rows are searched: who listens hears it once.
      if ((element.querySelector("[data-query]")?.textContent ?? "") === text) return;
      const said = problem && make("p", { class: "notice bad", "data-query": true }, text);
      replace("[data-query]", ...(said ? [said] : []));
    },

    /** Say that loading failed, and offer to try again, or to be somebody; null: it did not. */
    failure(error, again, enter) {
      if (!error) return replace("#failure, #gathering");
      const isDenied = error.status === 401 || error.status === 403;
      const text = isDenied
        ? `${t("denied", { reason: error.message })} ${t("denied_hint")}`
        : t("load_failed", { reason: error.message });
      const offers = [button("retry", again), isDenied && button("enter_token", enter)];
      const said = make("p", { class: "notice bad", role: "alert", id: "failure" }, text, offers);
      return replace("#failure, #gathering", said);
    },

    /** Say what could not be learnt. */
    troubles({ problems = [], problems_left_out: leftOut = 0 }) {
      const items = problems.map((text) => make("li", {}, text));
      if (leftOut) items.push(make("li", {}, t("problems_more", { n: number(leftOut) })));
      const title = `${t("problems")} (${number(problems.length + leftOut)})`;
      const said = make(
        "details",
        { class: "notice poor", id: "troubles", open: element.querySelector("#troubles[open]") !== null },
        make("summary", {}, title),
        make("ul", {}, items),
      );
      replace("#troubles", ...(items.length ? [said] : []));
    },
  };
}

function button(word, act) {
  return make("button", { class: "tool", type: "button", click: act }, t(word));
}

function textOf({ name, value, expected }) {
  if (value === null) return t("no_such_parameter", { name });
  const told = `${name}: ${JSON.stringify(value)}`;
  if (!expected) return told;
  const names = expected.slice(0, MOST_NAMES).join(", ");
  return `${told}: ${t("expected_one", { names: expected.length > MOST_NAMES ? `${names}, …` : names })}`;
}

/** Say where a search is wrong, and how; `query.js` has the codes. */
export function queryText({ code, position, ...more }) {
  const where = t("at_character", { n: number(position + 1) });
  const key = `query_${code.replaceAll("-", "_")}`;
  return t("bad_query", { problem: `${where}: ${t(key, more)}` });
}
