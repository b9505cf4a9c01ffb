// The kinds of recognition and their addresses, as the server tells them.

import { withQuery } from "./dom.js";

/** kind -> {kind, upload, result, input, output}; `output` is null for kinds that draw nothing. */
export const KINDS = JSON.parse(document.documentElement.dataset.kinds);

/** The address of `what` ("result", "input" or "output") of one photo. */
export function address(kind, what, { task, key }) {
  return withQuery(KINDS[kind][what], { task, key });
}
