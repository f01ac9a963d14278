/*
 * One stream of events from the edge, from its opening to its end.
 *
 * Rule 1: a stream on which nothing comes, not even a comment, has ended: nobody said so.
 * Rule 2: what had been a stream returns when it ends; else is thrown why it was none: an error
 * with the edge's status, or with one of the words below.
 */

import { reasonOf } from "./ask.js";
import { headers } from "./credentials.js";
import { createParser } from "./sse.js";
import { createWatch } from "./watch.js";

/** Longer than the edge is silent: it sends a comment every 15 s. */
const SILENT_MS = 40_000;
/** What is between here and the edge may keep a stream until it ends; then it is none. */
const FIRST_MS = 8_000;

/** The edge cannot be reached, or what is between hangs up. */
export const LOST = "lost";
/** There is an answer, and it is no stream. */
export const NO_STREAM = "no stream";

/**
 * Follow until the end.
 *
 * `known` is the index of what is known; `onEvent({name, data, id})` gets data that is parsed.
 */
export async function follow({ target, known, signal, onEvent, onRetry, firstMs = FIRST_MS }) {
  const watch = createWatch(signal);
  try {
    watch.within(firstMs);
    const response = await opened(target, known, watch);
    await read(response, watch, onEvent, onRetry);
  } finally {
    watch.end();
  }
}

async function opened(target, known, watch) {
  const asking = { ...headers(), Accept: "text/event-stream", "Last-Event-ID": String(known) };
  let response;
  try {
    response = await fetch(target, {
      headers: asking,
      signal: watch.signal,
      credentials: "omit",
      cache: "no-store",
    });
  } catch (error) {
    throw failed(error.message, watch.isOver ? NO_STREAM : LOST);
  }
  if (!response.ok) {
    const text = await response.text().catch(() => "");
    throw Object.assign(new Error(reasonOf(text) || response.statusText), {
      status: response.status,
    });
  }
  const type = response.headers.get("Content-Type") ?? "";
  if (!response.body || !type.startsWith("text/event-stream")) throw failed(type, NO_STREAM);
  return response;
}

async function read(response, watch, onEvent, onRetry) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let isStream = false;
  const parser = createParser(({ name, data, id }) => {
    isStream = true;
    onEvent({ name, data: JSON.parse(data), id });
  }, onRetry);
  for (;;) {
    const { done, value, error } = await reader.read().catch((error) => ({ done: true, error }));
    if (!done) parser.push(decoder.decode(value, { stream: true }));
    if (isStream) watch.within(SILENT_MS);
    // What has been a stream has ended, one way or the other.
    if (done && isStream) return;
    if (done) throw failed(error?.message ?? "", error && !watch.isOver ? LOST : NO_STREAM);
  }
}

function failed(message, how) {
  return Object.assign(new Error(message), { how });
}
