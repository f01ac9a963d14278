/*
 * Questions to the edge, in the name of whoever gave a token (credentials.js).
 *
 * Rule: what went wrong is an `Error` whose message can be shown, with the answer's status.
 */

import { headers } from "./credentials.js";

/** Ask for JSON. */
export async function ask(target, options = {}) {
  const response = await fetch(target, {
    ...options,
    headers: { ...headers(), ...options.headers },
    credentials: "omit",
    cache: "no-store",
  });
  if (response.ok) return response.json();
  const text = await response.text();
  throw Object.assign(new Error(reasonOf(text) || response.statusText), { status: response.status });
}

/** Find the reason in an error's body: JSON of the API, or a line of Consul's. */
function reasonOf(text) {
  try {
    return JSON.parse(text).detail ?? text;
  } catch {
    return text.slice(0, 500);
  }
}
