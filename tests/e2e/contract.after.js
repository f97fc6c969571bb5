// Runs after all other tests, over all that they made the API and ingest say (TOCSIN_TEST_TRAFFIC):
// every reply fits the published description, every route has a success, a bad request and a caller
// without its scope among the replies, and every code of an error is among them.

import assert from 'node:assert/strict';
import test from 'node:test';
import { existsSync, readFileSync } from 'node:fs';

import { Description } from './description.js';

const file = process.env.TOCSIN_TEST_TRAFFIC;
const recorded = file && existsSync(file)
  ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line))
  : [];
const codes = [...readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8').matchAll(/^\| `([A-Z_]+)` \|/gm)]
  .map(([, code]) => code);
// Codes that these tests cannot meet, and where they are tested instead.
const net = 'no handler ends so but by a fault: tests/integration/net/http_hostile_test.c, every status';
const UNSEEN = {
  CONFLICT: net, EGRESS_DENIED: net, INTERNAL: net, IO_ERROR: net, OUT_OF_MEMORY: net, TIMEOUT: net,
  OVERLOADED: 'more requests than a queue takes: tests/integration/net/http_park_test.c',
};
const complete = (process.env.TOCSIN_TEST_COMPLETE ?? '').split(' ');
const services = ['api', 'ingest'].map((service) => new Description(service));

for (const description of services) {
  const { service } = description;
  const mine = recorded.filter((reply) => reply.service === service && reply.path);

  test(`${service}: ${mine.length} replies fit the description`, { skip: mine.length === 0 }, () => {
    const found = new Map();
    for (const reply of mine) {
      for (const complaint of description.complaints(reply)) {
        found.set(`${reply.method} ${reply.path} ${reply.status}: ${complaint}`, reply.target);
      }
    }
    assert.deepEqual([...found].map(([what, where]) => `${what} (${where})`), []);
  });

  // Only when all of these tests ran: a part of them sees a part of the routes.
  test(`${service}: every route was seen to succeed, to refuse its input, and to be denied`,
    { skip: !complete.includes('routes') }, () => {
      const seen = new Map();
      for (const reply of mine) {
        const key = `${reply.method} ${reply.path}`;
        seen.set(key, [...(seen.get(key) ?? []), reply]);
      }
      const missing = description.operations().flatMap((operation) => {
        const key = `${operation.method} ${operation.path}`;
        return lacking(operation, seen.get(key) ?? []).map((what) => `${key}: ${what}`);
      });
      assert.deepEqual(missing, []);
    });
}

test('every code of the documentation was seen', { skip: !complete.includes('codes') }, () => {
  const seen = new Set(recorded.map((reply) => reply.body?.code));
  assert.ok(codes.length > 50);
  assert.deepEqual(codes.filter((code) => !seen.has(code) && !UNSEEN[code]), []);
  assert.deepEqual(Object.keys(UNSEEN).filter((code) => !codes.includes(code)), []);
});

/** What the replies of an operation do not show. A refusal at the door is no answer to bad input. */
function lacking(operation, replies) {
  const scope = operation['x-required-scope'];
  const has = (test) => replies.some(({ status, body }) => test(status, body?.code));
  const takesSomething = operation.path.includes('{') || operation.requestBody
    || operation.parameters?.some((parameter) => parameter.in === 'query');
  return [
    has((status) => status >= 200 && status < 300) || 'no success',
    !takesSomething || has((status) => status >= 400 && status < 500 && ![401, 403].includes(status)) || 'no bad input',
    scope === 'public' || has((status) => status === 401) || 'not refused to nobody',
    ['public', 'self'].includes(scope) || has((status, code) => status === 403 && code === 'INSUFFICIENT_SCOPE')
      || 'not denied for want of its scope',
  ].filter((what) => what !== true);
}
