/*
 * The rows that are shown, for others: links to the API with the same search, filters and order.
 *
 * Rule 1: the server writes the files; the CSV is guarded against formulas there.
 * Rule 2: a link cannot carry a token, so with one a file is fetched and then saved.
 */

import { copy, tell } from "./copying.js";
import { headers } from "./credentials.js";
import { curl } from "./drawer.js";
import { make } from "./dom.js";
import { rowParameters } from "./state.js";
import { page, t } from "./words.js";

const SORTING = ["sort", "order"];

/** Fill the menu of the page's HTML. */
export function createExport({ menu, address }) {
  const list = menu.querySelector("ul");
  const links = new Map(
    ["csv", "json", ...(page.view === "services" ? ["sd"] : [])].map((format) => [
      format,
      make(
        "a",
        { download: true, click: (event) => save(event, format) },
        t(`export_${format}`),
      ),
    ]),
  );
  const curling = make(
    "button",
    { type: "button", click: () => copy(curl(targetOf(address.current, "json"))) },
    t("copy_curl"),
  );
  list.replaceChildren(...[...links.values(), curling].map((one) => make("li", {}, one)));
  return {
    update(state) {
      for (const [format, link] of links) link.href = targetOf(state, format);
    },
  };
}

/** Give where the API has the rows of a state, in a format. */
export function targetOf(state, format) {
  const asked = rowParameters(state);
  const what = format === "sd" ? "sd" : page.view;
  if (format === "csv") asked.set("format", "csv");
  if (format === "sd") for (const name of SORTING) asked.delete(name);
  const text = String(asked);
  return `/api/v1/${what}${text && `?${text}`}`;
}

async function save(event, format) {
  const asking = headers();
  if (!Object.keys(asking).length) return;
  event.preventDefault();
  try {
    const response = await fetch(event.currentTarget.href, { headers: asking, credentials: "omit" });
    if (!response.ok) throw new Error(response.statusText);
    const url = URL.createObjectURL(await response.blob());
    const name = `${format === "sd" ? "targets" : page.view}.${format === "csv" ? "csv" : "json"}`;
    make("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (error) {
    tell(t("load_failed", { reason: error.message }));
  }
}
