// One piece of the page becomes another by as few changes as it takes: what stays, stays in place,
// with its focus, its scrolling, its open details.

/**
 * Let the element `old` become what `fresh`, of another document, is.
 *
 * Children with `data-key` are found again by it, the others by their place. `data-mine` marks what
 * scripts alone change; of an element with `data-own`, scripts have the attributes and the server
 * the children.
 */
export function morph(old, fresh) {
  if ("mine" in old.dataset) return;
  if (!("own" in old.dataset)) copyAttributes(old, fresh);
  const keyed = new Map();
  for (const child of old.children) if (child.dataset.key) keyed.set(child.dataset.key, child);
  let place = old.firstChild;
  for (const child of fresh.childNodes) {
    const found = child.dataset?.key ? keyed.get(child.dataset.key) : place;
    if (!found || !alike(found, child)) {
      old.insertBefore(document.importNode(child, true), place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else old.insertBefore(found, place);
    if (found.nodeType === Node.ELEMENT_NODE) morph(found, child);
    else if (found.data !== child.data) found.data = child.data;
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

const alike = (old, fresh) =>
  old.nodeType === fresh.nodeType &&
  old.nodeName === fresh.nodeName &&
  old.dataset?.key === fresh.dataset?.key;

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
