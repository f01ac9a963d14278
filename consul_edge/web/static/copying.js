/*
 * Texts for the clipboard, and a short word about it, which is spoken, too.
 *
 * Rule: where a page may not write to the clipboard (plain HTTP from elsewhere), the old way of
 * selecting a text and copying it is tried; and if that fails, it is said.
 */

import { make } from "./dom.js";
import { t } from "./words.js";

const SHOWN_MS = 1_600;

let note = null;

/** Copy a text. */
export async function copy(text) {
  tell(t((await written(text)) ? "copied" : "copy_failed"));
}

async function written(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedBySelecting(text);
  }
}

function copiedBySelecting(text) {
  const field = make("textarea", { class: "unseen", readonly: true });
  field.value = text;
  const focused = document.activeElement;
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isDone;
}

/** Say something for a moment. */
export function tell(text) {
  note?.remove();
  note = make("p", { class: "spoken-note", role: "status" }, text);
  document.body.append(note);
  const mine = note;
  setTimeout(() => mine.remove(), SHOWN_MS);
}
