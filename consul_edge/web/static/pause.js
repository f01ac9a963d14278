/*
 * The button that holds the rows still, and says how many others wait.
 *
 * Rule: only rows wait; how sure they are, and whether the edge can be reached, is told all the
 * same.
 */

import { make, say } from "./dom.js";
import { number, t } from "./words.js";

/** Add the button; `changed(isPaused)` is told of each press. */
export function createPause({ place, changed }) {
  const button = make(
    "button",
    {
      id: "pause",
      class: "tool",
      type: "button",
      "aria-pressed": "false",
      "aria-describedby": "waiting",
      "aria-keyshortcuts": "p",
      title: t("pause_hint"),
      click: () => set(!pause.isOn),
    },
    t("pause"),
  );
  const waiting = make("span", { id: "waiting" });
  place.prepend(make("span", { class: "pausing" }, waiting, button));

  function set(isOn) {
    pause.isOn = isOn;
    button.setAttribute("aria-pressed", String(isOn));
    document.body.classList.toggle("paused", isOn);
    changed(isOn);
  }

  const pause = {
    isOn: false,
    toggle: () => set(!pause.isOn),
    /** Say what waits: `{size, isWhole}`. */
    show({ size, isWhole }) {
      say(waiting, pause.isOn ? textOf(size, isWhole) : "");
    },
  };
  return pause;
}

function textOf(size, isWhole) {
  if (isWhole) return size ? t("waiting_more", { n: number(size) }) : t("waiting_all");
  if (!size) return t("waiting_none");
  return size === 1 ? t("waiting_one") : t("waiting", { n: number(size) });
}
