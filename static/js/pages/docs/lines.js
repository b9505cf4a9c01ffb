// The lines of an event stream, as they come.

/**
 * Call `onLine(text)` for each line of `response`, until it ends.
 *
 * @param {Response} response
 * @param {(line: string) => void} onLine
 */
export async function eachLine(response, onLine) {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const lines = (rest + decoder.decode(value, { stream: !done })).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
    if (done) {
      if (rest) onLine(rest);
      return;
    }
  }
}
