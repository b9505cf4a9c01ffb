// An operation as a line for a shell and as a program in Python; scai/web/openapi/snippets.py writes the same.
//

/**
 * A value that an operation takes: in the path, the query, the form or as the whole body.
 *
 * @typedef {object} Value
 * @property {string} name
 * @property {"path" | "query" | "form" | "body"} place
 * @property {boolean} [file]
 * @property {boolean} [required]
 * @property {string} [example]
 */

/**
 * An operation of the API, as the page has it.
 *
 * @typedef {object} Operation
 * @property {string} method
 * @property {string} path
 * @property {Value[]} values
 * @property {string[]} bodies
 * @property {string} type of the answer
 * @property {string} save name of a file for the answer
 * @property {string} [kind]
 * @property {string} [opens] what the answer opens: "batch" or a photo
 */

/**
 * Texts by the names of values, or names of files.
 *
 * @typedef {Record<string, string | string[]>} Inputs
 */

/** @typedef {[Value, string]} Pair a value and its text */

const PLAIN = /^[A-Za-z0-9@=._/:-]+$/;
const SHORT = 40; // characters; longer texts get lines of their own
const SECONDS = 90; // longer than the longest answer takes

/** @param {string} text */
const literal = (text) => JSON.stringify(text);

/** @param {string} word */
const quoted = (word) => (PLAIN.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

// A name that begins with a dash, or is one, has a meaning of its own to programs.
/** @param {string} name */
const asFile = (name) => (name.startsWith("-") ? `./${name}` : name);

/**
 * Write a form field with a file. After "@", curl ends a name at a comma or a semicolon, unless it
 * is in double quotes.
 *
 * @param {string} field
 * @param {string} name
 */
function formFile(field, name) {
  const file = asFile(name);
  if (PLAIN.test(file)) return `-F ${field}=@${file}`;
  return `-F ${quoted(`${field}=@"${file.replace(/[\\"]/g, "\\$&")}"`)}`;
}

/**
 * List the values of one place with their texts; a required one that is empty shows its example.
 *
 * @param {Operation} operation
 * @param {Inputs} inputs
 * @param {Value["place"]} place
 */
function valuesAt(operation, inputs, place) {
  /** @type {Pair[]} */
  const pairs = [];
  for (const value of operation.values) {
    if (value.place !== place) continue;
    const input = inputs[value.name];
    const texts = [input ?? ""].flat().filter(Boolean);
    if (texts.length === 0 && value.example && (value.required || input === undefined)) {
      texts.push(value.example);
    }
    for (const text of texts) pairs.push([value, text]);
  }
  return pairs;
}

/**
 * @param {Operation} operation
 * @param {Inputs} inputs
 */
export function pathOf(operation, inputs) {
  let path = operation.path;
  for (const [value, text] of valuesAt(operation, inputs, "path")) {
    path = path.replace(`{${value.name}}`, () => encodeURIComponent(text));
  }
  return path;
}

/**
 * @param {Operation} operation
 * @param {Inputs} inputs
 */
export function queryOf(operation, inputs) {
  return valuesAt(operation, inputs, "query")
    .map(([value, text]) => `${value.name}=${encodeURIComponent(text)}`)
    .join("&");
}

/**
 * @param {Operation} operation
 * @param {Inputs} inputs
 */
function addressOf(operation, inputs) {
  const query = queryOf(operation, inputs);
  return pathOf(operation, inputs) + (query ? `?${query}` : "");
}

/**
 * Write the command line for `operation` at `server`.
 *
 * @param {Operation} operation
 * @param {string} server
 * @param {Inputs} [inputs]
 */
export function curl(operation, server, inputs = {}) {
  let first = "curl";
  if (operation.type === "text/event-stream") first += " -N";
  if (operation.save) first += ` -o ${operation.save}`;
  const plain = operation.method === "GET" || operation.bodies.length > 0;
  if (operation.method === "PUT" || !plain) first += ` -X ${operation.method}`;
  const parts = [first];
  for (const [value, text] of valuesAt(operation, inputs, "form")) {
    const field = `${value.name}=${text}`;
    parts.push(value.file ? formFile(value.name, text) : `--form-string ${quoted(field)}`);
  }
  for (const [, text] of valuesAt(operation, inputs, "body")) {
    parts.push(`--data-binary ${quoted(`@${asFile(text)}`)}`);
  }
  parts.push(quoted(server + addressOf(operation, inputs)));
  const one = parts.join(" ");
  return one.length <= 60 || parts.length < 3 ? one : parts.join(" \\\n  ");
}

/** @param {Pair[]} pairs */
function dict(pairs) {
  /** @type {Map<string, string[]>} */
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

/** @param {Operation} operation */
function printing(operation) {
  if (operation.type === "text/event-stream") {
    return "for line in answer.iter_lines(decode_unicode=True):\n    print(line)";
  }
  if (operation.save) {
    const file = `with open(${literal(operation.save)}, "wb") as file:\n`;
    return `answer.raise_for_status()\n${file}    file.write(answer.content)`;
  }
  return "print(answer.status_code, answer.text)";
}

/**
 * Write the Python program for `operation` at `server`, which shows the answer.
 *
 * @param {Operation} operation
 * @param {string} server
 * @param {Inputs} [inputs]
 */
export function python(operation, server, inputs = {}) {
  const form = valuesAt(operation, inputs, "form");
  const files = form.filter(([value]) => value.file);
  const fields = form.filter(([value]) => !value.file);
  const query = valuesAt(operation, inputs, "query");
  const body = valuesAt(operation, inputs, "body");
  const inside = [literal(server + pathOf(operation, inputs))];
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
    const opening = `with open(${literal((files[0] ?? body[0])[1])}, "rb") as photo:\n`;
    call = opening + call.replace(/^/gm, "    ");
  }
  return `import requests\n\n${call}\n${printing(operation)}`;
}
