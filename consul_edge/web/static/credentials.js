/*
 * Who asks: the headers that each question to the edge has, whoever asks it.
 *
 * Rule 1: a token is in this tab's session storage, and goes out in a header; never in an address.
 * Rule 2: it is read anew for each question, so what was entered or forgotten holds from the next
 * one on; where a browser stores nothing, there is no token.
 */

export const TOKEN = "consul-edge.token";

/** Give the headers that say who asks. */
export function headers() {
  try {
    const token = sessionStorage.getItem(TOKEN);
    return token ? { "X-Consul-Token": token } : {};
  } catch {
    return {};
  }
}
