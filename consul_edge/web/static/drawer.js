/*
 * One row in full, beside the table: fields, Meta, checks with their output, why it is sorted so.
 *
 * Rule 1: what the table has is shown at once; checks and the rule are asked for, in the name of
 * whoever looks, and shown when they come, if the same row is still open.
 * Rule 2: a row that is another is shown as it is now, and whoever reads keeps the place; of one
 * that is gone the last that was known stays, and it is said that it is gone.
 * Rule 3: only http and https become links; all else is text.
 */

import { ask } from "./ask.js";
import { cellText } from "./cells.js";
import { make, textOrLink } from "./dom.js";
import { follow } from "./chips.js";
import { copy } from "./copying.js";
import { headers } from "./credentials.js";
import { arrive, focusedIn, goOn } from "./drawer_keeping.js";
import { spellValues, writeState } from "./state.js";
import { columnName, known, page, t } from "./words.js";

const TITLES = { services: ["Service", "ID"], nodes: ["name", "addr"] };
/** What comes before the checks; all else is behind them. */
const FIRST = new Set(["status", "node", "addr", "category", "site", "type", "services_count"]);
const ABOVE = { services: ["service", "id"], nodes: ["name", "addr"] };

/** Make the drawer of a page; `address` follows the state. */
export function createDrawer({ main, address }) {
  let element = document.getElementById("drawer");
  let shown = null;
  let shownKey = null;

  function close() {
    element?.remove();
    element = shown = shownKey = null;
    document.body.classList.remove("with-drawer");
  }

  function show(table, key) {
    const row = table.find(key);
    const wire = row === undefined ? null : table.row(row);
    const text = JSON.stringify([key, wire]);
    if (shown === text) return;
    shown = text;
    const isSame = shownKey === JSON.stringify(key);
    if (!wire && isSame) return mourn(element);
    const made = wire ? details(table, row, wire, address) : missing(address);
    shownKey = wire ? JSON.stringify(key) : null;
    replace(made, isSame);
    document.body.classList.add("with-drawer");
  }

  function replace(made, isSame) {
    const before = element && { element, scrolled: element.scrollTop };
    const focused = element ? focusedIn(element) : -1;
    if (element) element.replaceWith(made);
    else main.append(made);
    element = made;
    if (isSame && before) goOn(made, before, focused);
  }

  return {
    update(table, key) {
      if (key) show(table, key);
      else close();
    },
    /** Ask anew for what is shown, since somebody else looks. */
    renew() {
      shown = shownKey = null;
    },
    get isOpen() {
      return element !== null;
    },
    focus: () => element?.querySelector(".close")?.focus(),
  };
}

function frame(...children) {
  return make("aside", { class: "drawer", id: "drawer", "aria-label": t("details") }, ...children);
}

function closing(address) {
  const closed = { ...address.current, row: null };
  const leave = () => {
    address.change({ row: null });
    // What had the focus is gone: who goes on by keys goes on from the row.
    document.getElementById("rows").focus({ preventScroll: true });
  };
  return make(
    "a",
    {
      class: "close",
      href: location.pathname + writeState(closed),
      "aria-label": t("close"),
      click: (event) => follow(event, leave),
    },
    "×",
  );
}

/** Say of a row that was shown that it is gone. */
function mourn(element) {
  if (element.classList.contains("gone")) return;
  element.classList.add("gone");
  const said = make("p", { class: "notice poor", role: "status" }, t("row_gone"));
  element.querySelector("header").after(said);
}

function missing(address) {
  return frame(
    make("header", {}, make("h2", {}, t("details")), closing(address)),
    make("p", {}, t("no_such_row")),
  );
}

function details(table, row, wire, address) {
  const [title, subtitle] = TITLES[table.kind].map((name) => wire[name]);
  const meta = Object.entries(wire.Meta ?? wire.meta ?? {}).sort();
  const asked = table.kind === "services" ? [checksOf(wire), whyOf(wire)] : [nodeChecksOf(wire)];
  return frame(
    make(
      "header",
      {},
      make("h2", {}, title || t("none")),
      closing(address),
      make("p", { class: "mono" }, subtitle),
    ),
    make("dl", {}, fields(table, row, wire, (name) => FIRST.has(name))),
    acts(table.kind, wire),
    asked,
    make("h3", {}, t("more")),
    make("dl", {}, fields(table, row, wire, (name) => !FIRST.has(name)), nodeAddress(wire)),
    meta.length ? [make("h3", {}, t("meta")), make("dl", { class: "mono" }, pairs(meta))] : null,
    raw(wire),
  );
}

function fields(table, row, wire, isMeant) {
  const shown = [];
  for (const { name } of page.columns) {
    if (ABOVE[table.kind].includes(name) || !isMeant(name)) continue;
    const text = cellText(table, row, name);
    if (!text) continue;
    const value =
      name === "status"
        ? make("span", { class: `status ${text}` }, known("status", text))
        : textOrLink(name === "type" ? known("type", text) : text);
    shown.push(make("dt", {}, columnName(name)), make("dd", {}, value));
  }
  return shown;
}

function nodeAddress({ NodeAddress: address }) {
  return address ? [make("dt", {}, t("node_address")), make("dd", {}, address)] : [];
}

function pairs(entries) {
  return entries.flatMap(([name, value]) => [
    make("dt", {}, name),
    make("dd", {}, textOrLink(value)),
  ]);
}

function raw(wire) {
  const text = JSON.stringify(wire, null, 2);
  return make(
    "details",
    {},
    make("summary", {}, t("raw")),
    make("pre", { class: "raw" }, text),
  );
}

function acts(kind, wire) {
  const isNode = kind === "nodes";
  const [other, filter] = isNode ? ["/", { node: wire.name }] : ["/nodes", { name: wire.Node }];
  const beyond = new URLSearchParams(
    Object.entries(filter).map(([name, value]) => [name, spellValues([value])]),
  );
  const ui = isNode ? `nodes/${encodeURIComponent(wire.name)}` : `services/${encodeURIComponent(wire.Service)}`;
  return make(
    "div",
    { class: "acts" },
    button(t("copy_json"), () => copy(JSON.stringify(wire, null, 2))),
    button(t("copy_curl"), () => copy(curlOf(kind, wire))),
    make("a", { class: "tool", href: `${other}?${beyond}` }, t(isNode ? "services_of" : "node_of")),
    page.ui && wire.dc
      ? make("a", { class: "tool", href: `/ui/${encodeURIComponent(wire.dc)}/${ui}` }, t("consul_ui"))
      : null,
  );
}

function button(text, act) {
  return make("button", { class: "tool", type: "button", click: act }, text);
}

/** Write a command that asks for just this row; a token is named there, and never written. */
export function curlOf(kind, wire) {
  const filters =
    kind === "services" ? { ID: wire.ID, Node: wire.Node } : { node: wire.node, addr: wire.addr };
  const asked = new URLSearchParams(
    Object.entries(filters).map(([name, value]) => [name, spellValues([value ?? ""])]),
  );
  return curl(`/api/v1/${kind}?${asked}`);
}

/** Write a command for a target of this edge. */
export function curl(target) {
  const header = "X-Consul-Token" in headers() ? '-H "X-Consul-Token: $CONSUL_HTTP_TOKEN" ' : "";
  return `curl ${header}'${new URL(target, location.href).href.replaceAll("'", "%27")}'`;
}

/** Ask for those of the node: they are few, and an instance's name may be on all nodes. */
function checksOf(wire) {
  return arriving(t("checks"), t("checks_loading"), "checks_failed", async () => {
    const found = await checksOn(wire.Node).catch((error) => checksKept(wire, error));
    return listed(found.filter(({ ServiceID }) => !ServiceID || ServiceID === wire.ID));
  });
}

function nodeChecksOf(wire) {
  return arriving(t("checks"), t("checks_loading"), "checks_failed", async () =>
    listed(await checksOn(wire.name)),
  );
}

async function checksOn(node) {
  return (await ask(`/v1/health/node/${encodeURIComponent(node)}`)) ?? [];
}

/** Where no server answers, give what the edge has kept: that is what the row was made of. */
async function checksKept(wire, error) {
  if (!(error.status >= 500)) throw error;
  const target = `/v1/health/service/${encodeURIComponent(wire.Service)}`;
  const found = await ask(target, { cache: "default" });
  return found.find(({ Node, Service }) => Node.Node === wire.Node && Service.ID === wire.ID)?.Checks ?? [];
}

const WORST = ["critical", "warning", "passing"];

function listed(checks) {
  if (!checks.length) return [make("p", {}, t("no_checks"))];
  const worst = ({ Status }) => (WORST.includes(Status) ? WORST.indexOf(Status) : 0);
  return [...checks]
    .sort((one, other) => worst(one) - worst(other))
    .map((check) =>
      make(
        "div",
        { class: `check ${check.Status}` },
        make("span", { class: `status ${check.Status}` }, known("status", check.Status)),
        ` ${check.Name || check.CheckID} `,
        check.ServiceID ? null : make("span", { class: "of" }, t("of_node")),
        make("pre", {}, check.Output || t("no_output")),
      ),
    );
}

function whyOf(wire) {
  const asked = new URLSearchParams({ service: wire.Service });
  for (const name of ["module", "metrics_path"]) {
    if (wire.Meta?.[name]) asked.set(name, wire.Meta[name]);
  }
  return arriving(t("why"), t("why_loading"), "why_failed", async () => {
    const { decision, misses, left_out: leftOut } = await ask(`/api/v1/categorize?${asked}`);
    return [make("div", { class: "why" }, reasons(decision), overruled(misses, leftOut))];
  });
}

function reasons({ matched_rule: rule, priority, category, ...outcomes }) {
  if (rule === null) return [make("p", {}, t("why_none", { category }))];
  const conditions = ["job_name", "module", "metrics_path"].filter(
    (name) => outcomes[name] !== "absent",
  );
  return [
    make("p", {}, t("why_rule", { rule, priority, category })),
    make(
      "ul",
      {},
      conditions.map((name) =>
        make("li", {}, `${t(`why_${name}`)}: ${t(`outcome_${outcomes[name]}`)}`),
      ),
    ),
  ];
}

function overruled(misses, leftOut) {
  if (!misses.length) return null;
  const items = misses.map(({ rule, reason }) => make("li", {}, `${rule}: ${reason}`));
  if (leftOut) items.push(make("li", {}, t("why_left_out", { n: leftOut })));
  return make("details", {}, make("summary", {}, t("why_misses")), make("ul", {}, items));
}

/** Make a part of the drawer that is filled when its answer comes. */
function arriving(title, meanwhile, failed, getting) {
  const place = make("div", { "data-asked": failed }, make("p", {}, meanwhile));
  getting().then(
    (elements) => arrive(place, elements),
    (error) => arrive(place, [make("p", {}, t(failed, { reason: error.message }))]),
  );
  return make("section", {}, make("h3", {}, title), place);
}
