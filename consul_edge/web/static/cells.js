/*
 * What is shown of a row: the texts of its cells; the twin of consul_edge/web/page_columns.py.
 *
 * Rule: a row is a number of a table (table.js); nothing here keeps one.
 */

import { known } from "./words.js";

function meta(key) {
  return (table, row) => table.cell(row, "Meta")?.[key] ?? "";
}

function wire(name) {
  return (table, row) => String(table.cell(row, name) ?? "");
}

function listed(name) {
  return (table, row) => (table.cell(row, name) ?? []).join(", ");
}

function reached(table, row) {
  const host = table.cell(row, "Address") || table.cell(row, "NodeAddress") || "";
  const port = table.cell(row, "Port");
  if (!port) return host;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function checks(name) {
  return (table, row) => String(table.cell(row, "checks")?.[name] || "");
}

const SERVICES = {
  status: wire("status"),
  service: wire("Service"),
  id: wire("ID"),
  node: wire("Node"),
  addr: reached,
  category: wire("category"),
  site: wire("site_name"),
  company: meta("company"),
  name: meta("name"),
  module: meta("module"),
  env: meta("env"),
  tags: listed("Tags"),
  display_name: wire("display_name"),
  exporter_type: wire("exporter_type"),
  matched_rule: wire("matched_rule"),
  dc: wire("dc"),
};

const NODES = {
  status: wire("status"),
  name: wire("name"),
  addr: wire("addr"),
  type: wire("type"),
  services_count: (table, row) =>
    table.cell(row, "services_status") === "ok" ? String(table.cell(row, "services_count")) : "?",
  critical: checks("critical"),
  warning: checks("warning"),
  passing: checks("passing"),
  site: wire("site_name"),
  dc: wire("dc"),
  tags: (table, row) =>
    Object.entries(table.cell(row, "tags") ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join(", "),
  services_error: wire("services_error"),
};

/** Give the text of a cell as the wire has it. */
export function cellText(table, row, name) {
  return (table.kind === "services" ? SERVICES : NODES)[name](table, row);
}

/** Give the text of a cell as people read it. */
export function shownText(table, row, name) {
  const text = cellText(table, row, name);
  if (name === "status") return known("status", text);
  return name === "type" ? known("type", text) : text;
}
