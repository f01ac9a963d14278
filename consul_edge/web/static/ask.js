/*
 * Questions to the edge, in the name of whoever gave a token.
 *
 * Rule 1: a token is in this tab's session storage, and goes out in a header; never in an address.
 * Rule 2: what went wrong is an `Error` whose message can be shown, with the answer's status.
 */

export const TOKEN = "consul-edge.token";

/** Give the headers that say who asks. */
export function credentials() {
  try {
    const token = sessionStorage.getItem(TOKEN);
    return token ? { "X-Consul-Token": token } : {};
  } catch {
    return {};
  }
}

/** Ask for JSON. */
export async function ask(target, options = {}) {
  const response = await fetch(target, {
    ...options,
    headers: { ...credentials(), ...options.headers },
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
