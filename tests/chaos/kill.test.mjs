// Kills daemons at random moments under load (kill -9), then compares what was promised with what
// is there: an append-only ledger on our side against the stores. A failing seed can be replayed:
//   CHAOS_SEED=… CHAOS_KILLS=… make test-chaos

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  ABSENT_SLOTS, BROKEN_TRANSITIONS, DOUBLED_SLOTS, MISSED_SLOTS, SEED, between, draw, kills, listen, loop, pause, unsettled,
} from '../kit/chaos.mjs';
import { ALL_DAEMONS, startTocsin, waitFor } from '../kit/tocsin.mjs';

const KILLS = kills(0.1, 12);
const TARGETS = 12;

/** Ends one daemon after the other, all five kinds in turn, each in the middle of its work. */
async function killAround(tocsin, t) {
  const names = [...ALL_DAEMONS, 'worker-2'];
  let order = [];
  for (let n = 0; n < KILLS; n += 1) {
    if (order.length === 0) order = names.map((name) => [draw(), name]).sort().map(([, name]) => name);
    const name = order.pop();
    await pause(between(50, 700));
    await tocsin.process(name).kill();
    t.diagnostic(`killed ${name}`);
    await pause(between(0, 300));
    await tocsin.start(name);
  }
}

test(`nothing accepted is lost through ${KILLS} kills (CHAOS_SEED=${SEED})`, { timeout: 110_000 + KILLS * 4000 }, async (t) => {
  const tocsin = await startTocsin({
    env: {
      TOCSIN_WORKER_LEASE: '1s',
      TOCSIN_SCHEDULER_LEASE: '600ms',
      TOCSIN_MISSED_GRACE: '30s',
      TOCSIN_CREDENTIAL_RATE: '1000000',
    },
  });
  t.after(() => tocsin.stop());
  await tocsin.start('worker-2');

  // --- peers: what is watched, and who is told ---
  const up = Array.from({ length: TARGETS }, () => true);
  const target = await listen((request, reply) => {
    reply.statusCode = up[Number(request.url.slice(1))] ? 200 : 503;
    reply.end('tocsin');
  });
  const received = new Map();
  const receiver = await listen((request, reply) => {
    request.resume();
    request.on('end', () => {
      const id = request.headers['webhook-id'];
      received.set(id, (received.get(id) ?? 0) + 1);
      reply.end();
    });
  });
  t.after(() => {
    target.server.close();
    receiver.server.close();
  });

  const login = await tocsin.request('POST', '/api/v1/auth/login', { body: tocsin.admin });
  assert.equal(login.status, 200);
  const token = login.body.access_token;
  const made = async (path, body) => {
    const reply = await tocsin.request('POST', path, { token, body });
    assert.equal(reply.status, 201, JSON.stringify(reply.body));
    return reply.body;
  };
  await made('/api/v1/channels', { name: 'ledger', type: 'webhook', is_default: true,
    config: { url: `${receiver.url}/hook` } });
  const server = await made('/api/v1/servers', { name: 'chaos-agent', host: '127.0.0.1' });
  const { key } = await made('/api/v1/api-keys', { name: 'agent', server_id: server.id });
  for (let n = 0; n < TARGETS; n += 1) {
    await made('/api/v1/checks', { name: `watched ${n}`, plugin_type: 'website', retries: 1,
      config: { url: `${target.url}/${n}`, timeout: 20 }, schedule: 'every 1 second' });
  }

  // --- load, with a ledger of what was answered ---
  const samples = { accepted: new Set(), refused: new Set(), unknown: new Set() };
  let sequence = 0;
  const stopSamples = loop(async () => {
    const value = (sequence += 1);
    const body = { agent_id: server.slug, time: new Date().toISOString(),
      metrics: [{ metric_type: 'chaos', metric_name: 'sequence', value, tags: {} }] };
    samples.unknown.add(value);
    const reply = await tocsin.request('POST', '/api/v1/ingest/metrics',
      { key, body, base: tocsin.ingest, timeoutMs: 5000 });
    if (reply.status === 202 && reply.body.accepted === 1) samples.accepted.add(value);
    else samples.refused.add(value);
    samples.unknown.delete(value);
    await pause(20);
  });
  const checks = { accepted: new Set(), unknown: new Set() };
  const stopChecks = loop(async () => {
    const name = `ledger ${(sequence += 1)}`;
    checks.unknown.add(name);
    const reply = await tocsin.request('POST', '/api/v1/checks', { token, timeoutMs: 5000,
      body: { name, plugin_type: 'website', config: { url: target.url }, schedule: '5', enabled: false } });
    checks.unknown.delete(name);
    if (reply.status === 201) checks.accepted.add(name);
    await pause(60);
  });
  const stopFlips = loop(async () => {
    const n = between(0, TARGETS - 1);
    up[n] = !up[n];
    await pause(between(100, 400));
  });

  await killAround(tocsin, t);
  const endedAt = new Date();
  await Promise.all([stopSamples(), stopChecks(), stopFlips()]);

  // --- let it come to rest ---
  up.fill(true);
  const rest = { timeoutMs: 90_000, everyMs: 250 };
  const one = async (statement) => Number((await tocsin.sql(statement))[0][0]);
  await waitFor('every slot to have its result and every watched check to be up', async () =>
    (await tocsin.sql(unsettled(endedAt.toISOString()))).length === 0 &&
    (await tocsin.sql(ABSENT_SLOTS)).length === 0, rest);
  await waitFor('the outbox to be empty', async () =>
    (await one("SELECT count(*) FROM outbox WHERE status = 'pending'")) === 0, rest);
  await waitFor('the accepted samples to be readable', async () =>
    (await one('SELECT count(*) FROM scrapes')) >= samples.accepted.size, rest);

  // --- samples: each accepted one exactly once, the unanswered ones at most once, no other ---
  const latest = await tocsin.request('GET', `/api/v1/metrics/latest/${server.slug}?limit=10000`, { token });
  assert.equal(latest.status, 200);
  const times = new Map();
  for (const { value } of latest.body.metrics) times.set(value, (times.get(value) ?? 0) + 1);
  for (const value of samples.accepted) assert.equal(times.get(value), 1, `sample ${value} was accepted`);
  for (const [value, count] of times) {
    assert.equal(count, 1, `sample ${value} is there ${count} times`);
    assert.ok(!samples.refused.has(value), `sample ${value} was refused and is there`);
  }

  // --- checks: each acknowledged one exactly once ---
  const names = new Map(await tocsin.sql("SELECT name, count(*) FROM checks WHERE name LIKE 'ledger %' GROUP BY name"));
  for (const name of checks.accepted) assert.equal(names.get(name), '1', `${name} was created`);
  for (const name of names.keys()) assert.ok(checks.accepted.has(name) || checks.unknown.has(name), name);

  // --- slots: one result each, none missed, none absent ---
  const absent = await tocsin.sql(ABSENT_SLOTS);
  assert.deepEqual(absent, [], 'slots without a result');
  assert.deepEqual(await tocsin.sql(MISSED_SLOTS), [], 'missed slots');
  const odd = await tocsin.sql(DOUBLED_SLOTS);
  assert.deepEqual(odd, [], 'slots with two results');

  // --- transitions: one unbroken chain a check; an incident for each fall ---
  const broken = await tocsin.sql(BROKEN_TRANSITIONS);
  assert.deepEqual(broken, [], 'gaps in the transitions');
  const falls = await one("SELECT count(*) FROM transitions WHERE to_state = 'down'");
  assert.ok(falls > 0, 'no check went down: the test proved nothing');
  assert.equal(await one('SELECT count(*) FROM incidents'), falls);
  assert.equal(await one("SELECT count(*) FROM incidents WHERE status <> 'resolved'"), 0);

  // --- notifications: two an incident, each delivered at least once under its own id ---
  assert.equal(await one('SELECT count(*) FROM outbox'), 2 * falls);
  assert.equal(await one("SELECT count(*) FROM outbox WHERE status <> 'delivered'"), 0);
  assert.equal(received.size, 2 * falls);

  const duplicates = [...received.values()].reduce((sum, count) => sum + count - 1, 0);
  const stored = await one('SELECT count(*) FROM results');
  t.diagnostic(`${samples.accepted.size} samples and ${checks.accepted.size} checks accepted, ` +
    `${stored} results (none missed), ${falls} incidents, ${duplicates} webhooks sent twice`);
});
