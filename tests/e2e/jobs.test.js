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
    const { jobs } = await admin.must(200, 'GET', '/api/v1/jobs?queue=checks&state=queued&task=check.scheduled');
    return jobs[0];
  }, { timeoutMs: 30_000 });
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

test('what is not there', async () => {
  const { jobs, next_cursor: next } = await admin.must(200, 'GET', '/api/v1/queues/checks/dead');
  assert.deepEqual([jobs, next], [[], null]);
  const reply = await admin.must(404, 'GET', `/api/v1/jobs/${NOBODY}`);
  assert.equal(reply.code, 'JOB_NOT_FOUND');
});
