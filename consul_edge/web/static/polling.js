/*
 * Asking again and again for all rows, where no stream comes through.
 *
 * Rule 1: what has not changed is not sent: each time the tag of the rows that are here is named.
 * Rule 2: the pause is longer than the answer took: a large table is not asked for without end.
 */

import { askTagged } from "./ask.js";
import { createWatch } from "./watch.js";

const PAUSE_MS = 5_000;
const SHARE = 4;
const PATIENCE_MS = 30_000;
/** So many times, then a stream is tried again. */
const TIMES = 12;

/**
 * Ask so many times.
 *
 * `take(document)` gets rows that are others, `same(headers)` is told where they are not.  What
 * cannot be asked is thrown.
 */
export async function poll({ target, signal, take, same, pauseMs = PAUSE_MS }) {
  let tag = null;
  for (let time = 0; time < TIMES; time += 1) {
    const began = performance.now();
    const watch = createWatch(signal);
    watch.within(PATIENCE_MS);
    const { status, headers, body } = await askTagged(target, tag, { signal: watch.signal });
    watch.end();
    tag = headers.get("ETag");
    if (status === 304) same(headers);
    else take(body);
    await pause(Math.max(pauseMs, SHARE * (performance.now() - began)), signal);
  }
}

function pause(milliseconds, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });
}
