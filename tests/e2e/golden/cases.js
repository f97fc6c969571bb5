// Cases to play, made of what a document says (extract.js) and what was decided (plan.js).

import { isWithin } from './markdown.js';
import { Decimal, readExample } from './example.js';

const PAGING = ['page', 'per_page', 'limit', 'offset'];
const ABSENT = '01890000-0000-7000-8000-000000000000';

/**
 * The cases of a document, and what is wrong with document or plan, as texts: { cases, complaints }.
 * route(method, path) gives the operation of the published description that serves it, if any.
 */
export function makeCases(document, plan, route = () => undefined) {
  return new Maker(document, plan, route).make();
}

/** Entries of the plan, and which of them were needed. */
class Used {
  constructor(entries) {
    this.entries = entries;
    this.seen = new Set();
  }

  find(test) {
    const found = this.entries.find(test);
    if (found !== undefined) this.seen.add(found);
    return found;
  }

  unused() {
    return this.entries.filter((entry) => !this.seen.has(entry));
  }
}

class Maker {
  constructor(document, plan, route) {
    Object.assign(this, { document, plan, route, cases: [], complaints: [] });
    this.notBuilt = new Used(plan.notBuilt ?? []);
    this.excluded = new Used(plan.excluded ?? []);
    this.decided = new Used(Object.keys(plan.cases ?? {}));
  }

  complain(line, text) {
    this.complaints.push(`${this.document.name}:${line}: ${text}`);
  }

  make() {
    this.account();
    for (const endpoint of this.document.endpoints) {
      if (this.later(endpoint.section)) continue;
      for (const one of this.withMethods(endpoint)) this.endpoint(one);
    }
    this.errorCases();
    for (const entry of this.notBuilt.unused()) this.complain(0, `no section "${entry}"`);
    for (const entry of this.excluded.unused()) this.complain(0, `nothing to exclude in "${entry.section}"`);
    for (const entry of this.decided.unused()) this.complain(0, `no case "${entry}"`);
    this.builtMeanwhile();
    return { cases: this.cases, complaints: this.complaints };
  }

  later(path) {
    return this.notBuilt.find((heading) => isWithin({ path }, heading)) !== undefined;
  }

  /** Every piece has a role, is excluded, or stands in an area that is not built. */
  account() {
    for (const piece of this.document.pieces) {
      if (this.later(piece.path) || piece.role) continue;
      const reason = piece.what === 'fence' && this.excluded.find((entry) =>
        isWithin(piece, entry.section) && this.document.fenceAt(piece.line).includes(entry.holds));
      if (!reason) this.complain(piece.line, `neither a case nor excluded: ${piece.what} ${piece.text}`);
    }
  }

  /** An area of which everything is there must not be left out any longer. */
  builtMeanwhile() {
    for (const heading of this.plan.notBuilt ?? []) {
      const inside = this.document.endpoints.filter((one) => isWithin({ path: one.section }, heading));
      if (inside.length > 0 && inside.every((one) => this.route(one.method ?? 'GET', one.path))) {
        this.complain(inside[0].line, `"${heading}" is built: take it off the list`);
      }
    }
  }

  withMethods(endpoint) {
    if (endpoint.method) return [endpoint];
    const methods = this.plan.methods?.[endpoint.title];
    for (const words of methods?.says ?? []) {
      if (!this.document.says(words)) this.complain(endpoint.line, `the document does not say "${words}"`);
    }
    return (methods?.list ?? ['GET']).map((entry) => {
      const [method, more = ''] = entry.split(' ');
      return { ...endpoint, method, path: endpoint.path + more };
    });
  }

  decision(endpoint) {
    const key = `${endpoint.method} ${endpoint.path}`;
    return this.plan.cases?.[this.decided.find((entry) => entry === key)] ?? {};
  }

  endpoint(endpoint) {
    const decided = this.decision(endpoint);
    if (endpoint.method === 'WS' || endpoint.messages.length > 0) {
      this.complain(endpoint.line, 'messages of a WebSocket, which play.js cannot play yet');
    }
    const expect = this.expectation(endpoint, decided);
    const { method, path } = endpoint;
    const base = { ...expect, method, path, line: endpoint.line, query: endpoint.query, as: decided.as };
    const requests = endpoint.requests.length === 0 && !decided.forms ? [{}] : endpoint.requests;
    const played = requests.map((request) => ({
      ...base, ...request, body: request.body === undefined ? decided.body : readExample(request.body),
    }));
    for (const one of played) this.add(one);
    for (const form of decided.forms ?? []) this.add({ ...base, form, but: 'as a form' });
    for (const query of decided.queries ?? []) this.add({ ...base, query: query.split('&').map((pair) => pair.split('=')) });
    this.refusals(endpoint, played[0] ?? base);
    for (const parameter of this.parameters(endpoint)) this.parameter(endpoint, parameter, expect);
  }

  add(one) {
    const query = (one.query ?? []).map((pair) => pair.join('=')).join('&');
    const name = `${this.document.name}:${one.line} ${one.method} ${one.path}${query && `?${query}`}${one.but ? `, ${one.but}` : ''}`;
    this.cases.push({ credentials: this.document.headers[0], ...one, name });
  }

  /* --- what must come back --- */

  expectation(endpoint, decided) {
    const { status } = endpoint;
    const { nullable, match, literal, type } = decided;
    const choices = this.parameters(endpoint).filter((one) => one.choices.length > 0).map((one) => [one.name, one.choices]);
    return { status, example: this.example(endpoint, decided), rules: { nullable, match }, literal, type, choices };
  }

  example(endpoint, decided) {
    if (decided.reply) return decided.reply;
    if (endpoint.response) return endpoint.response.example;
    if (decided.replyOf) {
      const shown = this.responseOf(decided.replyOf, endpoint);
      if (decided.element) return shown?.[0];
      const rest = Object.fromEntries(Object.entries(shown ?? {}).filter(([key]) => !decided.without?.includes(key)));
      return decided.list ? [rest] : rest;
    }
    return endpoint.reply ? this.inWords(endpoint) : undefined;
  }

  responseOf(request, endpoint) {
    const [path, method] = request.split(' ').reverse();
    const found = this.document.endpoints.find((one) => one.response && one.path === path && (!method || one.method === method));
    if (!found) this.complain(endpoint.line, `no reply of ${request} is shown`);
    return found?.response.example;
  }

  /** "A single check object", "Same as the token endpoint", "Similar to `GET /results` but …". */
  inWords({ reply, line }) {
    const other = /^(?:same as|similar to).*?`([^`]+)`/i.exec(reply)?.[1];
    if (other) return this.responseOf(other, { line });
    const named = /^same as the (\w+) endpoint/i.exec(reply)?.[1];
    if (named) {
      return this.responseOf(this.document.endpoints.find((one) => one.path.endsWith(`/${named}`))?.path ?? named, { line });
    }
    const noun = /(\w+) object\b/i.exec(reply)?.[1];
    const lists = this.document.endpoints.map((one) => one.response?.example?.[`${noun}s`])
      .filter((list) => typeof list?.[0] === 'object');
    if (lists.length === 0) this.complain(line, `not understood: ${reply}`);
    return lists.at(0)?.[0];
  }

  /* --- parameters --- */

  parameters(endpoint) {
    const of = endpoint.parametersOf?.split(' ').at(-1);
    const found = of ? this.document.endpoints.find((one) => one.path === of)?.parameters : endpoint.parameters;
    if (!found) this.complain(endpoint.line, `no parameters of ${of}`);
    return (found ?? []).filter((one) => one.where === 'query');
  }

  /** One case for each value that the document gives, or one with a value of the world's. */
  parameter(endpoint, parameter, expect) {
    const { method, path } = endpoint;
    const { name, choices, fallback, max, line } = parameter;
    const base = { ...expect, method, path, line, parameter };
    const ask = (value, more = {}) => this.add({ ...base, query: [[name, value]], value, ...more });
    if (fallback !== null) this.add({ ...base, value: fallback, but: `without ${name}` });
    for (const choice of choices) ask(choice);
    if (Number.isInteger(max)) {
      ask(String(max));
      ask(String(max + 1), { status: 422, example: undefined, failure: true });
    }
    if (choices.length === 0 && PAGING.includes(name)) ask('1');
    else if (choices.length === 0) ask(`{${name}}`);
  }

  /* --- what must be refused --- */

  /** Without credentials, and of something that is not there. */
  refusals({ method, path, line }, { body, headers }) {
    const base = { method, path, line, body, headers, failure: true };
    if (this.route(method, path)?.['x-required-scope'] !== 'public') {
      this.add({ ...base, as: 'nobody', status: 401, but: 'by nobody' });
    }
    if (path.includes('{')) {
      const absent = path.replace(/\{[^}]+\}/, ABSENT);
      this.add({ ...base, path: absent, status: 404, but: 'that is not there' });
    }
  }

  errorCases() {
    const decided = this.plan.errors ?? [];
    for (const error of this.document.errors) {
      if (this.later(error.path)) continue;
      const entry = decided.find((one) => one.status === error.status);
      if (!entry) {
        this.complain(error.line, `an error of ${error.status} that the plan does not know`);
        continue;
      }
      const status = error.status ?? entry.like;
      this.cases.push({
        name: `${this.document.name}:${error.line} the reply to a failure with ${status}`, line: error.line, status,
        example: entry.expect ?? error.example, literal: entry.literal, begins: entry.begins, rules: {}, failure: true,
        provoke: status,
      });
    }
    for (const { status, line } of this.document.codes) {
      if (!this.plan.codes?.[status]) this.complain(line, `a status ${status} that the plan does not know`);
      else if (this.plan.codes[status] === 'provoked') {
        this.cases.push({ name: `${this.document.name}:${line} status ${status}`, line, status, rules: {}, failure: true, provoke: status });
      }
    }
  }
}

/** An example as plain JSON. */
export const plain = (example) => JSON.parse(JSON.stringify(example, (_, value) => (value instanceof Decimal ? value.value : value)));
