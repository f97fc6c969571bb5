// Redis gone, emptied and back; PostgreSQL gone and back: what still works, what is refused and
// how, and that everything goes on by itself.

import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';

import { startTocsin, waitFor } from '../kit/tocsin.mjs';

async function start(t) {
  const tocsin = await startTocsin({
    env: { TOCSIN_WORKER_LEASE: '1s', TOCSIN_SCHEDULER_LEASE: '600ms', TOCSIN_MISSED_GRACE: '2s',
      TOCSIN_CREDENTIAL_RATE: '1000000' },
  });
  t.after(() => tocsin.stop());
  const target = http.createServer((request, reply) => reply.end('ok'));
  await new Promise((resolve) => target.listen(0, '127.0.0.1', resolve));
  t.after(() => target.close());

  const login = await tocsin.request('POST', '/api/v1/auth/login', { body: tocsin.admin });
  const call = (method, path, body, more = {}) =>
    tocsin.request(method, path, { token: login.body.access_token, body, ...more });
  const check = (await call('POST', '/api/v1/checks', {
    name: 'watched', plugin_type: 'website', schedule: 'every 1 second',
    config: { url: `http://127.0.0.1:${target.address().port}/` },
  })).body;
  const key = (await call('POST', '/api/v1/api-keys', { name: 'agent', scopes: ['metrics:write'] })).body.key;
  const post = (value) => tocsin.request('POST', '/api/v1/ingest/metrics', { key, base: tocsin.ingest,
    body: { agent_id: 'store-agent', time: new Date().toISOString(),
      metrics: [{ metric_type: 'cpu', metric_name: 'usage_percent', value, tags: {} }] } });

  /** Waits for a result of a run that began after this moment. */
  const freshResult = async (what) => {
    const since = Date.now();
    await waitFor(what, async () => {
      const { body } = await call('GET', `/api/v1/results/check/${check.id}?status=success`);
      return body.results?.some((r) => Date.parse(r.executed_at) > since);
    });
  };
  await freshResult('the first result');
  return { tocsin, call, check, post, freshResult };
}

test('Redis down: the API serves and says degraded; an empty Redis will do', { timeout: 300_000 }, async (t) => {
  const { tocsin, call, check, post, freshResult } = await start(t);

  await tocsin.process('redis').kill();
  await waitFor('degraded', async () => {
    const { status, body } = await call('GET', '/api/v1/health');
    return status === 200 && body.status === 'degraded' && body.redis_available === false;
  });
  const list = await call('GET', '/api/v1/checks');
  assert.equal(list.status, 200);
  assert.equal(list.body.total, 1);
  const changed = await call('PUT', `/api/v1/checks/${check.id}`, { name: 'renamed' });
  assert.equal(changed.status, 200);
  const run = await call('POST', `/api/v1/checks/${check.id}/run`);
  assert.equal(run.status, 503);
  assert.ok(run.headers.get('retry-after'));
  assert.match(run.headers.get('content-type'), /application\/problem\+json/);
  const refused = await post(1);
  assert.equal(refused.status, 503);
  assert.ok(refused.headers.get('retry-after'));

  tocsin.process('redis').start();
  await freshResult('results again after Redis came back');
  await waitFor('ok again', async () => (await call('GET', '/api/v1/health')).body.status === 'healthy');
  await waitFor('samples to be taken again', async () => (await post(2)).status === 202);

  for (let n = 0; n < 3; n += 1) {
    assert.equal(await tocsin.redis('flushall'), 'OK');
    await freshResult(`results after FLUSHALL ${n + 1}`);
  }
  const again = await call('POST', `/api/v1/checks/${check.id}/run`);
  assert.equal(again.status, 200);
  await waitFor('samples after FLUSHALL', async () => {
    const { status } = await post(3);
    const latest = await call('GET', '/api/v1/metrics/latest/store-agent');
    return status === 202 && latest.body.metrics?.some((m) => m.value === 3);
  });
});

test('PostgreSQL down: 503 with Retry-After, nothing falsely acknowledged, recovery by itself', { timeout: 300_000 }, async (t) => {
  const { tocsin, call, check, post, freshResult } = await start(t);
  const maintenance = process.env.TOCSIN_TEST_DATABASE_URL;
  const database = tocsin.database;
  const outside = async (statement) => {
    const { execFile } = await import('node:child_process');
    await new Promise((resolve, reject) => execFile('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', '-c', statement, maintenance],
      (error) => (error ? reject(error) : resolve())));
  };

  // No one may connect, and those who were are cut off: to the daemons the server is gone.
  await outside(`ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
  await outside(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`);
  const health = await waitFor('unhealthy', async () => {
    const reply = await call('GET', '/api/v1/health');
    return reply.body.database_available === false && reply;
  });
  assert.equal(health.body.redis_available, true);
  for (const [method, path, body] of [
    ['GET', '/api/v1/checks'],
    ['GET', `/api/v1/checks/${check.id}`],
    ['POST', '/api/v1/checks', { name: 'never', plugin_type: 'website', schedule: '5', config: { url: 'http://example.com/' } }],
    ['DELETE', `/api/v1/checks/${check.id}`],
    ['POST', '/api/v1/auth/login', tocsin.admin],
  ]) {
    const reply = await call(method, path, body);
    assert.equal(reply.status, 503, `${method} ${path}: ${JSON.stringify(reply.body)}`);
    assert.ok(Number(reply.headers.get('retry-after')) > 0, `${method} ${path}`);
    assert.match(reply.headers.get('content-type'), /application\/problem\+json/);
  }
  const deaf = await waitFor('ingest to refuse', async () => {
    const reply = await post(41);
    return reply.status === 503 && reply;
  });
  assert.ok(Number(deaf.headers.get('retry-after')) > 0);
  for (const name of ['api', 'scheduler', 'worker', 'notifier', 'ingest'])
    assert.ok(tocsin.process(name).running, `${name} went on running`);

  await outside(`ALTER DATABASE ${database} ALLOW_CONNECTIONS true`);
  await waitFor('the API', async () => (await call('GET', '/api/v1/checks')).status === 200);
  await freshResult('results again after PostgreSQL came back');
  await waitFor('samples again', async () => (await post(42)).status === 202);
  await waitFor('and stored', async () => {
    const latest = await call('GET', '/api/v1/metrics/latest/store-agent');
    return latest.body.metrics?.some((m) => m.value === 42);
  });
  const never = await tocsin.sql("SELECT count(*) FROM checks WHERE name = 'never'");
  assert.deepEqual(never, [['0']]);
});
