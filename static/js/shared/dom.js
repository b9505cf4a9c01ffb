// Elements without markup: names and labels come from strangers, so they are only ever text.

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [props] properties, or attributes if the name has a dash or is `role`
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.includes("-") || name === "role") node.setAttribute(name, value);
    else /** @type {any} */ (node)[name] = value;
  }
  node.append(...children);
  return node;
}

/**
 * Make a heading of `level`, 1 to 6.
 *
 * @param {number} level
 * @param {Record<string, any>} props
 * @param {...(Node | string)} children
 */
export function heading(level, props, ...children) {
  return el(/** @type {"h2"} */ (`h${level}`), props, ...children);
}

/**
 * Find the first element that matches `selector`. Throws when there is none or it is not a `type`:
 * the templates promise what the scripts look for.
 *
 * @template {Element} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [root]
 * @param {new () => T} [type]
 * @returns {T}
 */
export function find(selector, root = document, type) {
  const node = root.querySelector(selector);
  const expected = type ?? HTMLElement;
  if (node instanceof expected) return /** @type {T} */ (node);
  throw new Error(`expected ${expected.name} at ${selector}, got ${node?.nodeName ?? "nothing"}`);
}

/**
 * Find every element that matches `selector`; those that are not a `type` are left out.
 *
 * @template {Element} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [root]
 * @param {new () => T} [type]
 * @returns {T[]}
 */
export function findAll(selector, root = document, type) {
  const expected = type ?? HTMLElement;
  const nodes = [...root.querySelectorAll(selector)];
  return /** @type {T[]} */ (nodes.filter((node) => node instanceof expected));
}

/**
 * Find the element around an event's target, or the target itself, that matches `selector`.
 *
 * @param {EventTarget | null} target
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export function closest(target, selector) {
  return target instanceof Element ? target.closest(selector) : null;
}

/**
 * Set the text of `node` if it differs: a live region that is set again is read aloud again.
 *
 * @param {Element} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Build the address `url` with the parameters of `query` behind it.
 *
 * @param {string} url
 * @param {Record<string, any>} query
 */
export function withQuery(url, query) {
  return `${url}?${new URLSearchParams(query)}`;
}

/**
 * Resolve after `ms`, earlier when the network comes back; reject when `signal` aborts.
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const finish = (/** @type {() => void} */ settle) => {
      clearTimeout(timer);
      window.removeEventListener("online", wake);
      signal.removeEventListener("abort", stop);
      settle();
    };
    const wake = () => finish(resolve);
    const stop = () => finish(() => reject(signal.reason));
    const timer = setTimeout(wake, ms);
    window.addEventListener("online", wake);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
  });
}

/**
 * Resolve after waiting events of the page were handled, in the middle of long work.
 *
 * @returns {Promise<void>}
 */
export const yieldToPage = () => new Promise((resolve) => setTimeout(resolve));
