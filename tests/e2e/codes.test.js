// Refusals that take some doing: limits that nobody reaches by hand, and what somebody else's program
// left in Redis.

import assert from 'node:assert/strict';
import test from 'node:test';

import { signIn, startTocsin } from './kit.js';

const tocsin = await startTocsin({ daemons: ['api', 'ingest'] });
const admin = await signIn(tocsin);
const { organisation_id: org } = await admin.must(200, 'GET', '/api/v1/users/me');
test.after(() => tocsin.stop());

const check = (name) => ({ name, plugin_type: 'website', config: { url: 'https://example.com' } });

async function assertRefused(status, code, ...call) {
  const reply = await admin.call(...call);
  assert.deepEqual([reply.status, reply.body.code], [status, code], JSON.stringify(reply.body));
}

test('metrics of another server than the key is for', async () => {
  const make = (slug) => admin.must(201, 'POST', '/api/v1/servers', { name: slug, host: '192.0.2.1', slug });
  const [own] = [await make('own'), await make('other')];
  const { key } = await admin.must(201, 'POST', '/api/v1/api-keys', { name: 'agent', server_id: own.id });
  const post = (agent) => tocsin.request('POST', '/api/v1/ingest/metrics', {
    key, base: tocsin.ingest, body: { agent_id: agent, time: new Date().toISOString(), metrics: [{ metric_type: 'cpu', metric_name: 'usage_percent', value: 1, tags: {} }] } });
  const refused = await post('other');
  assert.deepEqual([refused.status, refused.body.code], [403, 'AGENT_FORBIDDEN']);
  assert.equal((await post('own')).status, 202);
});

test('a delivery that has not failed', async () => {
  const channel = await admin.must(201, 'POST', '/api/v1/channels', { name: 'Waits', type: 'email', config: { to: ['a@b.example'] } });
  const id = await tocsin.sql(`INSERT INTO outbox (id, org_id, event, sequence, channel_id, channel_type, payload)
    VALUES (gen_random_uuid(), '${org}', 'channel.test', 1, '${channel.id}', 'email', '{}') RETURNING id`);
  await assertRefused(409, 'DELIVERY_NOT_FAILED', 'POST', `/api/v1/deliveries/${id}/retry`);
});

test('more schedules than an organisation may have', async () => {
  const schedule = (name) => ({ name, task: 'queue.noop', schedule: 'every 1 hour' });
  await tocsin.sql(`INSERT INTO schedules (id, org_id, name, task, schedule, shard, enabled)
    SELECT gen_random_uuid(), '${org}', 'filler ' || n, 'queue.noop', 'every 1 hour', 0, false FROM generate_series(1, 9999) n`);
  const last = await admin.must(201, 'POST', '/api/v1/schedules', schedule('the last'));
  await assertRefused(409, 'SCHEDULES_FULL', 'POST', '/api/v1/schedules', schedule('one more'));
  await admin.must(204, 'DELETE', `/api/v1/schedules/${last.id}`);
  await admin.must(201, 'POST', '/api/v1/schedules', schedule('one more'));
});

test('more checks than fit a file', async () => {
  await admin.must(201, 'POST', '/api/v1/checks', check('exported'));
  const fill = (count) => tocsin.sql(`INSERT INTO checks (id, org_id, name, kind, plugin_type, schedule, shard, enabled)
    SELECT gen_random_uuid(), '${org}', 'filler', 'website', 'website', 'every 1 hour', 0, false FROM generate_series(1, ${count})`);
  await fill(1999);
  await admin.must(200, 'GET', '/api/v1/checks/export');
  await fill(1);
  await assertRefused(413, 'EXPORT_TOO_LARGE', 'GET', '/api/v1/checks/export');
  await admin.must(200, 'GET', '/api/v1/checks/export?q=exported');
  await tocsin.sql("DELETE FROM checks WHERE name = 'filler'");
});

test('more rates than a queue may have', async () => {
  const rate = (task) => admin.call('PUT', '/api/v1/queues/default/rates', { task, count: 1 });
  assert.equal((await rate('queue.noop')).status, 200);
  const [key] = (await tocsin.redis('--scan', '--pattern', '{q:default:*}:rates')).split('\n');
  await tocsin.redis('HSET', key, ...Array.from({ length: 255 }, (_, i) => [`filler.${i}`, '1 1000 1']).flat());
  await assertRefused(409, 'QUEUE_RATES_FULL', 'PUT', '/api/v1/queues/default/rates', { task: 'queue.echo', count: 1 });
  assert.equal((await rate('queue.noop')).status, 200);
});

test('a job that cannot be read', async () => {
  await tocsin.tool('job', 'enqueue', 'queue.echo', '{"n":1}');
  const { jobs: [job] } = await admin.must(200, 'GET', '/api/v1/jobs?task=queue.echo');
  const [stream] = (await tocsin.redis('--scan', '--pattern', '{q:default:*}:p?')).split('\n');
  const dead = stream.replace(/p\d$/, 'dead');
  // Its id is there, and its priority is none.
  await tocsin.redis('EVAL', `local job = cmsgpack.unpack(redis.call('XRANGE', KEYS[1], '-', '+')[1][2][2])
    redis.call('DEL', KEYS[1])
    job[5] = 'high'
    return redis.call('XADD', KEYS[2], '*', 'j', cmsgpack.pack(job))`, '2', stream, dead);
  await assertRefused(409, 'JOB_UNREADABLE', 'GET', `/api/v1/jobs/${job.id}`);
  await assertRefused(409, 'JOB_UNREADABLE', 'DELETE', `/api/v1/jobs/${job.id}`);
  await assertRefused(409, 'JOB_UNREADABLE', 'POST', `/api/v1/jobs/${job.id}/retry`);
});

test('a secret that nobody can open any more', async () => {
  const hook = { name: 'Hook', type: 'webhook', config: { url: 'https://example.com', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' } };
  const { id } = await admin.must(201, 'POST', '/api/v1/channels', hook);
  await tocsin.sql(`UPDATE channels SET secret = '\\x00' WHERE id = '${id}'`);
  await assertRefused(500, 'CORRUPT', 'PUT', `/api/v1/channels/${id}`, { config: { url: 'https://example.com/other' } });
});

// The last one. While Redis is busy with filling, nobody asks it.
test('a full queue', async () => {
  const { id } = await admin.must(201, 'POST', '/api/v1/checks', check('run'));
  await tocsin.process('api').stop();
  await tocsin.redis('CONFIG', 'SET', 'appendonly', 'no');
  await tocsin.redis('EVAL', "for i = 1, 1000000 do redis.call('XADD', KEYS[1], i .. '-1', 'j', '') end", '1', '{q:checks:0}:p0');
  await tocsin.start('api');
  await assertRefused(503, 'QUEUE_FULL', 'POST', `/api/v1/checks/${id}/run`);
});
