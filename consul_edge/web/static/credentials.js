/*
 * Who asks: the headers that each question to the edge has, whoever asks it.
 *
 * Rule 1: a token is in this tab's session storage, and goes out in a header; never in an address.
 * Rule 2: it is read anew for each question, so what was entered or forgotten holds from the next
 * one on; where a browser stores nothing, there is no token.
 * Rule 3: the admin token goes to admin calls alone: a Bearer elsewhere is Consul's, which would
 * get to see it.
 */

export const TOKEN = "consul-edge.token";
export const ADMIN = "consul-edge.admin";

/** What a header can carry; no token has more. */
const SPELLED = /^[\x21-\x7e]{1,4096}$/;

/** Give the headers that say who asks. */
export function headers() {
  const token = stored(TOKEN);
  return token ? headersOf(token) : {};
}

/** Give those that a token would have. */
export function headersOf(token) {
  return { "X-Consul-Token": token };
}

/** Give the headers of admin calls. */
export function adminHeaders() {
  const token = stored(ADMIN);
  return token ? adminHeadersOf(token) : {};
}

/** Give those that an admin token would have. */
export function adminHeadersOf(token) {
  return { Authorization: `Bearer ${token}` };
}

/** Tell whether there is a token of that name. */
export function has(name) {
  return Boolean(stored(name));
}

/** Tell whether a text can be a token. */
export function isToken(text) {
  return SPELLED.test(text);
}

/** Keep a token for as long as this tab is open; tell whether the browser lets us. */
export function keep(name, token) {
  try {
    sessionStorage.setItem(name, token);
  } catch {
    return false;
  }
  return true;
}

/** Forget one; the page is to be loaded again then, since it shows what the token saw. */
export function forget(name) {
  try {
    sessionStorage.removeItem(name);
  } catch {
    // Then there was none.
  }
}

function stored(name) {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}
