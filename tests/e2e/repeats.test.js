// A request with an Idempotency-Key, whose process is killed between its effect and the record of its
// reply: a repeat, at another process of the API, does it once and no more.

import assert from 'node:assert/strict';
import test from 'node:test';

import { signIn, startTocsin, waitFor } from './kit.js';

const tocsin = await startTocsin({ daemons: ['api'] });
const admin = await signIn(tocsin);
test.after(() => tocsin.stop());

const count = async (what) => Number((await tocsin.sql(`SELECT count(*) FROM ${what}`))[0][0]);
const waiting = async () => (await admin.must(200, 'GET', '/api/v1/queues/checks')).depth;
const check = await admin.must(201, 'POST', '/api/v1/checks',
  { name: 'repeated', plugin_type: 'website', config: { url: 'https://a.example' }, enabled: false });
const schedule = await admin.must(201, 'POST', '/api/v1/schedules',
  { name: 'repeated', task: 'queue.noop', schedule: '@yearly', enabled: false });
await admin.must(201, 'POST', '/api/monitor/urls', { url: 'https://b.example' });

// [what, path, body, the effect as a number, by how much one request moves it, whether a crash leaves it]
const table = (n) => [
  ['a schedule', '/api/v1/schedules', { name: `made ${n}`, task: 'queue.noop', schedule: '@yearly' },
    () => count('schedules'), 1, false],
  ['a run of a schedule', `/api/v1/schedules/${schedule.id}/run`, undefined, () => count('job_outbox'), 1, false],
  ['a pause of a schedule', `/api/v1/schedules/${schedule.id}/pause`, undefined,
    () => count("schedules WHERE name = 'repeated' AND enabled"), 0, false],
  ['a monitored URL', '/api/monitor/urls', { url: `https://${n}.example`, enabled: false }, () => count('checks'), 1, false],
  ['a ticket', '/api/v1/auth/ws-ticket', undefined, () => count('ws_tickets'), 1, false],
  ['tags of many checks', '/api/v1/checks/bulk', { action: 'add_tags', ids: [check.id], tags: [`tag ${n}`] },
    () => count(`checks WHERE 'tag ${n}' = ANY(tags)`), 1, false],
  // The queue took the jobs before the crash, under names that are made of the key.
  ['runs of many checks', '/api/v1/checks/bulk', { action: 'run', ids: [check.id] }, waiting, 1, true],
  ['runs of all URLs', '/run-task', undefined, waiting, 1, true],
];

for (const [n, point] of ['api.after_effect', 'api.before_commit'].entries()) {
  test(`killed at ${point}`, async (t) => {
    for (const [i, [what, path, body, effect, step, stays]] of table(n).entries()) {
      await t.test(what, async () => {
        const options = { headers: { 'idempotency-key': `${point}-${i}` } };
        const before = await effect();
        const doomed = await tocsin.start(`api-${n + 2}`, { TOCSIN_CRASH_AT: point });
        const base = `http://127.0.0.1:${tocsin.ports[`api-${n + 2}`]}`;
        await assert.rejects(admin.call('POST', path, body, { ...options, base }));
        await doomed.exited;
        assert.equal(await effect(), before + (stays ? step : 0));

        // The database may need a moment to see that the one who held the key is gone.
        const first = await waitFor('the key is free', async () => {
          const reply = await admin.call('POST', path, body, options);
          return reply.body?.code === 'IDEMPOTENCY_KEY_IN_USE' ? null : reply;
        });
        assert.ok(first.status < 300, `${first.status} ${JSON.stringify(first.body)}`);
        assert.equal(first.headers.get('idempotency-replayed'), null);
        assert.equal(await effect(), before + step);
        const again = await admin.call('POST', path, body, options);
        assert.equal(again.headers.get('idempotency-replayed'), 'true');
        assert.deepEqual([again.status, again.body], [first.status, first.body]);
        assert.equal(await effect(), before + step);
      });
    }
  });
}

test('what may be done again is, when nobody knows its end', async () => {
  const options = { headers: { 'idempotency-key': 'pause' } };
  const doomed = await tocsin.start('api-2');
  await assert.rejects(admin.call('POST', '/api/v1/queues/checks/pause', undefined,
    { ...options, base: `http://127.0.0.1:${tocsin.ports['api-2']}` }));
  await doomed.exited;
  const early = await admin.call('POST', '/api/v1/queues/checks/pause', undefined, options);
  assert.deepEqual([early.status, early.body.code], [409, 'IDEMPOTENCY_KEY_IN_USE']);
  await tocsin.sql("UPDATE idempotency_keys SET running_until = now() WHERE key = 'pause'");
  const later = await admin.must(200, 'POST', '/api/v1/queues/checks/pause', undefined, options);
  assert.equal(later.paused, true);
  const again = await admin.call('POST', '/api/v1/queues/checks/pause', undefined, options);
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
});

test('a wrong password counts, also with a key', async () => {
  const tries = async () => Number((await tocsin.sql('SELECT coalesce(sum(failures), 0) FROM login_failures'))[0][0]);
  const before = await tries();
  const options = { headers: { 'idempotency-key': 'wrong' } };
  const body = { password: 'not mine' };
  for (let i = 0; i < 2; i += 1) {
    assert.equal((await admin.call('POST', '/api/v1/users/me/totp', body, options)).status, 422);
  }
  assert.ok(await tries() >= before + 2);
});
