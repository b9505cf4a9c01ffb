// An event stream, as its lines come.

/** Call `onLine(text)` for each line of `response`, until it ends or `signal` aborts. */
export async function eachLine(response, onLine) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const lines = (rest + decoder.decode(value, { stream: !done })).split(/\r\n|\n|\r/);
    rest = lines.pop();
    lines.forEach(onLine);
    if (done) {
      if (rest) onLine(rest);
      return;
    }
  }
}
