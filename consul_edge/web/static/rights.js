/*
 * Who looks: a panel to enter and forget Consul's token and the edge's admin token.
 *
 * Rule 1: a token is tried before it is kept: one that is refused changes nothing.
 * Rule 2: what was typed leaves the document before anything is asked, and when the panel closes;
 * its field has no name, so no form can put it into an address.
 * Rule 3: whoever forgets a token gets a page that never knew it: it is loaded again, and so is one
 * that the browser has kept from before, for who goes back.
 */

import { adminHeadersOf, ADMIN, forget, has, headers, isToken, keep, TOKEN } from "./credentials.js";
import { createCaches, INFO, reasonFor } from "./caches.js";
import { ask } from "./ask.js";
import { make, makeSvg, say } from "./dom.js";
import { page, t } from "./words.js";

const KEY = "M10.5 1.5a4 4 0 0 0-3.8 5.2L1.5 12v2.5H4V13h1.5v-1.5H7L9.3 9.3A4 4 0 1 0 10.5 1.5Zm1 2a1 1 0 1 1 0 2 1 1 0 0 1 0-2Z";

/**
 * Add the button to `place`, and the panel to the page.
 *
 * `read(token)` gives the rows that a token may see, or throws, and `show` shows them; `flushed()`
 * is told that the edge has forgotten something.
 */
export function createRights({ place, read, show, flushed }) {
  const caches = createCaches({ flushed, refused: () => parts.admin.renew(t("admin_needed")) });
  const parts = {
    consul: tokenPart({
      name: TOKEN,
      word: "token_consul",
      async use(token) {
        const told = await read(token);
        keepOrThrow(TOKEN, token);
        show(told);
        return t("token_entered");
      },
      changed: () => mark(),
    }),
    admin: tokenPart({
      name: ADMIN,
      word: "token_admin",
      isNeedless: page.trusted,
      async use(token) {
        const told = await ask(INFO, { headers: adminHeadersOf(token) });
        keepOrThrow(ADMIN, token);
        caches.show(told);
        return "";
      },
      changed: () => mark(),
    }),
  };
  const dialog = createPanel([parts.consul.element, parts.admin.element, caches.element]);
  let viewer = "";
  const button = make(
    "button",
    { class: "tool rights", type: "button", "aria-haspopup": "dialog", click: open },
    makeSvg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, makeSvg("path", { d: KEY })),
    make("span", {}, t("rights")),
  );
  dialog.addEventListener("close", () => {
    for (const part of Object.values(parts)) part.clear();
    caches.close();
  });
  place.prepend(button);
  mark();
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted && viewer !== JSON.stringify(headers())) location.reload();
  });

  function mark() {
    viewer = JSON.stringify(headers());
    const held = [TOKEN, ADMIN].filter(has).map((name) => t(WORDS[name]));
    button.classList.toggle("held", held.length > 0);
    button.title = held.length ? `${t("token_in_use")}: ${held.join(", ")}` : t("rights_title");
  }

  function open() {
    dialog.showModal();
    if (has(ADMIN) || page.trusted) caches.read();
  }

  return { open };
}

const WORDS = { [TOKEN]: "token_consul", [ADMIN]: "token_admin" };

function keepOrThrow(name, token) {
  if (!keep(name, token)) throw new Error(t("token_not_stored"));
}

function createPanel(parts) {
  const dialog = make(
    "dialog",
    { class: "panel", id: "rights", "aria-labelledby": "rights-title" },
    make(
      "form",
      { method: "dialog" },
      make("button", { class: "close", "aria-label": t("close") }, "×"),
    ),
    make("h2", { id: "rights-title" }, t("rights_title")),
    make("p", { class: "hint" }, t("rights_kept")),
    parts,
  );
  document.body.append(dialog);
  return dialog;
}

/** Make the part of one token: a field to enter it, or what says that there is one. */
function tokenPart({ name, word, isNeedless = false, use, changed }) {
  const id = `field-${word}`;
  const field = make("input", {
    id,
    type: "password",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-describedby": `${id}-hint ${id}-said`,
  });
  const said = make("p", { id: `${id}-said`, class: "said", role: "status" });
  const using = make("button", { class: "tool" }, t("token_use"));
  const entering = make("div", { class: "entering" }, field, using);
  const held = make(
    "p",
    { class: "held" },
    make("span", { class: "status" }, t(isNeedless ? "admin_trusted" : "token_in_use")),
    isNeedless
      ? null
      : make("button", { class: "tool", type: "button", click: leave }, t("token_forget")),
  );
  const element = make(
    "form",
    { class: "token", id: `form-${word}`, submit: take },
    make("label", { for: id }, t(word)),
    make("p", { class: "hint", id: `${id}-hint` }, t(`${word}_hint`)),
    entering,
    held,
    said,
  );
  show();

  function show() {
    held.hidden = !has(name) && !isNeedless;
    entering.hidden = !held.hidden;
  }

  function tell(text, isBad) {
    said.classList.toggle("bad", isBad);
    if (isBad) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
    say(said, text);
  }

  async function take(event) {
    event.preventDefault();
    if (using.disabled) return;
    const token = field.value.trim();
    field.value = "";
    if (!isToken(token)) return tell(t("token_not_one"), true);
    using.disabled = true;
    tell(t("token_trying"), false);
    try {
      tell(await use(token), false);
      show();
      changed();
    } catch (error) {
      tell(t("token_refused", { reason: reasonFor(name, error) }), true);
      field.focus();
    }
    using.disabled = false;
  }

  function leave() {
    forget(name);
    location.reload();
  }

  return {
    element,
    /** Ask for another one: the edge did not take this one. */
    renew(text) {
      forget(name);
      show();
      changed();
      tell(text, true);
      field.focus();
    },
    clear() {
      field.value = "";
      tell("", false);
    },
  };
}
