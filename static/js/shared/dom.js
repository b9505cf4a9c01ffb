// Elements without markup: names and labels come from strangers, so they are only ever text.

/** A new element. `props` are properties, or attributes when the name has a dash or is `role`. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.includes("-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

/** `url` with the parameters of `query` behind it. */
export function withQuery(url, query) {
  return `${url}?${new URLSearchParams(query)}`;
}

/** Resolves after `ms`, earlier when the network comes back; rejects when `signal` aborts. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const finish = (settle, value) => {
      clearTimeout(timer);
      window.removeEventListener("online", wake);
      signal.removeEventListener("abort", stop);
      settle(value);
    };
    const wake = () => finish(resolve);
    const stop = () => finish(reject, signal.reason);
    const timer = setTimeout(wake, ms);
    window.addEventListener("online", wake);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
  });
}

/** Let the page do what is waiting, in the middle of long work. */
export const breath = () => new Promise((go) => setTimeout(go));
