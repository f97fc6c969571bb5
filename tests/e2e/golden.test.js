// The requests and replies of the documents that this API took over, as contract tests: each field
// that a document shows is there with the type it shows. Replies may hold more.

import assert from 'node:assert/strict';
import test from 'node:test';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import { readFileSync } from 'node:fs';

import { differences, signIn, startTocsin, startWebsite, waitFor } from './kit.js';

const UUID = '123e4567-e89b-12d3-a456-426614174000';
const TIME = '2023-04-01T12:00:00Z';
const RFC3339_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const isUuid = (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);

function assertLike(example, value, mayBeNull = []) {
  assert.deepEqual(differences(example, value, mayBeNull), [], JSON.stringify(value));
}

const website = await startWebsite();
const tocsin = await startTocsin();
const admin = await signIn(tocsin);
test.after(async () => {
  await website.stop();
  await tocsin.stop();
});

test('monitorpy: authentication', async (t) => {
  const example = {
    access_token: '', token_type: 'bearer',
    user: { id: UUID, username: 'admin', email: '', is_admin: true },
  };
  const { email, password } = tocsin.admin;

  await t.test('POST /api/v1/auth/token, as the document has it', async () => {
    const reply = await tocsin.request('POST', '/api/v1/auth/token', { body: { username: email, password } });
    assert.equal(reply.status, 200);
    assertLike(example, reply.body);
    assert.equal(reply.body.token_type, 'bearer');
    assert.equal(reply.body.user.email, email);
  });

  await t.test('POST /api/v1/auth/token, as an OAuth 2 form', async () => {
    const reply = await tocsin.request('POST', '/api/v1/auth/token', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: 'password', username: email, password }).toString(),
    });
    assert.equal(reply.status, 200);
    assertLike(example, reply.body);
  });

  await t.test('POST /api/v1/auth/login', async () => {
    const reply = await tocsin.request('POST', '/api/v1/auth/login', { body: { email, password } });
    assert.equal(reply.status, 200);
    assertLike(example, reply.body);
    assert.equal(reply.headers.get('cache-control'), 'no-store');
  });

  await t.test('the token is a JWT that another library verifies', async () => {
    const { access_token: token, user } = await admin.must(200, 'POST', '/api/v1/auth/login', { email, password });
    const key = new TextEncoder().encode(readFileSync(tocsin.env.TOCSIN_JWT_SECRET_FILE, 'utf8'));
    assert.equal(decodeProtectedHeader(token).alg, 'HS256');
    const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'] });
    assert.equal(payload.sub, user.id);
    assert.ok(isUuid(payload.org) && isUuid(payload.jti));
    assert.equal(typeof payload.role, 'string');
    assert.equal(payload.exp - payload.iat, 3600);
    assert.ok(Math.abs(payload.iat - Date.now() / 1000) < 60);
    await assert.rejects(jwtVerify(token, new TextEncoder().encode('x'.repeat(64))));
  });
});

test('secumon: login, refresh, logout', async () => {
  const example = { token: '', refresh_token: '', expires_in: 3600 };
  const first = await admin.must(200, 'POST', '/api/v1/auth/login',
    { username: tocsin.admin.email, password: tocsin.admin.password });
  assertLike(example, first);
  const second = await admin.must(200, 'POST', '/api/v1/auth/refresh', { refresh_token: first.refresh_token });
  assertLike(example, second);
  assert.notEqual(second.refresh_token, first.refresh_token);
  // A refresh token works once: its second use ends the session it belongs to.
  const again = await tocsin.request('POST', '/api/v1/auth/refresh', { body: { refresh_token: first.refresh_token } });
  assert.equal(again.status, 401);

  const other = await signIn(tocsin);
  const logout = await other.call('POST', '/api/v1/auth/logout');
  assert.ok([200, 204].includes(logout.status), `${logout.status}`);
  await waitFor('the sessions to end', async () => (await other.call('GET', '/api/v1/users/me')).status === 401);
  admin.credentials = (await signIn(tocsin)).credentials; // all of the administrator's sessions ended
});

const checkExample = {
  id: UUID, name: '', plugin_type: 'website', config: { url: '', expected_status: 200 },
  enabled: true, schedule: 'every 5 minutes', last_run: TIME, created_at: TIME, updated_at: TIME,
};
const resultExample = {
  id: UUID, check_id: UUID, status: 'success', message: '', response_time: 0.342,
  raw_data: { status_code: 200, headers: { 'content-type': 'text/html' } }, executed_at: TIME,
};

test('monitorpy: checks', async (t) => {
  const body = {
    name: 'New Website Check', plugin_type: 'website',
    config: { url: website.url, expected_status: 200 }, enabled: true, schedule: 'every 5 minutes',
  };
  let check;

  await t.test('POST /api/v1/checks', async () => {
    const reply = await admin.call('POST', '/api/v1/checks', body);
    assert.ok([200, 201].includes(reply.status), JSON.stringify(reply.body));
    check = reply.body;
    assertLike(checkExample, check, ['last_run']);
    assert.ok(isUuid(check.id));
    for (const [key, value] of Object.entries(body)) {
      if (key !== 'config') assert.equal(check[key], value);
    }
    assert.equal(check.config.url, website.url);
    assert.match(check.created_at, RFC3339_UTC);
  });

  await t.test('GET /api/v1/checks', async () => {
    const list = await admin.must(200, 'GET', '/api/v1/checks?page=1&per_page=20&enabled=true&plugin_type=website');
    assertLike({ checks: [checkExample], page: 1, per_page: 20, total: 1, pages: 1 }, list, ['checks[].last_run']);
    assert.deepEqual([list.page, list.per_page, list.total, list.pages], [1, 20, 1, 1]);
    const none = await admin.must(200, 'GET', '/api/v1/checks?enabled=false');
    assert.deepEqual([none.total, none.checks], [0, []]);
  });

  await t.test('GET /api/v1/checks/{check_id}', async () => {
    assertLike(checkExample, await admin.must(200, 'GET', `/api/v1/checks/${check.id}`), ['last_run']);
  });

  await t.test('PUT /api/v1/checks/{check_id} changes what it is given', async () => {
    const changed = await admin.must(200, 'PUT', `/api/v1/checks/${check.id}`, {
      name: 'Updated Website Check', config: { url: website.url, expected_status: 200, timeout: 30 },
    });
    assertLike({ ...checkExample, config: { ...checkExample.config, timeout: 30 } }, changed, ['last_run']);
    assert.equal(changed.name, 'Updated Website Check');
    assert.equal(changed.schedule, 'every 5 minutes');
    assert.equal(changed.config.timeout, 30);
  });

  let result;
  await t.test('POST /api/v1/checks/{check_id}/run', async () => {
    result = await admin.must(200, 'POST', `/api/v1/checks/${check.id}/run`);
    assertLike(resultExample, result);
    assert.equal(result.status, 'success', JSON.stringify(result));
    assert.equal(result.check_id, check.id);
    assert.equal(result.raw_data.status_code, 200);
    assert.ok(result.response_time > 0 && result.response_time < 10);
  });

  await t.test('POST /api/v1/checks/run is not stored', async () => {
    const { id, check_id: checkId, ...example } = resultExample;
    const adHoc = await admin.must(200, 'POST', '/api/v1/checks/run',
      { plugin_type: 'website', config: { url: website.url, expected_status: 200 } });
    assertLike(example, adHoc);
    assert.equal(adHoc.status, 'success', JSON.stringify(adHoc));
    const wrong = await admin.must(200, 'POST', '/api/v1/checks/run',
      { plugin_type: 'website', config: { url: website.url, expected_status: 418 } });
    assert.equal(wrong.status, 'error');
  });

  await t.test('GET /api/v1/results', async () => {
    const target = `/api/v1/results?page=1&per_page=20&check_id=${check.id}&status=success`
      + '&from_date=2020-01-01T00:00:00Z&to_date=2100-01-01T00:00:00Z';
    const list = await admin.must(200, 'GET', target);
    assertLike({ results: [resultExample], page: 1, per_page: 20, total: 1, pages: 1 }, list);
    assert.ok(list.results.some((r) => r.id === result.id));
    assert.match(list.results[0].executed_at, RFC3339_UTC);
  });

  await t.test('GET /api/v1/results/{result_id}', async () => {
    const one = await admin.must(200, 'GET', `/api/v1/results/${result.id}`);
    assertLike(resultExample, one);
    assert.equal(one.id, result.id);
  });

  await t.test('GET /api/v1/results/check/{check_id}', async () => {
    const list = await admin.must(200, 'GET', `/api/v1/results/check/${check.id}`);
    assertLike({ results: [resultExample], page: 1, per_page: 20, total: 1, pages: 1 }, list);
    assert.ok(list.results.every((r) => r.check_id === check.id));
  });

  await t.test('GET /api/v1/results/summary', async () => {
    const share = { count: 1, percent: 1.5 };
    for (const period of ['day', 'week', 'month']) {
      const summary = await admin.must(200, 'GET', `/api/v1/results/summary?period=${period}`);
      assertLike({
        period: 'day', from_date: TIME, to_date: TIME, total_checks: 1,
        statuses: { success: share, warning: share, error: share },
      }, summary);
      assert.equal(summary.period, period);
      assert.ok(summary.statuses.success.count >= 1);
    }
  });

  await t.test('DELETE /api/v1/checks/{check_id}', async () => {
    const reply = await admin.call('DELETE', `/api/v1/checks/${check.id}`);
    assert.deepEqual([reply.status, reply.body], [204, '']);
    assert.equal((await admin.call('GET', `/api/v1/checks/${check.id}`)).status, 404);
  });
});

test('monitorpy: batches', async (t) => {
  const result = {
    status: 'success', message: '', response_time: 0.342,
    raw_data: { status_code: 200, headers: { 'content-type': 'text/html' } },
  };
  const config = { url: website.url, expected_status: 200 };
  const ids = [];
  for (const name of ['one', 'two', 'three']) {
    ids.push((await admin.must(201, 'POST', '/api/v1/checks',
      { name, plugin_type: 'website', config, schedule: 'every 1 hour' })).id);
  }

  await t.test('POST /api/v1/batch/run', async () => {
    const reply = await admin.must(200, 'POST', '/api/v1/batch/run',
      { checks: [...ids, 'check_id_4'], max_workers: 5, timeout: 30 });
    assertLike({ results: [{ check_id: UUID, result }] }, { results: reply.results.slice(0, 3) });
    assert.deepEqual(reply.results.map((one) => one.check_id), [...ids, 'check_id_4']);
    assert.ok(reply.results.slice(0, 3).every((one) => one.result.status === 'success'), JSON.stringify(reply));
    assert.equal(reply.results[3].error.code, 'CHECK_NOT_FOUND');
    for (const one of reply.results.slice(0, 3)) await admin.must(200, 'GET', `/api/v1/results/${one.result.id}`);
  });

  await t.test('POST /api/v1/batch/run-ad-hoc', async () => {
    const reply = await admin.must(200, 'POST', '/api/v1/batch/run-ad-hoc', {
      checks: [{ plugin_type: 'website', config }, { plugin_type: 'website', config: { ...config, expected_status: 418 } }],
      max_workers: 5, timeout: 30,
    });
    assertLike({ results: [{ plugin_type: 'website', config, result }] }, reply);
    assert.deepEqual(reply.results.map((one) => one.result.status), ['success', 'error']);
  });

  await t.test('what came of them', async () => {
    const stats = await admin.must(200, 'GET', `/api/v1/checks/${ids[0]}/stats`);
    assert.ok(stats.count >= 1 && stats.uptime_percent === 100, JSON.stringify(stats));
    const history = await admin.must(200, 'GET', `/api/v1/checks/${ids[0]}/history`);
    assert.deepEqual([history.history[0].from_state, history.history[0].to_state], ['pending', 'up']);
  });

  await t.test('exported, imported, deleted', async () => {
    const file = await admin.call('GET', '/api/v1/checks/export');
    assert.match(file.headers.get('content-type'), /yaml/);
    const report = await admin.must(200, 'POST', '/api/v1/checks/import', file.body,
      { headers: { 'content-type': 'application/yaml' } });
    assert.equal(report.unchanged, report.total);
    const gone = await admin.must(200, 'POST', '/api/v1/checks/bulk', { action: 'delete', ids });
    assert.equal(gone.changed, 3);
  });
});

test('monitorpy: plugins', async () => {
  const example = {
    name: 'website', description: '', required_config: { url: '' },
    optional_config: { expected_status: '', timeout: '' },
  };
  const list = await admin.must(200, 'GET', '/api/v1/plugins');
  assert.equal(list.count, list.plugins.length);
  assertLike(example, list.plugins.find((p) => p.name === 'website'));
  const one = await admin.must(200, 'GET', '/api/v1/plugins/website');
  assertLike(example, one);
  assert.equal(one.optional_config.timeout, 'Request timeout in seconds (default: 10)');
  assert.equal((await admin.must(200, 'GET', '/api/v1/plugins/website_status')).name, 'website');
  assert.equal((await admin.call('GET', '/api/v1/plugins/nope')).status, 404);
});

const serverExample = {
  id: UUID, name: '', host: '192.168.1.100', port: 22, status: 'online', created_at: TIME,
};
let server;

test('chatops: servers', async (t) => {
  await t.test('POST /servers', async () => {
    const reply = await admin.call('POST', '/api/v1/servers', { name: 'New Server', host: '192.168.1.101', port: 22 });
    assert.ok([200, 201].includes(reply.status), JSON.stringify(reply.body));
    server = reply.body;
    assertLike(serverExample, server);
    assert.deepEqual([server.name, server.host, server.port], ['New Server', '192.168.1.101', 22]);
  });

  await t.test('GET /servers is a bare array', async () => {
    const reply = await admin.call('GET', '/api/v1/servers');
    assert.equal(reply.status, 200);
    assertLike([serverExample], reply.body);
    assert.equal(reply.headers.get('x-total-count'), String(reply.body.length));
  });

  await t.test('GET, PUT, DELETE /servers/{id}', async () => {
    assertLike(serverExample, await admin.must(200, 'GET', `/api/v1/servers/${server.id}`));
    const changed = await admin.must(200, 'PUT', `/api/v1/servers/${server.id}`, { name: 'Updated Name' });
    assertLike(serverExample, changed);
    assert.deepEqual([changed.name, changed.host], ['Updated Name', '192.168.1.101']);
    const other = (await admin.call('POST', '/api/v1/servers', { name: 'Short-lived', host: '192.168.1.102', port: 22 })).body;
    const gone = await admin.call('DELETE', `/api/v1/servers/${other.id}`);
    assert.ok([200, 204].includes(gone.status));
    assert.equal((await admin.call('GET', `/api/v1/servers/${other.id}`)).status, 404);
  });
});

test('chatops: API keys', async () => {
  const example = { id: UUID, name: '', server_id: UUID, key: '', created_at: TIME };
  const reply = await admin.call('POST', '/api/v1/api-keys', { server_id: server.id, name: 'Production Agent' });
  assert.ok([200, 201].includes(reply.status), JSON.stringify(reply.body));
  assertLike(example, reply.body);
  assert.equal(reply.body.server_id, server.id);

  const mine = await admin.must(200, 'GET', '/api/v1/api-keys/me');
  const { key, ...shown } = example;
  const found = mine.find((k) => k.id === reply.body.id);
  assertLike(shown, found);
  assert.ok(!('key' in found), 'the key is shown once');
  const gone = await admin.call('DELETE', `/api/v1/api-keys/${reply.body.id}`);
  assert.ok([200, 204].includes(gone.status));
  const after = await admin.must(200, 'GET', '/api/v1/api-keys/me');
  assert.ok(!after.some((k) => k.id === reply.body.id && !k.revoked_at));
});

test('secumon: health', async () => {
  const health = await tocsin.request('GET', '/health');
  assert.equal(health.status, 200);
  assertLike({ status: 'healthy', service: '', timestamp: 1769829882 }, health.body);
  assert.equal(health.body.status, 'healthy');
  assert.ok(Number.isInteger(health.body.timestamp));
});

test('monitorpy: health tells about Redis', async () => {
  const health = await tocsin.request('GET', '/api/v1/health');
  assert.equal(health.status, 200);
  assertLike({ status: '', timestamp: TIME, redis_available: true, cache_enabled: true }, health.body);
  assert.equal(health.body.redis_available, true);
  assert.match(health.body.timestamp, RFC3339_UTC);
});

test('secumon: latest metrics', async () => {
  const agent = (await admin.call('POST', '/api/v1/servers', { name: 'server-001', host: '192.168.1.7', port: 22 })).body;
  const key = await admin.must(201, 'POST', '/api/v1/api-keys', { server_id: agent.id, name: 'agent' });
  const time = new Date().toISOString();
  const sent = await tocsin.request('POST', '/api/v1/ingest/metrics', {
    base: tocsin.ingest, key: key.key,
    body: {
      agent_id: 'server-001', time,
      metrics: [
        { metric_type: 'cpu', metric_name: 'usage_percent', value: 39.37, tags: {} },
        { metric_type: 'cpu', metric_name: 'load_avg_1', value: 2.95, tags: {} },
      ],
    },
  });
  assert.equal(sent.status, 202, JSON.stringify(sent.body));
  assertLike({ accepted: 2, rejected: 0, errors: [] }, sent.body);
  const latest = await waitFor('the metrics', async () => {
    const { body } = await admin.call('GET', '/api/v1/metrics/latest/server-001?limit=5');
    return body.count === 2 && body;
  });
  assertLike({
    agent_id: 'server-001', count: 2,
    metrics: [{ time: TIME, agent_id: 'server-001', metric_type: 'cpu', metric_name: '', value: 39.37, tags: {} }],
  }, latest);
  const usage = latest.metrics.find((m) => m.metric_name === 'usage_percent');
  assert.equal(usage.value, 39.37);
  assert.equal(new Date(usage.time).getTime(), new Date(time).getTime());
});
