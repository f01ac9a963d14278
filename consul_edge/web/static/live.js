/*
 * What the edge tells, for as long as somebody looks: one stream, and what is done without one.
 *
 * Rule 1: there is at most one connection, and none while the page is hidden; who comes back is
 * told what came since.
 * Rule 2: what is known is an index: that of the rows which were loaded, then that of each event.
 * It goes with each stream that is opened (`Last-Event-ID`), so nothing is missed in between.
 * Rule 3: an edge that is lost is tried again, after a while that grows and is never the same for
 * two pages; where no stream comes through, all rows are asked for again and again.
 */

import { createBackoff } from "./backoff.js";
import { poll } from "./polling.js";
import { NO_STREAM, follow } from "./stream.js";

const EVENTS = "/api/v1/events";
/** At most, before a stream that has ended is opened again. */
const AGAIN_MS = 1_000;
/** What the edge says itself as soon as it can. */
const RETRY_MS = 2_000;
const REFUSED_MS = 30_000;

/**
 * Prepare; nothing is followed before `start(index)`.
 *
 * `on` is told: `changes(delta)` of the rows of `view`, `reload()` where they are to be loaded
 * again, `take(document)` of all of them, `standing({cache, active_server})`, `found()` and
 * `lost()` of the edge, `refused(error)` of whoever may see nothing, `failed(error)`, and
 * `way("stream" | "poll" | "closed" | "lost")` for those who want to know.
 */
export function createLive({ view, rows, on, limits = {} }) {
  const backoff = createBackoff();
  let known = null;
  let retryMs = RETRY_MS;
  let current = null;
  let timer = 0;
  let isTelling = false;

  function close() {
    clearTimeout(timer);
    current?.abort();
    current = null;
  }

  function open() {
    close();
    if (known === null || document.hidden) return on.way("closed");
    const mine = (current = new AbortController());
    const { signal } = mine;
    const isMine = () => current === mine;
    const ended = (then) => (error) => {
      if (!isMine()) return;
      current = null;
      then(error);
    };
    streamed(signal, isMine).then(ended(() => again(backoff.next(AGAIN_MS))), ended(failed));
  }

  async function streamed(signal, isMine) {
    try {
      await follow({
        target: EVENTS,
        known,
        signal,
        onEvent: (event) => isMine() && tried(() => hear(event)),
        onRetry: (milliseconds) => (retryMs = milliseconds),
        ...limits,
      });
    } catch (error) {
      const isElse = error.how === NO_STREAM || (error.status && !isRefusal(error));
      if (!isMine() || !isElse) throw error;
      await polled(signal, isMine);
    }
  }

  async function polled(signal, isMine) {
    const well = (act) => (told) => {
      if (!isMine()) return;
      on.way("poll");
      backoff.reset();
      on.found();
      isTelling = true;
      tried(() => act(told));
      isTelling = false;
    };
    const take = well((told) => {
      known = told.index;
      on.take(told);
    });
    const same = well((headers) => {
      const stale = headers.get("X-Consul-Edge-Stale");
      if (stale !== null) on.standing(staleBy(Number(stale), headers));
    });
    await poll({ target: rows, signal, take, same, ...limits });
  }

  function hear({ name, data, id }) {
    if (name === "hello") {
      on.way("stream");
      backoff.reset();
      on.found();
    }
    if (id !== undefined) known = Number(id);
    if (name === "hello" || name === "standing") on.standing(data);
    else if (name === "changes") on.changes(data[view]);
    else if (name === "reload" && data.documents.includes(view)) on.reload();
  }

  function failed(error) {
    if (isRefusal(error)) {
      on.refused(error);
      again(REFUSED_MS);
      return;
    }
    if (error.status === undefined) {
      on.way("lost");
      on.lost();
    } else on.failed(error);
    again(backoff.next(retryMs));
  }

  function again(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(open, milliseconds);
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? hide() : open()));
  addEventListener("online", () => current ?? open());

  function hide() {
    close();
    on.way("closed");
  }

  return {
    /** Follow what comes after an index; who was just told all rows does so already. */
    start(index) {
      known = index;
      if (!isTelling) open();
    },
  };
}

/** A defect of the page is told as one, and is none of the stream. */
function tried(act) {
  try {
    act();
  } catch (error) {
    reportError(error);
  }
}

function isRefusal({ status }) {
  return status === 401 || status === 403;
}

function staleBy(seconds, headers) {
  const server = headers.get("X-Consul-Edge-Server");
  return { active_server: server, cache: { state: "stale", age_seconds: seconds } };
}
