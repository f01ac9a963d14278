/*
 * What can be asked of a row, by name: the twin of consul_edge/enrich/columns.py.
 *
 * Rule 1: names are those of the wire, and short ones beside them; their case does not matter.
 * Rule 2: a column is made of sources, which are fields of the row on the wire, or parts of them.
 * Of several, a row has the texts of `all`, or of the `first` that has any.
 * Rule 3: `texts` of a source gives the texts of a field's value that are not blank.
 */

export const TEXT = "text";
export const CHOICE = "choice";
export const NUMBER = "number";
export const META = "meta";

const META_NAME = /^meta\.[A-Za-z0-9_-]{1,128}$/i;

/** Give the texts of a value that are not blank. */
export function textsOf(value) {
  if (typeof value === "string") return value ? [value] : [];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  return value === null || value === undefined ? [] : [String(value)];
}

function portTexts(value) {
  return value ? [String(value)] : [];
}

function field(name, texts = textsOf) {
  return { field: name, texts };
}

function column(name, kind, sources = [name], more = {}) {
  const made = sources.map((source) => (typeof source === "string" ? field(source) : source));
  return Object.freeze({ name, kind, sources: made, order: [], joins: "all", ...more });
}

function plain(kind, ...names) {
  return names.map((name) => column(name, kind));
}

function metaField(key, meta) {
  return { field: meta, key, texts: textsOf };
}

const HEALTH = ["critical", "warning", "passing"];

const SERVICE_COLUMNS = [
  ...plain(TEXT, "ID", "Service", "display_name", "Address", "NodeAddress"),
  ...plain(CHOICE, "category", "exporter_type", "matched_rule", "dc", "Tags"),
  ...plain(CHOICE, "site_code", "site_name"),
  column("Port", NUMBER, [field("Port", portTexts)]),
  column("status", CHOICE, ["status"], { order: HEALTH }),
  column("name", TEXT, ["Service", metaField("name", "Meta")]),
  column("Node", TEXT, ["Node", "NodeAddress"]),
  column("addr", TEXT, ["Address", "NodeAddress"], { joins: "first" }),
  column("site", CHOICE, ["site_code", "site_name"]),
  ...["company", "env", "module"].map((key) => column(key, META, [metaField(key, "Meta")])),
];

const SERVICE_ALIASES = {
  tag: "tags",
  rule: "matched_rule",
  exporter: "exporter_type",
  display: "display_name",
  datacenter: "dc",
  node_ip: "nodeaddress",
};

function checksField(name) {
  return field("checks", (checks) => (checks ? [String(checks[name])] : []));
}

const NODE_COLUMNS = [
  ...plain(TEXT, "node", "name", "addr", "services_error"),
  ...plain(CHOICE, "type", "services_status", "site_name", "dc"),
  ...plain(NUMBER, "services_count"),
  ...HEALTH.map((name) => column(name, NUMBER, [checksField(name)])),
  column("status", CHOICE, ["status"], { order: ["dead", "unknown", "alive"] }),
  column("site", CHOICE, ["site", "site_name"]),
  column("tags", CHOICE, [{ field: "tags", pairs: true, texts: textsOf }]),
];

const NODE_ALIASES = { tag: "tags", services: "services_count", datacenter: "dc" };

function schema(columns, aliases, rest) {
  const byName = new Map(columns.map((made) => [made.name.toLowerCase(), made]));
  for (const [alias, name] of Object.entries(aliases)) byName.set(alias, byName.get(name));
  return Object.freeze({ columns: byName, ...rest });
}

const SCHEMAS = {
  services: schema(SERVICE_COLUMNS, SERVICE_ALIASES, {
    kind: "services",
    meta: "Meta",
    key: ["dc", "Node", "ID"],
    mappings: ["Meta"],
    // In the order of the server's haystack; a regular expression may reach from one to the next.
    searched: [
      ...["Service", "ID", "Node", "NodeAddress", "Address"].map((name) => field(name)),
      field("Port", portTexts),
      ...["Tags", "dc", "status", "site_code", "site_name", "category"].map((name) => field(name)),
      ...["display_name", "exporter_type", "matched_rule"].map((name) => field(name)),
      { field: "Meta", every: true, texts: textsOf },
    ],
  }),
  nodes: schema(NODE_COLUMNS, NODE_ALIASES, {
    kind: "nodes",
    meta: "meta",
    key: ["dc", "node", "addr"],
    mappings: ["tags", "meta"],
    searched: [
      ...["name", "addr", "status", "type", "services_status"].map((name) => field(name)),
      ...["services_error", "site", "site_name", "dc"].map((name) => field(name)),
      { field: "tags", pairs: true, texts: textsOf },
      { field: "meta", every: true, texts: textsOf },
    ],
  }),
};

/** Give what is known of the rows of a kind, "services" or "nodes". */
export function schemaOf(kind) {
  return SCHEMAS[kind];
}

/** Find a column by any of its names; undefined: there is none. */
export function findColumn(of, name) {
  if (META_NAME.test(name)) {
    const key = name.slice("meta.".length);
    return column(`meta.${key}`, META, [metaField(key, of.meta)]);
  }
  return of.columns.get(name.toLowerCase());
}

/** Tell the nearest name of a column to one that is none; undefined: none is near. */
export function nearestName(of, name) {
  const lowered = name.toLowerCase();
  const near = [...of.columns.keys()].map((known) => [distance(lowered, known), known]);
  near.sort(([one], [other]) => one - other);
  const [away, found] = near[0];
  return away <= Math.max(1, found.length / 3) ? found : undefined;
}

function distance(one, other) {
  let before = Array.from({ length: other.length + 1 }, (_, place) => place);
  for (let row = 1; row <= one.length; row += 1) {
    const next = [row];
    for (let place = 1; place <= other.length; place += 1) {
      const swap = before[place - 1] + Number(one[row - 1] !== other[place - 1]);
      next.push(Math.min(before[place] + 1, next[place - 1] + 1, swap));
    }
    before = next;
  }
  return before[other.length];
}
