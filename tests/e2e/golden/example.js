// JSON as documents print it, and comparing a value with such an example.
//
// Beside JSON's own: comments to the end of the line, `...` for what is left out, and a comma that
// was forgotten before a new line. A number with a point stays known as one (Decimal), so that 95.0
// does not ask for an integer.

/** A number that the document writes with a point. */
export class Decimal {
  constructor(text) {
    this.value = Number(text);
  }

  toJSON() {
    return this.value;
  }
}

class Reader {
  constructor(text) {
    Object.assign(this, { text, at: 0 });
  }

  fail(what) {
    throw new SyntaxError(`${what} at ${JSON.stringify(this.text.slice(this.at, this.at + 20))}`);
  }

  space() {
    this.at += /^(\s|\/\/[^\n]*|\.\.\.)*/.exec(this.text.slice(this.at))[0].length;
  }

  take(pattern, what) {
    const found = pattern.exec(this.text.slice(this.at));
    if (!found || found.index !== 0) this.fail(what);
    this.at += found[0].length;
    return found[0];
  }

  /** Members up to the closing character, with commas between them, or new lines where one is missing. */
  members(close, read) {
    this.at += 1;
    for (;;) {
      this.space();
      if (this.text[this.at] === close) break;
      read();
      const before = this.at;
      this.space();
      if (this.text[this.at] === ',') this.at += 1;
      else if (this.text[this.at] !== close && !this.text.slice(before, this.at).includes('\n')) this.fail('no comma');
    }
    this.at += 1;
  }

  value() {
    this.space();
    const c = this.text[this.at];
    if (c === '{') {
      const made = {};
      this.members('}', () => {
        const key = JSON.parse(this.take(/^"(\\.|[^"\\])*"/, 'a name expected'));
        this.space();
        this.take(/^:/, 'a colon expected');
        made[key] = this.value();
      });
      return made;
    }
    if (c === '[') {
      const made = [];
      this.members(']', () => made.push(this.value()));
      return made;
    }
    if (c === '"') return JSON.parse(this.take(/^"(\\.|[^"\\])*"/, 'a text expected'));
    const word = this.take(/^(true|false|null|-?\d+(\.\d+)?([eE][+-]?\d+)?)/, 'a value expected');
    return /\d\.\d/.test(word) ? new Decimal(word) : JSON.parse(word);
  }
}

/** The value of an example; throws a SyntaxError where it is none. */
export function readExample(text) {
  const reader = new Reader(text);
  const value = reader.value();
  reader.space();
  if (reader.at < text.length) reader.fail('more after the end');
  return value;
}

const FORMATS = [
  ['a UUID', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/],
  ['an instant in UTC', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/],
  ['a URL', /^https?:\/\//],
  ['an address', /^[^@\s]+@[^@\s]+$/],
];
// An instant with another offset in an example asks for one in UTC as well.
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)$/;

function formatComplaint(example, value, path) {
  const [, pattern] = INSTANT.test(example) ? FORMATS[1] : FORMATS.find(([, p]) => p.test(example)) ?? [];
  const [name] = FORMATS.find(([, p]) => p === pattern) ?? [];
  return pattern && !pattern.test(value) ? [`${path} is ${JSON.stringify(value)}, not ${name}`] : [];
}

function typeOf(value) {
  if (value === null) return 'null';
  if (value instanceof Decimal) return 'number';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function arrayComplaints(example, value, rules, path) {
  if (example.length === 0) return [];
  if (value.length === 0) return [`${path} is empty`];
  const key = rules.match?.[`${path}[]`];
  if (key) {
    // The example describes the elements of its names; the others have the same members at least.
    return [...example.flatMap((wanted) => {
      const found = value.find((item) => item[key] === wanted[key]);
      return complaints(wanted, found, rules, `${path}[${wanted[key]}]`);
    }), ...value.flatMap((item, i) => complaints(hollow(example[0]), item, rules, `${path}[${i}]`))];
  }
  return value.flatMap((item, i) => {
    const each = example.map((wanted) => complaints(wanted, item, rules, `${path}[]`));
    const best = each.sort((a, b) => a.length - b.length)[0];
    return best.map((text) => `${text} (element ${i})`);
  });
}

const hollow = (object) => Object.fromEntries(Object.entries(object).map(([key, value]) =>
  [key, typeOf(value) === 'object' ? {} : typeOf(value) === 'array' ? [] : value]));

/**
 * What is missing in a value or of another JSON type than in the example, as a list of texts. More
 * members are welcome; an array's elements each fit one of the example's; a text that is a UUID,
 * an instant, a URL or a mail address in the example is one in the value.
 * rules: nullable: paths ("checks[].last_run") that may be null; match: { "plugins[]": "name" } for
 * arrays whose elements differ by name.
 */
export function complaints(example, value, rules = {}, path = '') {
  if (value === undefined) return [`${path || 'it'} is missing`];
  if (value === null && rules.nullable?.includes(path)) return [];
  const [wanted, got] = [typeOf(example), typeOf(value)];
  const isNumber = wanted === 'number' && got === 'integer';
  if (wanted !== got && !isNumber) return [`${path || 'it'} is ${got}, not ${wanted}`];
  if (wanted === 'array') return arrayComplaints(example, value, rules, path);
  if (wanted === 'string') return formatComplaint(example, value, path);
  if (wanted !== 'object') return [];
  return Object.keys(example).flatMap((key) =>
    complaints(example[key], value[key], rules, path ? `${path}.${key}` : key));
}

/** Where a value says something else than the request did, for all that both have: a list of texts. */
export function changed(sent, value, path = '') {
  if (value === undefined) return [];
  if (Array.isArray(sent)) return JSON.stringify(sent) === JSON.stringify(value) ? [] : [`${path} changed`];
  if (sent === null || typeof sent !== 'object') {
    return sent === value ? [] : [`${path} is ${JSON.stringify(value)}, ${JSON.stringify(sent)} was sent`];
  }
  if (value === null || typeof value !== 'object') return [`${path} changed`];
  return Object.keys(sent).flatMap((key) => changed(sent[key], value[key], path ? `${path}.${key}` : key));
}
