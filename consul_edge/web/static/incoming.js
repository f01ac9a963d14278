/*
 * Changes that have come and are not shown yet.
 *
 * Rule 1: of two changes of one row the later one counts, so a long pause costs a row's place once.
 * Rule 2: what is more than is worth keeping is loaded again instead; it is counted no further.
 */

import { schemaOf } from "./schema.js";

/** As many as the edge itself tells one by one. */
const MOST = 5_000;

/** Make a place for changes of a table of services or nodes. */
export function createIncoming(kind) {
  const { key } = schemaOf(kind);
  const waiting = new Map();
  let isWhole = false;

  function put(name, change) {
    if (isWhole) return;
    waiting.set(JSON.stringify(name), change);
    if (waiting.size > MOST) all();
  }

  function all() {
    isWhole = true;
  }

  function clear() {
    waiting.clear();
    isWhole = false;
  }

  return {
    /** Add what the edge tells: `{changed: [row], removed: [key]}`. */
    add({ changed = [], removed = [] }) {
      for (const name of removed) put(name, { removed: name });
      for (const row of changed) put(key.map((field) => row[field]), { row });
    },
    /** Everything is another one. */
    all,
    clear,
    /** How many rows are others. */
    get size() {
      return waiting.size;
    },
    /** Whether these are not all that have changed. */
    get isWhole() {
      return isWhole;
    },
    /** Give what came, for `table.apply`, and have nothing more. */
    take() {
      const changes = [...waiting.values()];
      clear();
      return {
        changed: changes.flatMap(({ row }) => (row ? [row] : [])),
        removed: changes.flatMap(({ removed }) => (removed ? [removed] : [])),
      };
    },
  };
}
