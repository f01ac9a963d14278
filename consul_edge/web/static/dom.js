/*
 * Elements made of names, attributes and texts; never of markup.
 *
 * Rule: a child is an element or a text, and a text stays one, whatever is written in it.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 *
 * Attributes that are null, undefined or false are left out; true is an attribute without a value;
 * a function is a listener for the event of its name.
 */
export function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function makeSvg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Give an element a text, if it has another one: what does not change is not painted again. */
export function say(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** Tell whether a text may become a link: nothing but http and https can be followed. */
export function isLink(text) {
  if (!/^https?:\/\//i.test(text)) return false;
  try {
    return ["http:", "https:"].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}

/** Make a text, or a link if it is the address of one. */
export function textOrLink(text) {
  if (!isLink(text)) return document.createTextNode(text);
  return make("a", { href: text, target: "_blank", rel: "noopener noreferrer" }, text);
}

/** Remember something for this browser, where it lets us. */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(`consul-edge.${name}`);
    else localStorage.setItem(`consul-edge.${name}`, value);
  } catch {
    // Storage may be forbidden; then it holds for this page.
  }
}

/** Give what was remembered; null: nothing. */
export function remembered(name) {
  try {
    return localStorage.getItem(`consul-edge.${name}`);
  } catch {
    return null;
  }
}
