// Who may do what, for every operation of the published description: nobody, each role, keys with
// and without the scope, and another organisation. What is expected follows from the table of
// scopes; the description says which scope an operation needs.

import assert from 'node:assert/strict';
import test from 'node:test';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { Description } from './description.js';
import { signIn, startTocsin } from './kit.js';

const ROLES = ['viewer', 'operator', 'admin', 'owner'];
const AT_ONCE = 12;

// { "checks:read": ["viewer", …] } from the source of truth.
const scopeTable = Object.fromEntries(
  [...readFileSync(new URL('../../libshared/auth/scopes.h', import.meta.url), 'utf8')
    .matchAll(/X\(SCOPE_\w+,\s*"([a-z_]+:[a-z_]+)",\s*"([voa]*)"\)/g)]
    .map(([, name, letters]) => [name, ROLES.filter((role) => role === 'owner' || letters.includes(role[0]))]));
const scopes = Object.keys(scopeTable);

const tocsin = await startTocsin({
  daemons: ['api', 'ingest'], env: { TOCSIN_ANONYMOUS_RATE: '1000000', TOCSIN_CREDENTIAL_RATE: '1000000' },
});
test.after(() => tocsin.stop());
const api = new Description('api');
const ingest = new Description('ingest');

/* --- who --- */

async function addUser(organisation, role) {
  const name = `${role}-${organisation.slice(0, 8)}`;
  await tocsin.sql(`INSERT INTO users (id, org_id, username, email, password_hash, role)
    SELECT gen_random_uuid(), '${organisation}', '${name}', '${name}@example.test', password_hash, '${role}'
    FROM users WHERE email = '${tocsin.admin.email}'`);
  const who = { email: `${name}@example.test`, password: tocsin.admin.password };
  return { name: role, role, who, caller: await signIn(tocsin, who) };
}

const owner = await signIn(tocsin); // the first user is the owner of the first organisation
const [[home]] = await tocsin.sql(`SELECT org_id FROM users WHERE email = '${tocsin.admin.email}'`);
const foreign = randomUUID();
await tocsin.sql(`INSERT INTO organisations (id, name) VALUES ('${foreign}', 'Another')`);
const people = await Promise.all(ROLES.map((role) => addUser(home, role)));
const stranger = await addUser(foreign, 'owner');

const newKey = async (name, list) => (await owner.must(201, 'POST', '/api/v1/api-keys', { name, scopes: list })).key;
const keyWith = {};
const keyWithout = {};
for (const scope of scopes) {
  keyWith[scope] = await newKey(`only ${scope}`, [scope]);
  keyWithout[scope] = await newKey(`all but ${scope}`, scopes.filter((other) => other !== scope));
}

/* --- what: things of the first organisation, made as the description's examples say --- */

const things = new Map(); // the beginning of a path → an id

// An example that speaks of a check means ours.
const filledIn = (example) => JSON.parse(JSON.stringify(example),
  (key, value) => ({ check_id: things.get('/api/v1/checks'), password: 'correct horse battery' }[key] ?? value));

for (const operation of api.operations()) {
  const item = `${operation.path}/{id}`;
  const example = operation.requestBody?.content?.['application/json']?.example;
  if (operation.method !== 'POST' || !api.document.paths[item] || !example) continue;
  const made = await owner.call('POST', operation.path, filledIn(example));
  assert.equal(made.status, 201, `the example of POST ${operation.path}: ${JSON.stringify(made.body)}`);
  things.set(operation.path, made.body.id);
}
const [check, channel] = [things.get('/api/v1/checks'), things.get('/api/v1/channels')];
const incident = randomUUID();
const delivery = randomUUID();
const result = randomUUID();
await tocsin.sql(`INSERT INTO incidents (id, org_id, check_id, check_name, title, cause, started_at)
  VALUES ('${incident}', '${home}', '${check}', 'x', 'x', 'x', now())`);
await tocsin.sql(`INSERT INTO outbox (id, org_id, event, sequence, channel_id, channel_type, payload)
  VALUES ('${delivery}', '${home}', 'channel.test', 1, '${channel}', 'email', '{}')`);
things.set('/api/v1/incidents', incident).set('/api/v1/deliveries', delivery).set('/api/v1/results', result)
  .set('/api/v1/results/check', check)
  .set('/api/v1/audit', (await owner.must(200, 'GET', '/api/v1/audit')).entries[0].id);

function target(operation) {
  let own = false;
  const filled = operation.path.replaceAll(/\/([^{]*?)\/\{([^}]+)\}/g, (_, before, name) => {
    const id = things.get(`/${before}`);
    own ||= Boolean(id);
    return `/${before}/${id ?? { name: 'checks', agent: 'server-001', file: 'x.js' }[name] ?? randomUUID()}`;
  });
  return { filled, own };
}

/* --- asking --- */

// Who may run something waits for a worker or a notifier, and there is none: what is without an answer
// after a moment has passed the door. A refusal is waited for.
const waits = (operation) => operation.method === 'POST' && /\/(run|run-ad-hoc|test)$/.test(operation.path);

async function ask(operation, credentials, { base = tocsin.api, isRefused = true } = {}) {
  const body = operation.requestBody?.content?.['application/json']?.example;
  try {
    const reply = await tocsin.request(operation.method, target(operation).filled, {
      ...credentials, base, ...(waits(operation) && !isRefused ? { timeoutMs: 1500 } : {}),
      ...(operation.requestBody ? { body: filledIn(body ?? {}) } : {}),
    });
    return { status: reply.status, code: reply.body?.code };
  } catch (error) {
    if (error.name === 'TimeoutError') return { status: 0, code: 'WAITING' };
    throw error;
  }
}

// Some operations end sessions: who was signed out signs in and asks once more.
async function askAs(person, operation, options) {
  const first = await ask(operation, person.caller.credentials, options);
  if (first.status !== 401) return first;
  person.caller = await signIn(tocsin, person.who);
  return ask(operation, person.caller.credentials, options);
}

async function each(list, work) {
  const rest = [...list];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (rest.length > 0) await work(rest.shift());
  }));
}

const name = (operation) => `${operation.method} ${operation.path}`;
const isDenied = (reply) => reply.status === 403 && reply.code === 'INSUFFICIENT_SCOPE';
const closed = (list) => list.filter((operation) => operation['x-required-scope'] !== 'public');
const scoped = (list) => closed(list).filter((operation) => operation['x-required-scope'] !== 'self');

test('every scope of the description is in the table', () => {
  assert.ok(scopes.length >= 20);
  for (const operation of [...scoped(api.operations()), ...scoped(ingest.operations())]) {
    assert.ok(scopeTable[operation['x-required-scope']], name(operation));
  }
});

test('nobody: only what is public', async () => {
  const wrong = [];
  const both = [[api, tocsin.api], [ingest, tocsin.ingest]];
  for (const [description, base] of both) {
    await each(description.operations(), async (operation) => {
      const reply = await ask(operation, {}, { base });
      const isPublic = operation['x-required-scope'] === 'public';
      const ownCode = ['INVALID_CREDENTIALS', 'INVALID_TOKEN', 'TOKEN_REUSED'].includes(reply.code);
      if (isPublic ? reply.status === 401 && !ownCode : reply.status !== 401) wrong.push(`${name(operation)}: ${reply.status}`);
    });
  }
  assert.deepEqual(wrong, []);
});

// A body that is no JSON, an id that nothing has, a parameter's value that is none.
function nonsense(operation) {
  const query = operation.parameters?.filter((one) => one.in === 'query') ?? [];
  const strict = query.find(({ schema }) => schema.enum || /integer|number|boolean/.test(schema.type) || schema.format);
  const types = Object.keys(operation.requestBody?.content ?? {});
  if (types.length > 0) return { body: '{"', headers: { 'content-type': types[0] } };
  if (strict) return { query: `?${strict.name}=%20nonsense` };
  if (operation.path.includes('{')) return { path: operation.path.replaceAll(/\{[^}]+\}/g, 'no such thing') };
  return null;
}

test('whoever may: not what the operation cannot take', async () => {
  const wrong = [];
  for (const [description, base] of [[api, tocsin.api], [ingest, tocsin.ingest]]) {
    await each(description.operations(), async (operation) => {
      const what = nonsense(operation);
      if (!what) return;
      const path = (what.path ? encodeURI(what.path) : target(operation).filled) + (what.query ?? '');
      const scope = operation['x-required-scope'];
      const credentials = { public: {}, self: owner.credentials }[scope] ?? { key: keyWith[scope] };
      const { status, body } = await tocsin.request(operation.method, path, { ...credentials, ...what, base });
      const isRefused = status >= 400 && status < 500 && ![401, 403, 405, 429].includes(status);
      if (!isRefused) wrong.push(`${name(operation)} ${what.body ?? path}: ${status} ${body?.code}`);
    });
  }
  assert.deepEqual(wrong, []);
});

test("another organisation's owner finds nothing", async () => {
  const wrong = [];
  const belonging = closed(api.operations()).filter((operation) => target(operation).own);
  assert.ok(belonging.length >= 20);
  await each(belonging, async (operation) => {
    const reply = await askAs(stranger, operation);
    if (reply.status !== 404) wrong.push(`${name(operation)}: ${reply.status} ${reply.code}`);
  });
  assert.deepEqual(wrong, []);
});

test('keys: the scope alone opens, all others together do not', async () => {
  const wrong = [];
  for (const [description, base] of [[api, tocsin.api], [ingest, tocsin.ingest]]) {
    // What changes the keys themselves comes when the others are through.
    const list = scoped(description.operations()).filter((operation) => operation.method !== 'DELETE');
    await each(list, async (operation) => {
      const scope = operation['x-required-scope'];
      const without = await ask(operation, { key: keyWithout[scope] }, { base });
      if (!isDenied(without)) wrong.push(`${name(operation)} without ${scope}: ${without.status} ${without.code}`);
      const only = await ask(operation, { key: keyWith[scope] }, { base, isRefused: false });
      // A key makes keys of what it may itself, which is little here.
      if (operation.path === '/api/v1/api-keys' && operation.method === 'POST') return;
      if (isDenied(only) || only.status === 401) wrong.push(`${name(operation)} with ${scope}: ${only.status} ${only.code}`);
    });
  }
  assert.deepEqual(wrong, []);
});

test('roles: as the table says', async () => {
  const wrong = [];
  for (const person of people) {
    await each(closed(api.operations()), async (operation) => {
      if (operation.path.endsWith('/logout') || operation.path.endsWith('/password')) return;
      const scope = operation['x-required-scope'];
      const may = scope === 'self' || scopeTable[scope].includes(person.role);
      const reply = await askAs(person, operation, { isRefused: !may });
      if (may === isDenied(reply) || reply.status === 401) {
        wrong.push(`${person.role}, ${name(operation)}: ${reply.status} ${reply.code}, ${may ? 'may' : 'may not'}`);
      }
    });
  }
  assert.deepEqual(wrong, []);
});

test('everybody may sign out and set a password', async () => {
  for (const person of people) {
    for (const operation of closed(api.operations()).filter(({ path }) => /\/(logout|password)$/.test(path))) {
      if (operation['x-required-scope'] !== 'self') continue;
      const reply = await askAs(person, operation);
      assert.ok(!isDenied(reply) && reply.status !== 401, `${person.role}, ${name(operation)}: ${reply.status}`);
    }
  }
});
