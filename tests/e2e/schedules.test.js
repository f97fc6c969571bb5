// Schedules of tasks from end to end: created over HTTP, followed by the scheduler, run by workers;
// run by hand; paused, and deleted.

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { signIn, startTocsin, startWebsite, waitFor } from './kit.js';

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

const create = (more) => caller.must(201, 'POST', '/api/v1/schedules', { schedule: '@yearly', ...more });
const get = (id) => caller.must(200, 'GET', `/api/v1/schedules/${id}`);

test('a schedule runs a check, sees how its jobs end, and stops when it is paused', async () => {
  const check = await caller.must(201, 'POST', '/api/v1/checks', {
    name: 'by a schedule',
    plugin_type: 'website',
    config: { url: site.url },
    enabled: false,
    schedule: 'every 1 day',
  });
  const made = await create({ name: 'often', task: 'check.run', args: { check_id: check.id }, schedule: '1s' });
  const results = () => caller.must(200, 'GET', `/api/v1/results/check/${check.id}`);
  const page = await waitFor('two results', async () => {
    const found = await results();
    return found.total >= 2 && found;
  });
  for (const result of page.results) assert.equal(result.trigger, 'manual');
  // One result a slot: the job carries the slot's time.
  const slots = page.results.map((result) => result.scheduled_at);
  assert.equal(new Set(slots).size, slots.length);

  await caller.must(200, 'POST', `/api/v1/schedules/${made.id}/pause`);
  const ended = await waitFor('the end of the last run', async () => {
    const schedule = await get(made.id);
    return schedule.last_job?.state === 'succeeded' && schedule;
  });
  assert.equal(ended.next_run, null);
  const job = await caller.must(200, 'GET', `/api/v1/jobs/${ended.last_job.id}`);
  assert.equal(job.state, 'succeeded');
  await caller.must(204, 'DELETE', `/api/v1/schedules/${made.id}`);
});

test('a run by hand goes through the outbox and ends', async () => {
  const made = await create({ name: 'by hand', task: 'queue.noop', args: { n: 1 }, enabled: false });
  const run = await caller.must(202, 'POST', `/api/v1/schedules/${made.id}/run`);
  const job = await waitFor('its job', async () => {
    const { status, body } = await caller.call('GET', `/api/v1/jobs/${run.job_id}`);
    return status === 200 && body.state === 'succeeded' && body;
  });
  assert.equal(job.task, 'queue.noop');
  const schedule = await get(made.id);
  assert.deepEqual(schedule.last_job, { id: run.job_id, queue: 'default', state: 'succeeded' });
});

test('a schedule that is only looked at', async () => {
  const preview = await caller.must(200, 'GET', '/api/v1/schedules/preview?schedule=every%201%20hour&count=3');
  assert.equal(preview.next_runs.length, 3);
  assert.equal(Date.parse(preview.next_runs[2]) - Date.parse(preview.next_runs[0]), 2 * 3600_000);
});

test("housekeeping is the installation's own", async () => {
  const { schedules } = await caller.must(200, 'GET', '/api/v1/schedules?is_system=true&sort=name');
  const names = schedules.map((schedule) => schedule.name);
  assert.deepEqual(names.slice(0, 3), ['system.cleanup', 'system.partitions', 'system.retention']);
  const [cleanup] = schedules;
  await caller.must(403, 'DELETE', `/api/v1/schedules/${cleanup.id}`);
  const run = await caller.must(202, 'POST', `/api/v1/schedules/${cleanup.id}/run`);
  await waitFor('its end', async () => {
    const { last_job: job } = await get(cleanup.id);
    return job?.id === run.job_id && job.state === 'succeeded';
  });
});
