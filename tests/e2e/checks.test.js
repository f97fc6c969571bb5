// Checks from end to end: created over HTTP, run by the scheduler and on demand, their results read
// back. Shapes are compared with the examples of MonitorPy's API document.

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { differences, signIn, startTocsin, startWebsite, waitFor } from './kit.js';

let tocsin, caller, site;

before(async () => {
  site = await startWebsite();
  tocsin = await startTocsin({ daemons: ['api', 'scheduler', 'worker'] });
  caller = await signIn(tocsin);
});

after(async () => {
  await tocsin?.stop();
  await site?.stop();
});

const checkExample = {
  id: '123e4567-e89b-12d3-a456-426614174000',
  name: 'Example Website Check',
  plugin_type: 'website',
  config: { url: 'https://example.com', expected_status: 200 },
  enabled: true,
  schedule: 'every 5 minutes',
  last_run: '2023-04-01T12:00:00Z',
  created_at: '2023-01-01T00:00:00Z',
  updated_at: '2023-04-01T12:00:00Z',
};
const resultExample = {
  id: '123e4567-e89b-12d3-a456-426614174000',
  check_id: '456e7890-e12b-34d5-a678-426614174000',
  status: 'success',
  message: 'Website responded with status 200',
  response_time: 0.342,
  raw_data: { status_code: 200, headers: { 'content-type': 'text/html' } },
  executed_at: '2023-04-01T12:00:00Z',
};
const pageExample = { page: 1, per_page: 20, total: 1, pages: 1 };

const create = (more = {}) =>
  caller.must(201, 'POST', '/api/v1/checks', {
    name: 'New Website Check',
    plugin_type: 'website',
    config: { url: site.url, expected_status: 200 },
    enabled: true,
    schedule: 'every 5 minutes',
    ...more,
  });

const shaped = (example, value, mayBeNull) => assert.deepEqual(differences(example, value, mayBeNull), []);

test('a scheduled check has results, a state and a last run', async () => {
  const made = await create({ schedule: 'every 1 second' });
  shaped(checkExample, made, ['last_run']);
  assert.equal(made.schedule, 'every 1 second');

  const path = `/api/v1/results/check/${made.id}`;
  const page = await waitFor('three results', async () => {
    const body = await caller.must(200, 'GET', path);
    return body.total >= 3 && body;
  });
  shaped({ results: [resultExample], ...pageExample }, page);
  for (const result of page.results) {
    assert.equal(result.check_id, made.id);
    assert.equal(result.status, 'success');
    assert.equal(result.raw_data.status_code, 200);
    assert.equal(result.trigger, 'schedule');
    shaped(resultExample, await caller.must(200, 'GET', `/api/v1/results/${result.id}`));
  }
  // A slot names a run: no two results have the same one.
  const slots = page.results.map((result) => result.scheduled_at);
  assert.equal(new Set(slots).size, slots.length);

  const check = await caller.must(200, 'GET', `/api/v1/checks/${made.id}`);
  shaped(checkExample, check);
  assert.equal(check.state, 'up');
  assert.equal(check.last_status, 'success');

  shaped({ checks: [checkExample], ...pageExample }, await caller.must(200, 'GET', '/api/v1/checks?state=up'));
  await caller.must(204, 'DELETE', `/api/v1/checks/${made.id}`);
  await caller.must(404, 'GET', path);
});

test('a paused check is not run, a resumed one is', async () => {
  const made = await create({ schedule: 'every 1 second' });
  const total = async () => (await caller.must(200, 'GET', `/api/v1/results/check/${made.id}`)).total;
  await waitFor('a result', async () => (await total()) > 0);
  const paused = await caller.must(200, 'POST', `/api/v1/checks/${made.id}/pause`);
  assert.deepEqual([paused.state, paused.enabled, paused.next_run], ['paused', false, null]);
  // What was under way may still come; then nothing more, seen by another check that goes on.
  const other = await create({ schedule: 'every 1 second' });
  const others = async () => (await caller.must(200, 'GET', `/api/v1/results/check/${other.id}`)).total;
  const count = await waitFor('silence while the other goes on', async () => {
    const before = await total();
    const seen = await others();
    await waitFor('the other check to go on', async () => (await others()) >= seen + 3);
    return (await total()) === before && before;
  });

  const resumed = await caller.must(200, 'POST', `/api/v1/checks/${made.id}/resume`);
  assert.equal(resumed.enabled, true);
  await waitFor('more results', async () => (await total()) > count);
  const { results } = await caller.must(200, 'GET', `/api/v1/results/check/${made.id}?include_missed=true`);
  assert.deepEqual(results.filter((result) => result.status === 'missed'), []);
  for (const { id } of [made, other]) await caller.must(204, 'DELETE', `/api/v1/checks/${id}`);
});

test('a clone is a check of its own, without history', async () => {
  const made = await create({ schedule: 'every 1 second', tags: ['cloned'], group: 'g' });
  const path = `/api/v1/checks/${made.id}`;
  await waitFor('a result', async () => (await caller.must(200, 'GET', path)).state === 'up');
  const reply = await caller.call('POST', `${path}/clone`, { enabled: false });
  assert.equal(reply.status, 201);
  assert.equal(reply.headers.get('location'), `/api/v1/checks/${reply.body.id}`);
  const { body: copy } = reply;
  assert.deepEqual([copy.name, copy.state, copy.last_run, copy.enabled], [`${made.name} (copy)`, 'paused', null, false]);
  assert.deepEqual([copy.config, copy.schedule, copy.tags, copy.group], [made.config, made.schedule, made.tags, made.group]);
  assert.equal((await caller.must(200, 'GET', `/api/v1/results/check/${copy.id}`)).total, 0);
  await caller.must(204, 'DELETE', path);
  const resumed = await caller.must(200, 'POST', `/api/v1/checks/${copy.id}/resume`);
  assert.equal(resumed.state, 'pending');
  await waitFor('its own result', async () => (await caller.must(200, 'GET', `/api/v1/checks/${copy.id}`)).state === 'up');
  await caller.must(204, 'DELETE', `/api/v1/checks/${copy.id}`);
});

test('a check is run on demand and the result is stored', async () => {
  const made = await create({ enabled: false });
  const result = await caller.must(200, 'POST', `/api/v1/checks/${made.id}/run`);
  shaped(resultExample, result);
  assert.equal(result.check_id, made.id);
  assert.equal(result.trigger, 'manual');
  assert.deepEqual(await caller.must(200, 'GET', `/api/v1/results/${result.id}`), result);
  site.status = 503;
  const bad = await caller.must(200, 'POST', `/api/v1/checks/${made.id}/run`);
  site.status = 200;
  assert.equal(bad.status, 'error');
  shaped(resultExample, bad);
  await caller.must(204, 'DELETE', `/api/v1/checks/${made.id}`);
});

test('thirty callers run checks at once', async () => {
  const made = await create({ enabled: false });
  const results = await Promise.all(
    Array.from({ length: 30 }, () => caller.must(200, 'POST', `/api/v1/checks/${made.id}/run`)),
  );
  assert.equal(new Set(results.map((result) => result.id)).size, 30);
  await caller.must(204, 'DELETE', `/api/v1/checks/${made.id}`);
});

test('an ad hoc check is run and not stored', async () => {
  const { total } = await caller.must(200, 'GET', '/api/v1/results');
  const body = { plugin_type: 'website', config: { url: site.url, expected_status: 200 } };
  const result = await caller.must(200, 'POST', '/api/v1/checks/run', body);
  shaped({ ...resultExample, check_id: null }, result);
  assert.equal(result.check_id, null);
  assert.equal(result.status, 'success');
  assert.equal((await caller.must(200, 'GET', '/api/v1/results')).total, total);
  await caller.must(404, 'GET', `/api/v1/results/${result.id}`);
  const failed = await caller.must(200, 'POST', '/api/v1/checks/run', {
    plugin_type: 'website_status',
    config: { url: 'http://127.0.0.1:1/' },
  });
  assert.equal(failed.status, 'error');
});

test('a password of a configuration is used and never shown', async (t) => {
  const site = await startWebsite(); // to which no other check goes
  t.after(() => site.stop());
  const config = { url: site.url, auth_username: 'ursula', auth_password: 'hush hush' };
  const basic = `Basic ${Buffer.from('ursula:hush hush').toString('base64')}`;
  const made = await create({ enabled: false, config });
  const path = `/api/v1/checks/${made.id}`;
  const run = async () => {
    assert.equal((await caller.must(200, 'POST', `${path}/run`)).status, 'success');
    return site.authorization;
  };
  for (const check of [made, await caller.must(200, 'GET', path)]) {
    assert.equal(check.has_secret, true);
    assert.deepEqual(check.config, { url: site.url, auth_username: 'ursula' });
  }
  assert.equal(await run(), basic);
  // What was read is written back, and the password stays.
  const kept = await caller.must(200, 'PUT', path, made);
  assert.equal(kept.has_secret, true);
  assert.equal(await run(), basic);
  const removed = await caller.must(200, 'PATCH', path, { config: { ...made.config, auth_password: null } });
  assert.equal(removed.has_secret, false);
  assert.notEqual(await run(), basic);
  await caller.must(200, 'POST', '/api/v1/checks/run', { plugin_type: 'website', config });
  assert.equal(site.authorization, basic);
  await caller.must(204, 'DELETE', path);
});

test('a file of checks comes back, and many are changed at once', async () => {
  const ids = [];
  for (const name of ['Shop', 'Blog']) ids.push((await create({ name, tags: ['filed'] })).id);
  const file = await caller.call('GET', '/api/v1/checks/export?tag=filed');
  assert.match(file.headers.get('content-type'), /yaml/);
  const headers = { 'content-type': 'application/yaml' };
  const report = await caller.must(200, 'POST', '/api/v1/checks/import', file.body, { headers });
  assert.deepEqual([report.unchanged, report.total], [2, 2]);
  const gone = await caller.must(200, 'POST', '/api/v1/checks/bulk', { action: 'delete', ids });
  assert.equal(gone.changed, 2);
  for (const id of ids) await caller.must(404, 'GET', `/api/v1/checks/${id}`);
});

test('without Redis a run is refused and reading goes on', async () => {
  const made = await create({ enabled: false, timeout: 1 });
  tocsin.process('redis').kill('SIGSTOP'); // not awaited: it does not end
  const refused = await caller.call('POST', `/api/v1/checks/${made.id}/run`);
  assert.equal(refused.status, 503);
  assert.equal(refused.body.code, 'QUEUE_UNAVAILABLE');
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  await caller.must(200, 'GET', '/api/v1/checks');
  // Whoever waits in vain holds one of a few handlers: once the silence is known, nobody does.
  await waitFor('a refusal at once', async () => {
    const began = Date.now();
    await caller.must(503, 'POST', `/api/v1/checks/${made.id}/run`);
    return Date.now() - began < 1000;
  });
  tocsin.process('redis').kill('SIGCONT');
  await waitFor('runs to work again', async () =>
    (await caller.call('POST', `/api/v1/checks/${made.id}/run`)).status === 200);
});
