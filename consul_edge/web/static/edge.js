/*
 * How the edge itself is, asked now and then: its servers, and what it answers from memory.
 *
 * Rule 1: it is asked while somebody looks, and at once when the rows stand another way.
 * Rule 2: what keeps it from being asked is not told here: live.js hears of it, too.
 */

import { askTagged } from "./ask.js";
import { say } from "./dom.js";
import { known, t } from "./words.js";

const TARGET = "/api/v1/edge";
const PAUSE_MS = 5_000;

/** Begin to ask; `told({servers, active_server, hit_ratio})` hears what is another. */
export function createEdge({ told }) {
  let tag = null;
  let timer = 0;

  async function look() {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE_MS);
    if (document.hidden) return;
    try {
      const { status, headers, body } = await askTagged(TARGET, tag);
      tag = headers.get("ETag");
      if (status === 304) return;
      show(body);
      told(body);
    } catch {
      tag = null;
    }
  }

  document.addEventListener("visibilitychange", look);
  look();
  return { look };
}

function show({ servers, hit_ratio: ratio }) {
  say(document.getElementById("ratio"), ratio === null ? "–" : `${(100 * ratio).toFixed(1)}%`);
  const rows = document.querySelectorAll("#about tbody tr");
  servers.forEach(({ name, state, leader }, place) => {
    const cells = rows[place]?.children;
    if (!cells) return;
    say(cells[0], name);
    const mark = cells[1].firstElementChild;
    mark.className = `server ${state}`;
    say(mark, t(`server_${state}`));
    say(cells[2], leader || t("leader_unknown"));
  });
}

/** Name servers with their states, as the outage's banner has them. */
export function namesOf(servers) {
  return servers.map(({ name, state }) => `${name} (${known("server", state)})`).join(", ");
}
