// What the documents say in words and not by an example, and what their readers rely on.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { decodeProtectedHeader, jwtVerify } from 'jose';

import { signIn, waitFor } from '../kit.js';
import { complaints } from './example.js';

const isUuid = (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
const like = (example, value) => assert.deepEqual(complaints(example, value), [], JSON.stringify(value));

/** [what, how], each to be run against a world of its own things. */
export const BESIDES = [
  ['a token is a JWT that another library verifies', async ({ tocsin, owner }) => {
    const { access_token: token, user } = await owner.must(200, 'POST', '/api/v1/auth/login', tocsin.admin);
    const key = new TextEncoder().encode(readFileSync(tocsin.env.TOCSIN_JWT_SECRET_FILE, 'utf8'));
    assert.equal(decodeProtectedHeader(token).alg, 'HS256');
    const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'] });
    assert.equal(payload.sub, user.id);
    assert.ok(isUuid(payload.org) && isUuid(payload.jti));
    assert.equal(typeof payload.role, 'string');
    assert.equal(payload.exp - payload.iat, 3600);
    assert.ok(Math.abs(payload.iat - Date.now() / 1000) < 60);
    await assert.rejects(jwtVerify(token, new TextEncoder().encode('x'.repeat(64))));
  }],

  ['a token reply is not kept by anybody', async ({ tocsin, owner }) => {
    const reply = await owner.call('POST', '/api/v1/auth/token', { username: tocsin.admin.email, password: tocsin.admin.password });
    assert.equal(reply.headers.get('cache-control'), 'no-store');
  }],

  ['a refresh token is good once: its second use ends the session', async (world) => {
    const { refresh_token: first } = await world.signedIn();
    const again = await world.owner.must(200, 'POST', '/api/v1/auth/refresh', { refresh_token: first });
    assert.notEqual(again.refresh_token, first);
    await world.owner.must(401, 'POST', '/api/v1/auth/refresh', { refresh_token: first });
    await world.owner.must(401, 'POST', '/api/v1/auth/refresh', { refresh_token: again.refresh_token });
  }],

  ['signing out ends the session', async (world) => {
    const other = await signIn(world.tocsin, { email: 'admin@example.com', password: world.password });
    await other.must(200, 'GET', '/api/v1/users/me');
    assert.ok([200, 204].includes((await other.call('POST', '/api/v1/auth/logout')).status));
    await waitFor('the session to end', async () => (await other.call('GET', '/api/v1/users/me')).status === 401);
  }],

  ['an update changes what it is given', async (world) => {
    const made = await world.newCheck({ schedule: 'every 7 minutes' });
    const changed = await world.owner.must(200, 'PUT', `/api/v1/checks/${made.id}`, { name: 'Updated' });
    assert.deepEqual([changed.name, changed.schedule, changed.config], ['Updated', made.schedule, made.config]);
    await world.owner.must(204, 'DELETE', `/api/v1/checks/${made.id}`);
    await world.owner.must(404, 'GET', `/api/v1/checks/${made.id}`);

    const server = await world.owner.must(201, 'POST', '/api/v1/servers', { name: 'Old', host: '192.168.1.9', port: 2222 });
    const renamed = await world.owner.must(200, 'PUT', `/api/v1/servers/${server.id}`, { name: 'New' });
    assert.deepEqual([renamed.name, renamed.host, renamed.port], ['New', '192.168.1.9', 2222]);
    const list = await world.owner.call('GET', '/api/v1/servers');
    assert.equal(list.headers.get('x-total-count'), String(list.body.length));
  }],

  ['a batch answers in the order asked, and for what is not there', async (world) => {
    const ids = ['third', 'check'].map((name) => world.kept.get(name));
    const { results } = await world.owner.must(200, 'POST', '/api/v1/batch/run', { checks: [...ids, 'check_id_4'] });
    assert.deepEqual(results.map((one) => one.check_id), [...ids, 'check_id_4']);
    assert.deepEqual(results.map((one) => one.error?.code ?? one.result.status), ['success', 'success', 'CHECK_NOT_FOUND']);
    await world.owner.must(200, 'GET', `/api/v1/results/${results[0].result.id}`);
  }],

  ['an ad hoc run is judged and not stored', async (world) => {
    const config = { url: world.website.url, expected_status: 418 };
    const total = async () => (await world.owner.must(200, 'GET', '/api/v1/results')).total;
    const before = await total();
    const result = await world.owner.must(200, 'POST', '/api/v1/checks/run', { plugin_type: 'website', config });
    assert.equal(result.status, 'error');
    assert.equal(await total(), before);
  }],

  ['a key is shown once, and gone when revoked', async ({ owner }) => {
    const made = await owner.must(201, 'POST', '/api/v1/api-keys', { name: 'Short-lived' });
    const mine = async () => (await owner.must(200, 'GET', '/api/v1/api-keys/me')).find((key) => key.id === made.id);
    assert.ok(!('key' in await mine()));
    assert.ok([200, 204].includes((await owner.call('DELETE', `/api/v1/api-keys/${made.id}`)).status));
    assert.equal(await mine(), undefined);
  }],

  ['the health page tells about Redis', async ({ tocsin }) => {
    const { status, body } = await tocsin.request('GET', '/api/v1/health');
    assert.equal(status, 200);
    like({ status: 'healthy', timestamp: '2023-04-01T12:00:00Z', redis_available: true, cache_enabled: true }, body);
    assert.equal(body.redis_available, true);
    const root = (await tocsin.request('GET', '/health')).body;
    assert.equal(root.status, 'healthy');
    assert.ok(Math.abs(root.timestamp - Date.now() / 1000) < 60);
  }],

  ['metrics come back as they were sent', async (world) => {
    await world.agent();
    const { metrics } = await world.owner.must(200, 'GET', '/api/v1/metrics/latest/server-001');
    const usage = metrics.find((metric) => metric.metric_name === 'usage_percent');
    assert.equal(usage.value, 39.37);
    assert.equal(Date.parse(usage.time), Date.parse(world.measuredAt));
  }],
];
