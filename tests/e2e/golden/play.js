// Plays a case against a world and tells what is wrong with the reply.

import assert from 'node:assert/strict';

import { changed, complaints } from './example.js';
import { plain } from './cases.js';
import { FAILURES, FILTERS } from './plan.js';

/** What every failure is, whatever the document shows (README.md of the documents, Clashes). */
const PROBLEM = {
  type: 'urn', title: '', status: 400, detail: '', code: '', request_id: '', error: { code: '', message: '', details: '' },
};
const PAGING = ['page', 'per_page', 'limit', 'offset'];

/** Plays the case; throws an AssertionError that says what is wrong. */
export async function play(world, one) {
  const { sent, value, reply } = one.provoke ? await provoke(world, one) : await ask(world, one);
  const shown = `${reply.status} ${JSON.stringify(reply.body).slice(0, 1500)}`;
  const wrong = [...statusComplaints(one, reply), ...bodyComplaints(one, reply, sent),
    ...(one.failure ? [] : parameter(one.parameter, value, reply.body))];
  assert.deepEqual(wrong, [], shown);
}

async function ask(world, one) {
  const caller = await world.caller(one.as);
  const path = await world.fillPath(one.path, one.method === 'DELETE');
  const query = (one.query ?? []).map(([name, value]) => [name, world.fillQuery(value)]);
  const target = path + (query.length > 0 ? `?${new URLSearchParams(query)}` : '');
  const sent = one.body === undefined ? undefined : await world.fill(plain(one.body));
  const form = one.form && new URLSearchParams(await world.fill(one.form)).toString();
  const reply = await world.tocsin.request(one.method, target, {
    headers: { ...headersOf(one, caller), ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) },
    body: form ?? sent,
  });
  return { sent, reply, value: query[0]?.[1] ?? one.value };
}

/** The headers as the document writes them, with the caller's token in the token's place. */
function headersOf({ headers = [], credentials }, caller) {
  const shown = credentials ? [[credentials.name, credentials.value]] : [['Authorization', 'Bearer {token}']];
  const all = Object.fromEntries([...shown, ...headers].map(([name, value]) => [name.toLowerCase(), value]));
  const { token } = caller.credentials;
  if (!token) delete all.authorization;
  else all.authorization = all.authorization.replace(/^Bearer .*$/, `Bearer ${token}`);
  return all;
}

async function provoke(world, one) {
  const { method, path, body, raw, as } = FAILURES[one.provoke];
  const caller = await world.caller(as);
  const reply = await caller.call(method, path, raw ?? body, { headers: raw ? { 'content-type': 'application/json' } : {} });
  return { reply };
}

function statusComplaints(one, reply) {
  const fits = one.status ? reply.status === one.status : reply.status >= 200 && reply.status < 300;
  return fits ? [] : [`the status is ${reply.status}, not ${one.status ?? '2xx'}`];
}

function bodyComplaints(one, reply, sent) {
  const type = reply.headers.get('content-type') ?? '';
  const value = reply.body;
  if (one.failure) {
    return [
      ...(type === 'application/problem+json' ? [] : [`the content is ${type}`]),
      ...complaints({ ...PROBLEM, ...one.example }, value), ...literal(one, value),
      ...(one.begins ?? []).flatMap((name) =>
        (value[name]?.startsWith(one.example[name]) ? [] : [`${name} does not begin with "${one.example[name]}"`])),
    ];
  }
  if (reply.status === 204) return value === '' ? [] : ['204 with a body'];
  if (one.type) return type.startsWith(one.type) ? [] : [`the content is ${type}, not ${one.type}`];
  if (one.example === undefined) return [];
  return [...complaints(one.example, value, one.rules), ...literal(one, value), ...echo(sent, value), ...odd(one, value)];
}

const rowsOf = (value) => (Array.isArray(value) ? value : Object.values(value).find(Array.isArray) ?? []);

/** What a row says of itself is one of the words by which rows can be asked for. */
function odd({ choices = [] }, value) {
  return choices.flatMap(([name, words]) => [value, ...rowsOf(value)]
    .filter((row) => name in row && !words.includes(String(row[name])))
    .map((row) => `${name} is ${row[name]}, none of ${words}`));
}

/** Members whose very words the example gives. */
function literal({ literal: names = [], example, rules }, value) {
  return names.flatMap((name) => pairs(example, value, rules)
    .flatMap(([wanted, got]) => changed(plain(wanted[name]), got?.[name], name)));
}

function pairs(example, value, rules) {
  const [path, key] = Object.entries(rules?.match ?? {})[0] ?? [];
  if (!path) return [[example, value]];
  const list = path.replace('[]', '');
  return example[list].map((wanted) => [wanted, value[list].find((item) => item[key] === wanted[key])]);
}

/** What was sent and comes back is the same. */
function echo(sent, value) {
  if (!sent || Array.isArray(value) || typeof sent !== 'object') return [];
  return changed(sent, value).filter((text) => !/^(password|refresh_token)/.test(text));
}

/** What a parameter does: it comes back, or every row is as it asks. */
function parameter(asked, value, body) {
  if (!asked) return [];
  const { name } = asked;
  if (name in body) return String(body[name]) === value ? [] : [`${name} is ${body[name]}, not ${value}`];
  if (PAGING.includes(name)) return [];
  const rows = rowsOf(body);
  if (rows.length === 0) return [`nothing has the ${name} ${value}`];
  const filter = FILTERS[name] ?? ((row) => String(row[name]) === value);
  return rows.every((row) => filter(row, value)) ? [] : [`not all rows have the ${name} ${value}`];
}
