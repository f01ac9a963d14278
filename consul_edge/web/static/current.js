/*
 * The rows kept current: what the edge tells goes into the table, once a frame at most.
 *
 * Rule 1: what comes waits for the next frame, for a search that is under way, and for as long as
 * somebody has paused; then it is shown as one change.
 * Rule 2: rows that are loaded anew have all that waited.
 */

import { createEdge } from "./edge.js";
import { createIncoming } from "./incoming.js";
import { createLive } from "./live.js";
import { createPause } from "./pause.js";

/**
 * Follow the edge for a page.
 *
 * `rows` is the target of all rows, `place` the one of the button; `on` does what has to be done:
 * `apply(changes)`, `take(document)`, `load()`, `isBusy()`, `troubles(delta)`, `failed(error)` and, after that, `well()`.
 */
export function createCurrent({ kind, rows, place, summary, on, limits }) {
  const incoming = createIncoming(kind);
  const pause = createPause({ place, changed: due });
  const edge = createEdge({ told: summary.hearServers });
  let frame = 0;
  let state = "";
  let isFailed = false;

  const live = createLive({
    view: kind,
    rows,
    limits,
    on: {
      changes(delta) {
        if (delta.problems) on.troubles(delta);
        incoming.add(delta);
        due();
      },
      reload() {
        incoming.all();
        due();
      },
      take(told) {
        if (!pause.isOn) return on.take(told);
        incoming.all();
        return due();
      },
      standing(told) {
        summary.hear(told);
        const now = `${told.cache.state} ${told.active_server}`;
        if (state && state !== now) edge.look();
        state = now;
      },
      found() {
        summary.find();
        if (isFailed) on.well();
        isFailed = false;
      },
      lost: () => summary.lose(),
      refused: fail,
      failed: fail,
      way: (way) => (document.body.dataset.way = way),
    },
  });

  function fail(error) {
    isFailed = true;
    on.failed(error);
  }

  function due() {
    pause.show(incoming);
    if (!pause.isOn && !frame) frame = requestAnimationFrame(repaint);
  }

  function repaint() {
    frame = 0;
    if (pause.isOn || on.isBusy()) return;
    const { isWhole } = incoming;
    const changes = incoming.take();
    if (isWhole) on.load();
    else if (changes.changed.length + changes.removed.length) on.apply(changes);
  }

  return {
    pause,
    /** The search is over that had changes wait. */
    goOn: due,
    /** Go on from rows that were loaded. */
    start(index) {
      incoming.clear();
      pause.show(incoming);
      live.start(index);
    },
  };
}
