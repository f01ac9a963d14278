/*
 * Questions to the edge, in the name of whoever gave a token (credentials.js).
 *
 * Rule: what went wrong is an `Error` whose message can be shown, with the answer's status; that of
 * an edge that cannot be reached has none.
 *
 * What is asked is past every cache, the edge's own, too, if `options` do not say otherwise.
 */

import { headers } from "./credentials.js";

/** Ask for JSON. */
export async function ask(target, options = {}) {
  return (await answered(target, options)).json();
}

/** Ask for JSON that is known by a tag: gives `{status, headers, body}`, of which 304 has no body. */
export async function askTagged(target, tag, options = {}) {
  const known = tag ? { "If-None-Match": tag } : {};
  const response = await answered(target, { ...options, headers: known });
  const body = response.status === 304 ? null : await response.json();
  return { status: response.status, headers: response.headers, body };
}

async function answered(target, options) {
  const response = await fetch(target, {
    cache: "no-store",
    ...options,
    headers: { ...headers(), ...options.headers },
    credentials: "omit",
  });
  if (response.ok || response.status === 304) return response;
  const text = await response.text();
  throw Object.assign(new Error(reasonOf(text) || response.statusText), { status: response.status });
}

/** Find the reason in an error's body: JSON of the API, or a line of Consul's. */
export function reasonOf(text) {
  try {
    return JSON.parse(text).detail ?? text;
  } catch {
    return text.slice(0, 500);
  }
}
