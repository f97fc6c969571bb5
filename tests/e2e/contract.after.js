// Runs after all other tests, over all that they made the API and ingest say (TOCSIN_TEST_TRAFFIC):
// every reply fits the published description, and every route was seen to work and to refuse.

import assert from 'node:assert/strict';
import test from 'node:test';
import { existsSync, readFileSync } from 'node:fs';

import { Description } from './description.js';

const file = process.env.TOCSIN_TEST_TRAFFIC;
const recorded = file && existsSync(file)
  ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line))
  : [];
const services = ['api', 'ingest'].map((service) => new Description(service));

for (const description of services) {
  const { service } = description;
  const mine = recorded.filter((reply) => reply.service === service);

  test(`${service}: ${mine.length} replies fit the description`, { skip: mine.length === 0 }, () => {
    const found = new Map();
    for (const reply of mine) {
      for (const complaint of description.complaints(reply)) {
        found.set(`${reply.method} ${reply.path} ${reply.status}: ${complaint}`, reply.target);
      }
    }
    assert.deepEqual([...found].map(([what, where]) => `${what} (${where})`), []);
  });

  // Only when everything ran: a part of the tests sees a part of the routes.
  test(`${service}: every route was seen to succeed, to fail and to be denied`,
    { skip: !process.env.TOCSIN_TEST_COMPLETE }, () => {
      const seen = new Map();
      for (const { method, path, status } of mine) {
        const key = `${method} ${path}`;
        seen.set(key, (seen.get(key) ?? new Set()).add(status));
      }
      const missing = description.operations().flatMap((operation) => {
        const key = `${operation.method} ${operation.path}`;
        const statuses = [...(seen.get(key) ?? [])];
        const has = (from, to) => statuses.some((status) => status >= from && status < to);
        const scoped = !['public', 'self'].includes(operation['x-required-scope']);
        // What takes nothing and needs nobody cannot be refused.
        const refusable = operation['x-required-scope'] !== 'public' || operation.requestBody ||
          operation.path.includes('{');
        return [
          ...(has(200, 300) ? [] : [`${key}: no success`]),
          ...(has(400, 500) || !refusable ? [] : [`${key}: no failure`]),
          ...(statuses.includes(403) || !scoped ? [] : [`${key}: not denied to anybody`]),
        ];
      });
      assert.deepEqual(missing, []);
    });
}
