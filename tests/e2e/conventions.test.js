// What holds for every route, seen from outside: a page of another origin in a real browser, a
// proxy, a crash between doing and answering, two processes with one Redis, and none.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import http from 'node:http';
import { once } from 'node:events';
import test from 'node:test';

import { signIn, startTocsin, waitFor } from './kit.js';

const page = http.createServer((request, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><title>another origin</title>');
});
page.listen(0, '127.0.0.1');
await once(page, 'listening');
const origin = `http://127.0.0.1:${page.address().port}`;

const tocsin = await startTocsin({
  daemons: ['api'],
  env: { TOCSIN_CORS_ORIGINS: `https://a.example, ${origin}`, TOCSIN_TRUSTED_PROXIES: '127.0.0.0/8', TOCSIN_HSTS: '1h' },
});
const admin = await signIn(tocsin);
test.after(async () => {
  page.close();
  await tocsin.stop();
});

const check = (name) => ({ name, plugin_type: 'website', config: { url: 'https://example.com' } });
const named = async (name) => Number(await tocsin.sql(`SELECT count(*) FROM checks WHERE name = '${name}'`));

const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

test('a page of another origin', { skip: chromium ? false : 'there is no Chromium' }, async (t) => {
  const { chromium: driver } = await import('playwright-core');
  const browser = await driver.launch({ executablePath: chromium, args: ['--no-sandbox'], timeout: 120_000 });
  t.after(() => browser.close());
  /** What fetch says inside a page of `from`. */
  const fetchFrom = async (from, target, init) => {
    const tab = await browser.newPage();
    tab.setDefaultTimeout(120_000); // a busy machine draws slowly
    await tab.goto(from);
    const result = await tab.evaluate(async ([url, options]) => {
      try {
        const reply = await fetch(url, options);
        const headers = Object.fromEntries(['etag', 'location', 'ratelimit-limit', 'idempotency-replayed', 'x-request-id']
          .map((name) => [name, reply.headers.get(name)]));
        return { status: reply.status, headers, body: reply.status === 204 ? null : await reply.json() };
      } catch (error) {
        return { error: String(error) };
      }
    }, [tocsin.api + target, init]);
    await tab.close();
    return result;
  };
  const headers = { authorization: `Bearer ${admin.credentials.token}`, 'content-type': 'application/json' };
  const listed = (target, init) => fetchFrom(`${origin}/`, target, init);

  const made = await listed('/api/v1/checks', {
    method: 'POST', credentials: 'include', headers: { ...headers, 'idempotency-key': 'page-1' }, body: JSON.stringify(check('from a page')),
  });
  assert.equal(made.status, 201, JSON.stringify(made));
  assert.match(made.headers.etag, /^"[0-9a-f]+-v[0-9a-f]+"$/);
  assert.match(made.headers.location, /^\/api\/v1\/checks\//);
  assert.equal(made.headers['ratelimit-limit'], '6000');
  const target = made.headers.location;
  const edited = await listed(target, {
    method: 'PATCH', headers: { ...headers, 'if-match': made.headers.etag }, body: JSON.stringify({ name: 'edited in a page' }),
  });
  assert.equal(edited.status, 200, JSON.stringify(edited));
  const late = await listed(target, {
    method: 'PATCH', headers: { ...headers, 'if-match': made.headers.etag }, body: JSON.stringify({ name: 'too late' }),
  });
  assert.equal(late.status, 412);
  assert.equal(late.body.code, 'PRECONDITION_FAILED');
  const refused = await listed('/api/v1/users/me', {});
  assert.equal(refused.status, 401, 'failures are readable too');
  assert.equal((await listed(target, { method: 'DELETE', headers })).status, 204);

  const stranger = await fetchFrom(`http://localhost:${page.address().port}/`, '/api/v1/checks', { headers });
  assert.match(stranger.error ?? '', /TypeError/, JSON.stringify(stranger));
  const simple = await fetchFrom(`http://localhost:${page.address().port}/`, '/health', {});
  assert.match(simple.error ?? '', /TypeError/);
});

test('the client behind a proxy', async () => {
  await waitFor('its line in the log', async () => {
    await tocsin.request('GET', '/api/v1/plugins?secret=hunter2', {
      headers: { 'x-forwarded-for': '6.6.6.6, 192.0.2.77', 'x-request-id': 'proxied-1' },
    });
    const line = tocsin.processes.get('api').log().split('\n').find((text) => text.includes('"proxied-1"'));
    if (!line) return false;
    const entry = JSON.parse(line);
    assert.deepEqual(
      [entry.event, entry.method, entry.route, entry.status, entry.ip, entry.user_id],
      ['http_request', 'GET', '/api/v1/plugins', 401, '192.0.2.77', null]);
    assert.ok(entry.bytes > 0 && entry.duration_us > 0);
    return true;
  });
  assert.doesNotMatch(tocsin.processes.get('api').log(), /hunter2/);
  const health = await tocsin.request('GET', '/health');
  assert.equal(health.headers.get('strict-transport-security'), 'max-age=3600');
});

// RFC 9110, section 13.2.1: what would fail without the condition fails as it would without it.
test('If-Match on what has no versions is the last thing to fail', async (t) => {
  const nobody = '00000000-0000-0000-0000-000000000000';
  const headers = { 'if-match': '"0123456789abcdef-v1"' };
  const key = await admin.must(201, 'POST', '/api/v1/api-keys', { name: 'unmatched' });
  const user = await admin.must(201, 'POST', '/api/v1/users', {
    username: 'unmatched', email: 'unmatched@example.test', password: 'correct horse 12', role: 'viewer' });
  const { sessions: [session] } = await admin.must(200, 'GET', '/api/v1/auth/sessions');
  const { organisation_id: org } = await admin.must(200, 'GET', '/api/v1/users/me');
  await tocsin.tool('job', 'enqueue', 'queue.echo', '{"n":1}');
  const { jobs: [job] } = await admin.must(200, 'GET', '/api/v1/jobs?task=queue.echo');
  const rate = { task: 'queue.noop', count: 7 };
  await admin.must(200, 'PUT', '/api/v1/queues/default/rates', rate);

  const rows = [ // [what, method, target, body, status, code, and how many there are of what must stay]
    ['an API key', 'DELETE', (id) => `/api/v1/api-keys/${id}`, key.id, 'API_KEY_NOT_FOUND',
      `SELECT count(*) FROM api_keys WHERE id = '${key.id}' AND revoked_at IS NULL`],
    ['a session', 'DELETE', (id) => `/api/v1/auth/sessions/${id}`, session.id, 'SESSION_NOT_FOUND',
      `SELECT 1 FROM refresh_tokens WHERE family = '${session.id}' AND revoked_at IS NULL LIMIT 1`],
    ['an organisation', 'PATCH', (id) => `/api/v1/organisations/${id}`, org, 'ORGANISATION_NOT_FOUND',
      `SELECT count(*) FROM organisations WHERE id = '${org}' AND name <> 'renamed'`, { name: 'renamed' }],
    ['a job', 'DELETE', (id) => `/api/v1/jobs/${id}`, job.id, 'JOB_NOT_FOUND', null],
    ['a rate', 'DELETE', (task) => `/api/v1/queues/default/rates?task=${task}`, 'queue.noop', 'QUEUE_RATE_NOT_FOUND', null],
    ['a rate to set', 'PUT', (queue) => `/api/v1/queues/${queue}/rates`, 'default', 'QUEUE_NOT_FOUND', null, { ...rate, count: 9 }],
  ];
  for (const [what, method, target, there, code, stays, body] of rows) {
    await t.test(what, async () => {
      const missing = await admin.call(method, target(there.startsWith('queue') || there === 'default' ? 'nowhere' : nobody), body, { headers });
      assert.deepEqual([missing.status, missing.body.code], [404, code]);
      const refused = await admin.call(method, target(there), body, { headers });
      assert.deepEqual([refused.status, refused.body.code], [412, 'PRECONDITION_FAILED']);
      if (stays) assert.equal(Number(await tocsin.sql(stays)), 1);
    });
  }
  assert.equal((await admin.must(200, 'GET', `/api/v1/jobs/${job.id}`)).state, 'queued');
  const { rates } = await admin.must(200, 'GET', '/api/v1/queues/default/rates');
  assert.deepEqual(rates.map(({ task, count }) => [task, count]), [['queue.noop', 7]]);
  await t.test('a conflict goes before it, too', async () => {
    const reply = await admin.call('DELETE', `/api/v1/users/${user.id}/totp`, undefined, { headers });
    assert.deepEqual([reply.status, reply.body.code], [409, 'TOTP_NOT_ENABLED']);
  });
  await t.test('any version will do', async () => {
    assert.equal((await admin.call('DELETE', `/api/v1/api-keys/${key.id}`, undefined, { headers: { 'if-match': '*' } })).status, 204);
  });
  await t.test('with versions', async () => {
    const reply = await admin.call('PATCH', `/api/v1/checks/${nobody}`, { name: 'a' }, { headers });
    assert.deepEqual([reply.status, reply.body.code], [404, 'CHECK_NOT_FOUND']);
  });
});

// Made while nothing crashes: signing in commits as well.
const { key } = await admin.must(201, 'POST', '/api/v1/api-keys', { name: 'crash' });

// The process dies at the edges of the one transaction: a repeat finds all of it, or nothing.
for (const [point, had] of [['db.before_commit', false], ['db.after_commit', true]]) {
  test(`a crash at ${point} and a repeat`, async () => {
    const name = `crash ${point}`;
    const headers = { 'idempotency-key': `crash-${had}` };
    const api = tocsin.processes.get('api');
    await api.stop();
    api.env.TOCSIN_CRASH_AT = `${point}:1`;
    await tocsin.start('api');
    const died = once(api.child, 'close');
    await assert.rejects(tocsin.request('POST', '/api/v1/checks', { key, body: check(name), headers }));
    await died;
    assert.equal(await named(name), had ? 1 : 0);
    delete api.env.TOCSIN_CRASH_AT;
    await tocsin.start('api');
    // The database may need a moment to see that the one who held the key is gone.
    const again = await waitFor('the key is free', async () => {
      const reply = await tocsin.request('POST', '/api/v1/checks', { key, body: check(name), headers });
      return reply.body?.code === 'IDEMPOTENCY_KEY_IN_USE' ? null : reply;
    });
    assert.equal(again.status, 201);
    assert.equal(again.headers.get('idempotency-replayed'), had ? 'true' : null);
    assert.equal(await named(name), 1);
  });
}

test('without Redis', async () => {
  const list = '/api/v1/checks';
  await waitFor('a hit', async () => (await admin.call('GET', list)).headers.get('x-cache') === 'hit');
  assert.equal((await tocsin.request('GET', '/api/v1/health')).body.cache_enabled, true);
  const redis = tocsin.processes.get('redis');
  await redis.kill();
  const made = await admin.call('POST', list, check('without Redis'), { headers: { 'idempotency-key': 'no-redis' } });
  assert.equal(made.status, 201);
  const listed = await admin.call('GET', list);
  assert.equal(listed.status, 200);
  assert.ok(listed.body.checks.some((row) => row.id === made.body.id));
  assert.ok(listed.headers.get('ratelimit-limit'));
  const paused = await admin.call('POST', '/api/v1/queues/checks/pause');
  assert.equal(paused.status, 503);
  assert.match(paused.headers.get('retry-after'), /^\d+$/);
  await waitFor('health to tell', async () => (await tocsin.request('GET', '/api/v1/health')).body.cache_enabled === false);
});
