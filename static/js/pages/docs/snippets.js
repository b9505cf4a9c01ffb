// An operation as a line for a shell and as a program in Python; scai/web/openapi/snippets.py writes the same.
//
// `operation` is what the page tells of it: method, path, values [{name, place, file, required,
// example}], bodies, type, save. `given` maps the names of values to texts, or to arrays of the
// names of files.

const PLAIN = /^[A-Za-z0-9@=._/:-]+$/;
const SHORT = 40; // characters; longer texts get lines of their own
const SECONDS = 90; // longer than the longest answer takes

const literal = (text) => JSON.stringify(text);

const quoted = (word) => (PLAIN.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

// A name that begins with a dash, or is one, has a meaning of its own to programs.
const asFile = (name) => (name.startsWith("-") ? `./${name}` : name);

// Behind "@", curl ends a name at a comma or a semicolon, unless it stands in double quotes.
function formFile(field, name) {
  const file = asFile(name);
  if (PLAIN.test(file)) return `-F ${field}=@${file}`;
  return `-F ${quoted(`${field}=@"${file.replace(/[\\"]/g, "\\$&")}"`)}`;
}

/** The values of one place as [name, text]; a required one that is empty shows its example. */
function placed(operation, given, place) {
  const found = [];
  for (const value of operation.values) {
    if (value.place !== place) continue;
    const got = given[value.name];
    const texts = Array.isArray(got) ? got : [got || ""];
    const known = texts.filter(Boolean);
    if (known.length === 0 && value.example && (value.required || got === undefined)) {
      known.push(value.example);
    }
    for (const text of known) found.push([value, text]);
  }
  return found;
}

export function pathOf(operation, given) {
  let path = operation.path;
  for (const [value, text] of placed(operation, given, "path")) {
    path = path.replace(`{${value.name}}`, () => encodeURIComponent(text));
  }
  return path;
}

export function queryOf(operation, given) {
  return placed(operation, given, "query")
    .map(([value, text]) => `${value.name}=${encodeURIComponent(text)}`)
    .join("&");
}

function addressOf(operation, given) {
  const query = queryOf(operation, given);
  return pathOf(operation, given) + (query ? `?${query}` : "");
}

/** The command line that asks for `operation` at `server`. */
export function curl(operation, server, given = {}) {
  let first = "curl";
  if (operation.type === "text/event-stream") first += " -N";
  if (operation.save) first += ` -o ${operation.save}`;
  const plain = operation.method === "GET" || operation.bodies.length > 0;
  if (operation.method === "PUT" || !plain) first += ` -X ${operation.method}`;
  const parts = [first];
  for (const [value, text] of placed(operation, given, "form")) {
    const field = `${value.name}=${text}`;
    parts.push(value.file ? formFile(value.name, text) : `--form-string ${quoted(field)}`);
  }
  for (const [, text] of placed(operation, given, "body")) {
    parts.push(`--data-binary ${quoted(`@${asFile(text)}`)}`);
  }
  parts.push(quoted(server + addressOf(operation, given)));
  const one = parts.join(" ");
  return one.length <= 60 || parts.length < 3 ? one : parts.join(" \\\n  ");
}

function dict(pairs) {
  const byName = new Map();
  for (const [value, text] of pairs) {
    byName.set(value.name, [...(byName.get(value.name) ?? []), text]);
  }
  const inside = [...byName].map(([name, texts]) => {
    const words = texts.map(literal);
    return `${literal(name)}: ${words.length > 1 ? `[${words.join(", ")}]` : words[0]}`;
  });
  const one = inside.join(", ");
  if (one.length <= SHORT) return `{${one}}`;
  return `{${inside.map((pair) => `\n        ${pair},`).join("")}\n    }`;
}

function shown(operation) {
  if (operation.type === "text/event-stream") {
    return "for line in answer.iter_lines(decode_unicode=True):\n    print(line)";
  }
  if (operation.save) {
    const file = `with open(${literal(operation.save)}, "wb") as file:\n`;
    return `answer.raise_for_status()\n${file}    file.write(answer.content)`;
  }
  return "print(answer.status_code, answer.text)";
}

/** The program in Python that asks for `operation` at `server` and shows the answer. */
export function python(operation, server, given = {}) {
  const form = placed(operation, given, "form");
  const files = form.filter(([value]) => value.file);
  const fields = form.filter(([value]) => !value.file);
  const query = placed(operation, given, "query");
  const body = placed(operation, given, "body");
  const inside = [literal(server + pathOf(operation, given))];
  if (query.length) inside.push(`params=${dict(query)}`);
  if (files.length > 1) inside.push("files=photos");
  else if (files.length) inside.push(`files={${literal(files[0][0].name)}: photo}`);
  if (fields.length) inside.push(`data=${dict(fields)}`);
  if (body.length) inside.push("data=photo");
  if (operation.type === "text/event-stream") inside.push("stream=True");
  inside.push(`timeout=${SECONDS}`);
  const lines = inside.map((each) => `\n    ${each},`).join("");
  let call = `answer = requests.${operation.method.toLowerCase()}(${lines}\n)`;
  if (files.length > 1) {
    const names = files.map(([, name]) => literal(name)).join(", ");
    const field = literal(files[0][0].name);
    call = `names = [${names}]\nphotos = [(${field}, open(name, "rb")) for name in names]\n${call}`;
  } else if (files.length || body.length) {
    const opened = `with open(${literal((files[0] ?? body[0])[1])}, "rb") as photo:\n`;
    call = opened + call.replace(/^/gm, "    ");
  }
  return `import requests\n\n${call}\n${shown(operation)}`;
}
