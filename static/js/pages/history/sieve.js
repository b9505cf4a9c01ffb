// Which photos the form lets through, and the address that remembers it.

const LEAST = 0.1; // score of a label that is searched beside the best one
const NAMES = ["q", "kind", "from", "to"];

/** The local day of a moment (ms since 1970) as "2026-11-21". */
export function dayOf(time) {
  const date = new Date(time);
  const two = (n) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

const plain = (words) => words.normalize("NFKC").toLowerCase();

/** A function entry -> boolean: every word in its name, labels or model; its kind; its day. */
export function sieveOf(form) {
  const { q, kind, from, to } = Object.fromEntries(new FormData(form));
  const words = plain(q).split(/\s+/u).filter(Boolean);
  return (entry) => {
    if (kind && entry.kind !== kind) return false;
    const day = dayOf(entry.time);
    if ((from && day < from) || (to && day > to)) return false;
    // A model that names photos gives each label some small score.
    const labels = entry.labels.filter(({ score }, at) => at === 0 || score >= LEAST);
    const told = plain([entry.name, entry.model, ...labels.map(({ label }) => label)].join("\n"));
    return words.every((word) => told.includes(word));
  };
}

/** Whether the form lets everything through. */
export function isOpen(form) {
  return NAMES.every((name) => form.elements[name].value === "");
}

/** Put what the form asks for into the page's address, so that it survives a reload. */
export function remember(form) {
  const url = new URL(location.href);
  for (const name of NAMES) {
    const { value } = form.elements[name];
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  window.history.replaceState(null, "", url);
}

/** Fill the form from the page's address. */
export function recall(form) {
  const asked = new URL(location.href).searchParams;
  for (const name of NAMES) form.elements[name].value = asked.get(name) ?? "";
  // A choice that there is none of, from an edited address, leaves a select empty.
  if (form.elements.kind.selectedIndex < 0) form.elements.kind.value = "";
}
