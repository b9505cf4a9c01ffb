// The update of a piece of the page by as few changes as possible: what stays keeps its place, its
// focus, its scrolling, its open details.

/**
 * Change the element `old` into `fresh`, of another document.
 *
 * Children with `data-key` are matched by it, the others by their place. `data-mine` marks what
 * scripts alone change; of an element with `data-own`, scripts have the attributes and the server
 * the children.
 *
 * @param {HTMLElement | SVGElement} old
 * @param {HTMLElement | SVGElement} fresh
 */
export function morph(old, fresh) {
  if ("mine" in old.dataset) return;
  if (!("own" in old.dataset)) copyAttributes(old, fresh);
  /** @type {Map<string, ChildNode>} */
  const byKey = new Map();
  for (const child of old.children) byKey.set(keyOf(child), child);
  /** @type {ChildNode | null} */
  let place = old.firstChild;
  for (const child of fresh.childNodes) {
    const key = keyOf(child);
    const match = key ? byKey.get(key) : place;
    if (!match || !alike(match, child)) {
      old.insertBefore(document.importNode(child, true), place);
      continue;
    }
    if (match === place) place = match.nextSibling;
    else old.insertBefore(match, place);
    if (isElement(match) && isElement(child)) morph(match, child);
    else if (match.nodeValue !== child.nodeValue) match.nodeValue = child.nodeValue;
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/**
 * @param {Node} node
 * @returns {node is HTMLElement | SVGElement}
 */
const isElement = (node) => node instanceof HTMLElement || node instanceof SVGElement;

/** @param {Node} node */
const keyOf = (node) => (isElement(node) ? (node.dataset.key ?? "") : "");

/**
 * @param {Node} old
 * @param {Node} fresh
 */
const alike = (old, fresh) =>
  old.nodeType === fresh.nodeType &&
  old.nodeName === fresh.nodeName &&
  keyOf(old) === keyOf(fresh);

/**
 * @param {Element} old
 * @param {Element} fresh
 */
function copyAttributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    // The reader opened it.
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) {
      old.removeAttribute(name);
    }
  }
}
