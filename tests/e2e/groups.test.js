// Jobs that people ask for: one, a group with a callback, a chain; what becomes of them on real
// workers, and with one that is killed in the middle.

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { randomUUID } from 'node:crypto';

import { HttpPeer, signIn, startTocsin, waitFor } from './kit.js';

const NOBODY = '01890000-0000-7000-8000-000000000000';
const GROUPS = '/api/v1/jobs/groups';
const CHAINS = '/api/v1/jobs/chains';
let tocsin, owner, site;

// A website that counts requests by path, and keeps those below /held until it lets go.
async function startSite() {
  const held = [];
  const peer = new HttpPeer((request, response) => {
    peer.hits[request.url] = (peer.hits[request.url] ?? 0) + 1;
    const answer = () => response.end('well');
    if (peer.holding && request.url.startsWith('/held')) held.push(answer);
    else answer();
  });
  peer.hits = {};
  peer.holding = false;
  peer.letGo = () => {
    peer.holding = false;
    held.splice(0).forEach((answer) => answer());
  };
  return peer.start();
}

before(async () => {
  site = await startSite();
  tocsin = await startTocsin({ daemons: ['api', 'scheduler', 'worker'], env: { TOCSIN_WORKER_LEASE: '2s' } });
  owner = await signIn(tocsin);
});

after(async () => {
  site?.letGo();
  await tocsin?.stop();
  await site?.stop();
});

async function check(path) {
  const made = await owner.must(201, 'POST', '/api/v1/checks', {
    name: path, plugin_type: 'website', config: { url: `${site.url}${path}` }, enabled: false,
    schedule: 'every 1 day', timeout: 60,
  });
  return made.id;
}
const run = (id, more) => ({ task: 'check.run', args: { check_id: id }, ...more });
const echo = (args, more) => ({ task: 'queue.echo', args, ...more });
const ask = (body, options) => owner.must(201, 'POST', GROUPS, body, options);
const group = (id) => owner.must(200, 'GET', `${GROUPS}/${id}`);
const job = (id) => owner.must(200, 'GET', `/api/v1/jobs/${id}`);
const members = async (id, query = '') => (await owner.must(200, 'GET', `${GROUPS}/${id}/jobs${query}`)).jobs;
const until = (what, id, reached) => waitFor(what, async () => {
  const found = await group(id);
  return reached(found) && found;
}, { timeoutMs: 60_000 });
const end = (id) => until('the end of the group', id, (found) => found.pending === 0);
const callbackEnd = (id) => until('the end of the callback', id, (found) => found.callback?.state === 'succeeded');
const jobEnd = (id) => waitFor('the end of the job', async () => {
  const { status, body } = await owner.call('GET', `/api/v1/jobs/${id}`);
  return status === 200 && ['succeeded', 'dead', 'cancelled', 'expired'].includes(body.state) && body;
}, { timeoutMs: 60_000 });

/* --- one --- */

test('a job that is asked for is there at once, and runs', async () => {
  const made = await owner.must(201, 'POST', '/api/v1/jobs', echo({ n: 1 }, { priority: 1 }));
  assert.deepEqual([made.task, made.queue], ['queue.echo', 'default']);
  const shown = await job(made.id);
  assert.deepEqual([shown.id, shown.task, shown.group_id, shown.chain], [made.id, 'queue.echo', null, []]);
  const ended = await jobEnd(made.id);
  assert.deepEqual([ended.state, ended.result.args], ['succeeded', { n: 1 }]);
});

test('a delayed job is cancelled before its time', async () => {
  const made = await owner.must(201, 'POST', '/api/v1/jobs', echo({}, { delay: 3600, expires: 60 }));
  const shown = await job(made.id);
  assert.equal(shown.state, 'delayed');
  assert.equal(Date.parse(shown.expires_at) - Date.parse(shown.due_at), 60_000);
  await owner.must(200, 'DELETE', `/api/v1/jobs/${made.id}`);
  assert.equal((await jobEnd(made.id)).state, 'cancelled');
});

test('what is not taken, and why', async () => {
  const noop = { task: 'queue.noop' };
  const rows = [
    [GROUPS, { jobs: [] }, 'jobs'],
    [GROUPS, { jobs: Array(10_001).fill(noop) }, 'jobs', /10000/],
    [GROUPS, { jobs: [noop, { task: 'no.such' }] }, 'jobs.1.task', /queue\.noop/],
    [GROUPS, { jobs: [noop, run(NOBODY)] }, 'jobs.1.args', /no check/],
    [GROUPS, { jobs: [{ task: 'check.run' }] }, 'jobs.0.args.check_id'],
    [GROUPS, { jobs: [noop], callback: { task: 'no.such' } }, 'callback.task'],
    [GROUPS, { jobs: [noop], callback: run(NOBODY) }, 'callback.args', /no check/],
    [GROUPS, { jobs: Array(1001).fill(noop), callback: { ...noop, pass_results: true } }, 'callback.pass_results', /1000/],
    [GROUPS, { jobs: Array.from({ length: 33 }, (_, i) => ({ ...noop, queue: `q${i}` })) }, 'jobs', /32/],
    [GROUPS, { jobs: [{ ...noop, queue: 'No Name' }] }, 'jobs.0.queue'],
    [GROUPS, { jobs: [noop, { ...noop, queue: 'checks' }] }, 'jobs.1.queue'],
    [CHAINS, { jobs: [] }, 'jobs'],
    [CHAINS, { jobs: Array(17).fill(noop) }, 'jobs', /16/],
    [CHAINS, { jobs: [{ ...noop, pass_result: true }] }, 'jobs.0.pass_result'],
    [CHAINS, { jobs: [noop, { ...noop, args: { x: 'x'.repeat(40_000) }, pass_result: true }] }, 'jobs.1.args'],
    ['/api/v1/jobs', { task: 'check.scheduled' }, 'task'],
    ['/api/v1/jobs', { ...noop, priority: 4 }, 'priority'],
    ['/api/v1/jobs', run(NOBODY), 'args'],
  ];
  for (const [path, body, where, why = /./] of rows) {
    const { errors } = await owner.must(422, 'POST', path, body);
    const [first] = errors;
    assert.equal(first.loc.slice(1).join('.'), where, JSON.stringify(errors));
    assert.match(first.msg, why);
  }
  const large = { ...noop, args: { x: 'x'.repeat(20_000) } };
  assert.equal((await owner.must(413, 'POST', CHAINS, { jobs: Array(8).fill(large) })).code, 'TOO_LARGE');
  assert.equal((await owner.must(404, 'GET', `${GROUPS}/${NOBODY}`)).code, 'JOB_GROUP_NOT_FOUND');
  await owner.must(404, 'GET', `${GROUPS}/${NOBODY}/jobs`);
  await owner.must(404, 'DELETE', `${GROUPS}/${NOBODY}`);
});

test('no more jobs are taken than there is room for', async () => {
  const noop = { task: 'queue.noop' };
  await tocsin.process('scheduler').stop();
  await tocsin.sql(`INSERT INTO job_outbox (queue, job) SELECT 'default', '\\x00' FROM generate_series(1, 99999)`);
  try {
    assert.equal((await owner.must(503, 'POST', GROUPS, { jobs: [noop, noop] })).code, 'QUEUE_FULL');
    await owner.must(201, 'POST', CHAINS, { jobs: [noop] }); // the last place
    assert.equal((await owner.must(503, 'POST', '/api/v1/jobs', noop)).code, 'QUEUE_FULL');
  } finally {
    await tocsin.sql(`DELETE FROM job_outbox WHERE job = '\\x00'`);
    await tocsin.start('scheduler');
  }
});

/* --- chains --- */

test('a chain passes its results on, and shows what follows', async () => {
  const { jobs, count } = await owner.must(201, 'POST', CHAINS, {
    jobs: [echo({ step: 1 }), echo({ step: 2 }, { pass_result: true }), echo({ step: 3 }, { queue: 'default' })],
  });
  assert.equal(count, 3);
  const first = await job(jobs[0].id);
  assert.deepEqual(first.chain, [jobs[1].id, jobs[2].id]);
  const last = await jobEnd(jobs[2].id);
  assert.deepEqual([last.state, last.result.args, last.result.previous], ['succeeded', { step: 3 }, undefined]);
  const second = await job(jobs[1].id);
  assert.deepEqual(second.result.previous.args, { step: 1 });
  assert.deepEqual(second.chain, [jobs[2].id]);
  assert.deepEqual((await job(jobs[0].id)).chain, [jobs[1].id, jobs[2].id]);
});

test('a chain ends where a job does not succeed', async () => {
  const { jobs } = await owner.must(201, 'POST', CHAINS, {
    jobs: [{ task: 'queue.fail', args: { final: true } }, echo({})],
  });
  assert.equal((await jobEnd(jobs[0].id)).state, 'dead');
  const dropped = await job(jobs[1].id);
  assert.deepEqual([dropped.state, dropped.awaits_job], ['dropped', jobs[0].id]);
  assert.equal((await owner.must(409, 'DELETE', `/api/v1/jobs/${jobs[1].id}`)).code, 'JOB_ENDED');
});

test('a job of a chain that has not come yet is waiting, and may be cancelled', async () => {
  const { jobs } = await owner.must(201, 'POST', CHAINS, {
    jobs: [echo({}, { delay: 3600 }), echo({ step: 2 }, { priority: 1 }), echo({}), echo({})],
  });
  const second = await job(jobs[1].id);
  assert.deepEqual([second.id, second.state, second.task, second.queue, second.priority, second.args],
    [jobs[1].id, 'waiting', 'queue.echo', 'default', 1, { step: 2 }]);
  assert.deepEqual([second.awaits_job, second.awaits_group, second.chain, second.enqueued_at],
    [jobs[0].id, null, [jobs[2].id, jobs[3].id], null]);
  assert.deepEqual([(await job(jobs[3].id)).state, (await job(jobs[3].id)).awaits_job], ['waiting', jobs[2].id]);
  assert.equal((await owner.must(409, 'POST', `/api/v1/jobs/${jobs[1].id}/retry`)).code, 'JOB_NOT_DEAD');

  const cancelled = await owner.must(200, 'DELETE', `/api/v1/jobs/${jobs[2].id}`);
  assert.deepEqual([cancelled.state, cancelled.cancel_requested], ['waiting', true]);
  assert.equal((await job(jobs[2].id)).cancel_requested, true);
  assert.equal((await job(jobs[1].id)).cancel_requested, false);

  await owner.must(200, 'DELETE', `/api/v1/jobs/${jobs[0].id}`);
  assert.equal((await jobEnd(jobs[0].id)).state, 'cancelled');
  assert.equal((await job(jobs[3].id)).state, 'dropped');
});

test('a job of a chain that is cancelled before it comes ends when it comes', async () => {
  site.holding = true;
  const { jobs } = await owner.must(201, 'POST', CHAINS, { jobs: [run(await check('held/chain')), echo({}), echo({})] });
  await waitFor('the first to run', () => site.hits['/held/chain'] === 1);
  await owner.must(200, 'DELETE', `/api/v1/jobs/${jobs[1].id}`);
  assert.equal((await job(jobs[1].id)).state, 'waiting');
  site.letGo();
  assert.equal((await jobEnd(jobs[1].id)).state, 'cancelled');
  assert.equal((await job(jobs[2].id)).state, 'dropped');
});

/* --- groups --- */

test('the callback of a group gets the results in their order', async () => {
  const made = await ask({
    jobs: [echo({ n: 0 }), run(await check('group')), echo({ n: 2 })],
    callback: echo({ all: true }, { pass_results: true }),
  });
  assert.deepEqual([made.total, made.lenient, made.status, made.callback.state], [3, false, 'running', 'waiting']);
  const list = await members(made.id);
  assert.deepEqual(list.map(({ index, queue }) => [index, queue]), [[0, 'default'], [1, 'checks'], [2, 'default']]);
  assert.equal((await job(list[0].id)).group_id, made.id);
  const ended = await callbackEnd(made.id);
  assert.deepEqual([ended.status, ended.succeeded, ended.failed, ended.pending], ['succeeded', 3, 0, 0]);
  const { previous } = (await job(made.callback.id)).result;
  assert.deepEqual([previous.group, previous.total, previous.succeeded, previous.left_out], [made.id, 3, 3, 0]);
  assert.deepEqual([previous.results[0].args, previous.results[2].args], [{ n: 0 }, { n: 2 }]);
  assert.match(previous.results[1].result_id, /^[0-9a-f-]{36}$/);
  assert.deepEqual((await members(made.id, '?limit=2&offset=1')).map((one) => [one.index, one.state]),
    [[1, 'succeeded'], [2, 'succeeded']]);
  assert.equal((await owner.must(409, 'DELETE', `${GROUPS}/${made.id}`)).code, 'JOB_GROUP_ENDED');
  assert.equal((await job(list[0].id)).group_id, made.id); // also of one that has ended
});

test('a job that fails: the callback of a strict group does not come, that of a lenient one does', async () => {
  const jobs = [echo({}), { task: 'queue.fail', args: { final: true } }, echo({}, { delay: 0 })];
  const strict = await ask({ jobs, callback: echo({}) });
  const lenient = await ask({ jobs, callback: echo({}, { pass_results: true }), lenient: true });
  const failed = await end(strict.id);
  assert.deepEqual([failed.status, failed.succeeded, failed.failed, failed.callback.state], ['failed', 2, 1, 'dropped']);
  assert.deepEqual((await members(strict.id)).map((one) => one.state), ['succeeded', 'dead', 'succeeded']);
  const completed = await callbackEnd(lenient.id);
  assert.deepEqual([completed.status, completed.failed], ['completed', 1]);
  assert.equal((await job(lenient.callback.id)).result.previous.results[1], null);
  const dropped = await job(strict.callback.id);
  assert.deepEqual([dropped.state, dropped.awaits_group], ['dropped', strict.id]);
});

test('a cancelled group', async () => {
  const made = await ask({ jobs: [echo({}), ...Array(5).fill(echo({}, { delay: 3600 }))], callback: echo({}), lenient: true });
  const callback = await job(made.callback.id);
  assert.deepEqual([callback.state, callback.awaits_group, callback.awaits_job], ['waiting', made.id, null]);
  await until('the first to end', made.id, (found) => found.succeeded === 1);
  const cancelled = await owner.must(200, 'DELETE', `${GROUPS}/${made.id}`);
  assert.deepEqual([cancelled.status, cancelled.callback.state], ['cancelled', 'dropped']);
  const ended = await end(made.id);
  assert.deepEqual([ended.status, ended.succeeded, ended.failed], ['cancelled', 1, 5]);
  assert.equal((await job(made.callback.id)).state, 'dropped');
});

test('a group without a callback', async () => {
  const made = await ask({ jobs: [{ task: 'queue.noop' }] });
  assert.equal(made.callback, null);
  assert.equal((await end(made.id)).status, 'succeeded');
});

test('a repeat with the same key is the same group', async () => {
  const options = { headers: { 'idempotency-key': randomUUID() } };
  const body = { jobs: [echo({}), echo({})], callback: echo({}) };
  const first = await ask(body, options);
  const again = await ask(body, options);
  assert.equal(again.id, first.id);
  assert.equal((await callbackEnd(first.id)).succeeded, 2);
  await owner.must(422, 'POST', GROUPS, { ...body, lenient: true }, options);
});

test("another organisation's groups, a key without its scopes, tasks of the installation", async () => {
  const made = await ask({ jobs: [echo({})] });
  const foreign = randomUUID();
  await tocsin.sql(`INSERT INTO organisations (id, name) VALUES ('${foreign}', 'Another')`);
  await tocsin.sql(`INSERT INTO users (id, org_id, username, email, password_hash, role)
    SELECT gen_random_uuid(), '${foreign}', 'stranger', 'stranger@example.test', password_hash, 'owner'
    FROM users WHERE email = '${tocsin.admin.email}'`);
  const stranger = await signIn(tocsin, { ...tocsin.admin, email: 'stranger@example.test' });
  await stranger.must(404, 'GET', `${GROUPS}/${made.id}`);
  await stranger.must(404, 'GET', `${GROUPS}/${made.id}/jobs`);
  await stranger.must(404, 'DELETE', `${GROUPS}/${made.id}`);
  const { jobs } = await owner.must(201, 'POST', CHAINS, { jobs: [echo({}, { delay: 3600 }), echo({})] });
  await stranger.must(404, 'GET', `/api/v1/jobs/${jobs[1].id}`);
  await stranger.must(422, 'POST', GROUPS, { jobs: [echo({})] });
  await stranger.must(422, 'POST', GROUPS, { jobs: [run(await check('mine'))] });
  const own = await stranger.must(201, 'POST', GROUPS, { jobs: [{ task: 'queue.noop' }] });
  await waitFor('its end', async () => (await stranger.must(200, 'GET', `${GROUPS}/${own.id}`)).status === 'succeeded');
  await owner.must(404, 'GET', `${GROUPS}/${own.id}`);

  const { key } = await owner.must(201, 'POST', '/api/v1/api-keys', { name: 'jobs', scopes: ['jobs:write'] });
  const { status, body } = await tocsin.request('POST', GROUPS, { key, body: { jobs: [run(await check('scope'))] } });
  assert.deepEqual([status, body.code], [403, 'INSUFFICIENT_SCOPE']);
});

/* --- what breaks --- */

test('a worker is killed in the middle of a group of 200: its callback comes once', async () => {
  const [held, callback] = [await check('held'), await check('called')];
  site.holding = true;
  const made = await ask({
    jobs: [...Array(20).fill(run(held)), ...Array(180).fill({ task: 'queue.noop' })], callback: run(callback),
  });
  await waitFor('checks under way', () => site.hits['/held'] >= 5, { timeoutMs: 30_000 });
  await until('others to have ended', made.id, (found) => found.succeeded >= 20);
  await tocsin.process('worker').kill();
  assert.ok((await group(made.id)).pending > 0);
  site.letGo();
  await tocsin.start('worker');
  const ended = await callbackEnd(made.id);
  assert.deepEqual([ended.status, ended.succeeded, ended.failed], ['succeeded', 200, 0]);
  const { total } = await owner.must(200, 'GET', `/api/v1/results/check/${callback}`);
  assert.equal(total, 1);
  assert.equal(site.hits['/called'], 1);
});

test('Redis forgets: so does the group, and its jobs run all the same', async () => {
  await tocsin.process('worker').stop();
  const made = await ask({ jobs: [echo({ n: 1 })], callback: echo({}) });
  const [member] = await members(made.id);
  await tocsin.redis('flushall');
  await owner.must(404, 'GET', `${GROUPS}/${made.id}`);
  await tocsin.start('worker');
  assert.equal((await jobEnd(member.id)).state, 'succeeded');
  await owner.must(404, 'GET', `/api/v1/jobs/${made.callback.id}`);
});
