// Jobs, queues and workers as the API shows them: one reply of each route, with all its fields.

import assert from 'node:assert/strict';
import test from 'node:test';

import { differences, signIn, startTocsin, startWebsite, waitFor } from './kit.js';

const NOBODY = '01890000-0000-7000-8000-000000000000';
const website = await startWebsite();
const tocsin = await startTocsin();
const admin = await signIn(tocsin);
test.after(async () => {
  await website.stop();
  await tocsin.stop();
});

const QUEUE = {
  name: 'checks', depth: 0, waiting: [0], in_flight: 0, delayed: 0, dead: 0, oldest_age: 0.5, late: 0.5,
  workers: 1, paused: false, paused_at: null, paused_by: null, enqueued: 1, succeeded: 1, retried: 0,
  died: 0, cancelled: 0, expired: 0, redelivered: 0,
};
const WORKER = {
  id: 'w', alive: true, queues: ['checks'], host: 'h', pid: 1, version: '1', location: 'default',
  started_at: '2026-01-01T00:00:00Z', concurrency: 1, running: 0,
};

function assertLike(example, value) {
  assert.deepEqual(differences(example, value), [], JSON.stringify(value));
}

test('GET /queues and /queues/{name}', async () => {
  const { queues, total } = await admin.must(200, 'GET', '/api/v1/queues');
  assert.equal(total, queues.length);
  assert.ok(queues.some((q) => q.name === 'checks'));
  assertLike(QUEUE, await admin.must(200, 'GET', '/api/v1/queues/checks'));
});

test('GET /workers', async () => {
  const [worker] = await waitFor('a worker', async () => {
    const { workers } = await admin.must(200, 'GET', '/api/v1/workers');
    return workers.some((w) => w.alive) && workers;
  });
  assertLike(WORKER, worker);
});

test('a paused queue keeps its job, which is listed, shown and purged', async () => {
  const check = await admin.must(201, 'POST', '/api/v1/checks', {
    name: 'Shop', plugin_type: 'website', config: { url: website.url }, schedule: 'every 1 second',
  });
  const paused = await admin.must(200, 'POST', '/api/v1/queues/checks/pause');
  assert.equal(paused.paused, true);
  assert.equal(typeof paused.paused_by, 'string');
  const job = await waitFor('a job that waits', async () => {
    // One that has waited for longer than a worker may need to see the pause: nobody takes it any more.
    const { jobs } = await admin.must(200, 'GET', '/api/v1/jobs?queue=checks&state=queued&task=check.scheduled');
    return jobs.find((one) => Date.now() - Date.parse(one.enqueued_at) > 2000);
  });
  const shown = await admin.must(200, 'GET', `/api/v1/jobs/${job.id}`);
  assert.deepEqual([shown.id, shown.queue, shown.state, shown.tenant, shown.args],
    [job.id, 'checks', 'queued', null, null]);
  const cancelled = await admin.must(200, 'DELETE', `/api/v1/jobs/${job.id}`);
  assert.equal(cancelled.cancel_requested, true);
  await admin.must(409, 'POST', `/api/v1/jobs/${job.id}/retry`);
  await admin.must(200, 'POST', `/api/v1/checks/${check.id}/pause`);
  const purged = await admin.must(200, 'POST', '/api/v1/queues/checks/purge', { state: 'queued' });
  assert.ok(purged.removed >= 1, JSON.stringify(purged));
  const resumed = await admin.must(200, 'POST', '/api/v1/queues/checks/resume');
  assert.equal(resumed.paused, false);
});

test('rates of a queue: set, listed, removed, and written down', async () => {
  const path = '/api/v1/queues/default/rates';
  const rules = [
    [{ task: 'queue.noop', count: 10, period: 60, burst: 3 },
      { task: 'queue.noop', key: null, each_key: false, count: 10, period: 60, burst: 3 }, '?task=queue.noop'],
    [{ key: 'a/b ü', count: 5 }, { task: null, key: 'a/b ü', each_key: false, count: 5, period: 1, burst: 1 },
      `?key=${encodeURIComponent('a/b ü')}`],
    [{ task: 'queue.noop', each_key: true, count: 0, period: 0.25 },
      { task: 'queue.noop', key: null, each_key: true, count: 0, period: 0.25, burst: 1 }, '?task=queue.noop&each_key=true'],
  ];
  for (const [body, rule] of rules) assert.deepEqual(await admin.must(200, 'PUT', path, body), rule);
  const { rates, total } = await admin.must(200, 'GET', path);
  assert.equal(total, rules.length);
  for (const [, rule] of rules) assert.ok(rates.some((rate) => differences(rule, rate).length === 0), JSON.stringify(rule));
  for (const [, , query] of rules) await admin.must(204, 'DELETE', `${path}${query}`);
  assert.deepEqual((await admin.must(200, 'GET', path)).rates, []);
  const { entries } = await admin.must(200, 'GET', '/api/v1/audit?action=queue.&per_page=20');
  assert.deepEqual(entries.slice(0, 6).map((e) => e.action).sort(),
    [...Array(3).fill('queue.rate_remove'), ...Array(3).fill('queue.rate_set')]);
  assert.deepEqual([entries[0].object_type, entries[0].object_name, entries[0].after.count], ['queue', 'default', 0]);
});

test('rates that make no sense', async () => {
  const path = '/api/v1/queues/default/rates';
  for (const body of [{}, { count: 1 }, { task: 'a', count: -1 }, { task: 'a', count: 1, period: 0 },
    { key: 'a', each_key: true, count: 1 }, { task: '', count: 1 }]) await admin.must(422, 'PUT', path, body);
  await admin.must(422, 'DELETE', path);
  assert.equal((await admin.must(404, 'DELETE', `${path}?task=nothing`)).code, 'QUEUE_RATE_NOT_FOUND');
  assert.equal((await admin.must(404, 'GET', '/api/v1/queues/nothing/rates')).code, 'QUEUE_NOT_FOUND');
});

test('a dead job is tried once more', async () => {
  await tocsin.tool('job', 'enqueue', 'queue.fail', '{"final":true,"message":"no route"}');
  const dead = () => admin.must(200, 'GET', '/api/v1/queues/default/dead');
  const job = await waitFor('its death', async () => (await dead()).jobs[0]);
  const again = await admin.must(202, 'POST', `/api/v1/jobs/${job.id}/retry`);
  assert.equal(again.id, job.id);
  await waitFor('its second death', async () => (await dead()).jobs[0]);
});

test('what is not there', async () => {
  const { jobs, next_cursor: next } = await admin.must(200, 'GET', '/api/v1/queues/checks/dead');
  assert.deepEqual([jobs, next], [[], null]);
  const reply = await admin.must(404, 'GET', `/api/v1/jobs/${NOBODY}`);
  assert.equal(reply.code, 'JOB_NOT_FOUND');
});
