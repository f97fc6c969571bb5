// The published descriptions: valid, complete, and the same wherever they are asked for.

import assert from 'node:assert/strict';
import test from 'node:test';
import { readFileSync } from 'node:fs';
import { createConfig, lintFromString } from '@redocly/openapi-core';

import { signIn, startTocsin } from './kit.js';
import { Description, readDescription } from './description.js';

const tocsin = await startTocsin({ daemons: ['api', 'ingest'] });
test.after(() => tocsin.stop());
const services = { api: tocsin.api, ingest: tocsin.ingest };

for (const [service, base] of Object.entries(services)) {
  const url = `${base}/api/v1/openapi.json`;

  test(`${service}: served as the program prints it, compressed, with a tag`, async () => {
    const reply = await fetch(url, { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get('content-encoding'), 'gzip');
    assert.match(reply.headers.get('content-type'), /^application\/json/);
    assert.deepEqual(await reply.json(), readDescription(service));
    const again = await fetch(url, { headers: { 'if-none-match': reply.headers.get('etag') } });
    assert.equal(again.status, 304);
    const plain = await fetch(url, { headers: { 'accept-encoding': 'identity' } });
    assert.equal(plain.headers.get('content-encoding'), null);
    assert.deepEqual(await plain.json(), readDescription(service));
  });

  test(`${service}: a linter has nothing to say`, async () => {
    // The schemas say themselves where other members may be, as a whole rather than part by part.
    const examples = { severity: 'error', allowAdditionalProperties: true };
    const config = await createConfig({
      extends: ['recommended-strict'],
      rules: {
        'info-license-url': 'off', // there is an identifier instead
        'no-server-example.com': 'off',
        'security-defined': 'error',
        'operation-4xx-response': 'off', // livez cannot fail so
        'no-unused-components': 'off', // ingest shares the parts with the API
        'no-ambiguous-paths': 'off', // a literal beats a parameter, by definition
        'operation-description': 'error',
        'operation-operationId-unique': 'error',
        'tag-description': 'error',
        'parameter-description': 'error',
        'no-invalid-media-type-examples': examples,
        'no-invalid-schema-examples': examples,
        'no-invalid-parameter-examples': examples,
      },
    });
    const problems = await lintFromString({
      source: JSON.stringify(readDescription(service)), absoluteRef: `${service}.json`, config,
    });
    assert.deepEqual([...new Set(problems.map((p) =>
      `${p.ruleId}: ${p.message} at ${p.location.map((l) => l.pointer)}`))], []);
  });

  test(`${service}: every operation is complete`, () => {
    const lacking = [];
    const description = new Description(service);
    for (const operation of description.operations()) {
      const name = `${operation.method} ${operation.path}`;
      const need = (what, holds) => holds || lacking.push(`${name}: ${what}`);
      const statuses = Object.keys(operation.responses).map(Number);
      const isPublic = operation['x-required-scope'] === 'public';
      need('a summary', operation.summary?.length > 3 && operation.summary.length <= 100);
      need('a tag', operation.tags?.length === 1);
      need('one success', statuses.some((s) => s >= 200 && s < 300));
      need('401 unless public', isPublic || statuses.includes(401));
      need('403 unless public', isPublic || statuses.includes(403));
      need('security', Array.isArray(operation.security) && isPublic === (operation.security.length === 0));
      for (const status of statuses.filter((s) => s >= 200 && s < 300 && s !== 204)) {
        const reply = description.resolve(description.replyPointer(operation.method, operation.path, status));
        const types = Object.entries(reply.content ?? {});
        need(`a body of ${status}`, types.length > 0);
        for (const [type, media] of types) need(`a schema of ${status} ${type}`, media.schema);
      }
    }
    assert.deepEqual(lacking, []);
  });
}

test('every scope is documented, with the roles that have it', () => {
  const { scopes } = readDescription('api').components.securitySchemes.password.flows.password;
  const table = readFileSync(new URL('../../libshared/auth/scopes.h', import.meta.url), 'utf8');
  const names = [...table.matchAll(/X\(SCOPE_\w+, "([a-z_]+:[a-z_]+)"/g)].map((m) => m[1]);
  assert.ok(names.length > 10);
  assert.deepEqual(Object.keys(scopes).sort(), names.sort());
  for (const text of Object.values(scopes)) assert.match(text, /Roles that have it: .*owner/);
});

test('the document says what a client sees', async () => {
  const admin = await signIn(tocsin);
  const description = new Description('api');
  const list = await admin.call('GET', '/api/v1/checks');
  assert.deepEqual(description.complaints({
    method: 'GET', path: '/api/v1/checks', status: 200, type: 'application/json', body: list.body,
  }), []);
  // The comparison finds what is wrong.
  const broken = { ...list.body, total: 'none' };
  assert.equal(description.complaints({
    method: 'GET', path: '/api/v1/checks', status: 200, type: 'application/json', body: broken,
  }).length, 1);
});
