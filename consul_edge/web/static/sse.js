/*
 * Server-sent events, read from text as it comes (https://html.spec.whatwg.org, "event stream").
 *
 * Rule: a browser's own `EventSource` sends no headers, and a token belongs in one; so the stream
 * is read by fetch, and taken apart here, to the letter of the specification.
 */

/**
 * Make a reader: give it pieces of text, and it calls `onEvent({name, data, id})` for each event,
 * and `onRetry(milliseconds)`.
 *
 * `id` is undefined where an event has none of its own.
 */
export function createParser(onEvent, onRetry = () => {}) {
  let rest = "";
  let isFirst = true;
  let event = emptied();

  function field(line) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event.name = value;
    else if (name === "data") event.data.push(value);
    else if (name === "id" && !value.includes("\0")) event.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) onRetry(Number(value));
  }

  function dispatch() {
    const { name, data, id } = event;
    event = emptied();
    if (data.length) onEvent({ name: name || "message", data: data.join("\n"), id });
  }

  return {
    push(text) {
      rest += text;
      if (isFirst && rest) {
        rest = rest.replace(/^\uFEFF/, "");
        isFirst = false;
      }
      // A carriage return at the end may be the first half of a line's end.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line) field(line);
        else dispatch();
      }
    },
  };
}

function emptied() {
  return { name: "", data: [], id: undefined };
}
