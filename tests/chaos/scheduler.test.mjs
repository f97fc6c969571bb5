// Two schedulers and two workers under some hundred checks: killed, frozen beyond their leases and
// thawed, Redis flushed and killed, clocks set an hour forward and back. Then every slot must have
// one result, or a "missed" with its reason. A failing seed can be replayed:
//   CHAOS_SEED=… CHAOS_KILLS=… make test-chaos T=scheduler

import assert from 'node:assert/strict';
import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import {
  ABSENT_SLOTS, BROKEN_TRANSITIONS, DOUBLED_SLOTS, SEED, between, draw, listen, loop, pause,
} from '../kit/chaos.mjs';
import { startTocsin, waitFor } from '../kit/tocsin.mjs';

const KILLS = Number(process.env.CHAOS_KILLS ?? 8);
const WORKER_LEASE_MS = 1000;
const SCHEDULER_LEASE_MS = 600;
const HOUR_MS = 3600 * 1000;

/** Two of each kind that matters, and checks of a target that writes down each request. */
async function start(t, checks) {
  const tocsin = await startTocsin({
    daemons: ['api', 'scheduler', 'worker'],
    env: {
      TOCSIN_WORKER_LEASE: `${WORKER_LEASE_MS}ms`,
      TOCSIN_SCHEDULER_LEASE: `${SCHEDULER_LEASE_MS}ms`,
      TOCSIN_MISSED_GRACE: '2s',
      TOCSIN_CREDENTIAL_RATE: '1000000',
    },
  });
  t.after(() => tocsin.stop());
  await Promise.all([tocsin.start('scheduler-2'), tocsin.start('worker-2')]);

  const ledger = path.join(tocsin.dir, 'requests');
  appendFileSync(ledger, '');
  const up = Array.from({ length: checks }, () => true);
  const target = await listen((request, reply) => {
    const n = Number(request.url.slice(1));
    appendFileSync(ledger, `${n} ${Date.now()}\n`);
    reply.statusCode = up[n] ? 200 : 503;
    reply.end('tocsin');
  });
  t.after(() => target.server.close());

  const login = await tocsin.request('POST', '/api/v1/auth/login', { body: tocsin.admin });
  const token = login.body.access_token;
  for (let n = 0; n < checks; n += 1) {
    const reply = await tocsin.request('POST', '/api/v1/checks', { token, body: {
      name: `watched ${n}`, plugin_type: 'website', retries: 1, schedule: `every ${1 + (n % 2)} seconds`,
      config: { url: `${target.url}/${n}`, timeout: 2 } } });
    assert.equal(reply.status, 201, JSON.stringify(reply.body));
  }
  const requests = () => readFileSync(ledger, 'utf8').split('\n').filter(Boolean)
    .map((line) => line.split(' ').map(Number));
  const one = async (statement) => Number((await tocsin.sql(statement))[0][0]);
  return { tocsin, up, requests, one };
}

/** What holds for the slots whatever happened. */
async function compareSlots(tocsin) {
  assert.deepEqual(await tocsin.sql(ABSENT_SLOTS), [], 'slots without a result');
  assert.deepEqual(await tocsin.sql(DOUBLED_SLOTS), [], 'slots with two results');
  assert.deepEqual(await tocsin.sql(BROKEN_TRANSITIONS), [], 'gaps in the transitions');
  const silent = await tocsin.sql("SELECT check_id FROM results WHERE status = 'missed' AND message = ''");
  assert.deepEqual(silent, [], 'missed slots without a reason');
}

/** Stops a process for longer than its lease while others go on. */
async function freeze(tocsin, name, leaseMs) {
  const frozen = tocsin.process(name);
  frozen.child.kill('SIGSTOP');
  await pause(leaseMs + between(200, 1500));
  frozen.child.kill('SIGCONT');
}

async function strike(tocsin, count) {
  const dice = draw();
  const which = draw() < 0.5 ? '' : '-2';
  if (dice < 0.7) {
    const name = (dice < 0.45 ? 'scheduler' : 'worker') + which;
    await tocsin.process(name).kill();
    count.killed += 1;
    await pause(between(0, 400));
    await tocsin.start(name);
  } else if (dice < 0.8) {
    await freeze(tocsin, `scheduler${which}`, SCHEDULER_LEASE_MS);
    count.frozen += 1;
  } else if (dice < 0.9) {
    await freeze(tocsin, `worker${which}`, WORKER_LEASE_MS);
    count.frozen += 1;
  } else if (dice < 0.95) {
    assert.equal(await tocsin.redis('flushall'), 'OK');
    count.flushed += 1;
  } else {
    await tocsin.process('redis').kill();
    await pause(between(0, 400));
    tocsin.process('redis').start();
    await waitFor('Redis', async () => (await tocsin.redis('ping')) === 'PONG');
    count.restarted += 1;
  }
}

test(`every slot is settled once through ${KILLS} kills (CHAOS_SEED=${SEED})`, { timeout: 120_000 + KILLS * 5000 }, async (t) => {
  const { tocsin, up, requests, one } = await start(t, 200);
  const stopFlips = loop(async () => {
    const n = between(0, up.length - 1);
    up[n] = !up[n];
    await pause(between(100, 400));
  });
  const count = { killed: 0, frozen: 0, flushed: 0, restarted: 0 };
  while (count.killed < KILLS) {
    await pause(between(100, 900));
    await strike(tocsin, count);
  }
  await stopFlips();
  up.fill(true);

  const endedAt = new Date().toISOString();
  await waitFor('every slot to be settled and every check to be up', async () =>
    (await one(`SELECT count(*) FROM check_state s JOIN checks c ON c.id = s.check_id
                WHERE c.name LIKE 'watched %' AND (s.settled_to < '${endedAt}' OR s.state <> 'up')`)) === 0,
  { timeoutMs: 60_000, everyMs: 250 });
  await compareSlots(tocsin);

  // A result that says what the target said must be one that the target knows of.
  const stored = await tocsin.sql(`SELECT substring(c.name FROM '[0-9]+'), count(*) FROM results r
    JOIN checks c ON c.id = r.check_id WHERE r.status <> 'missed' GROUP BY 1`);
  const asked = new Map();
  for (const [n] of requests()) asked.set(n, (asked.get(n) ?? 0) + 1);
  let results = 0;
  for (const [n, held] of stored) {
    results += Number(held);
    assert.ok(Number(held) <= (asked.get(Number(n)) ?? 0), `check ${n}: results without a request`);
  }
  const runs = [...asked.values()].reduce((sum, n) => sum + n, 0);
  const missed = await tocsin.sql(`SELECT message, count(*) FROM results WHERE status = 'missed' GROUP BY 1`);
  t.diagnostic(`${JSON.stringify(count)}: ${results} results, ${runs - results} runs repeated ` +
    `without effect or on their way; missed: ${JSON.stringify(missed)}`);
});

test(`clock steps of an hour neither stop, burst nor double (CHAOS_SEED=${SEED})`, { timeout: 180_000 }, async (t) => {
  const CHECKS = 40;
  const WATCH_MS = 3000;
  const { tocsin, requests } = await start(t, CHECKS);
  const since = (at) => requests().filter(([, time]) => time >= at);
  const running = async (what) => {
    const at = Date.now();
    await waitFor(what, async () => new Set(since(at).map(([n]) => n)).size === CHECKS,
      { timeoutMs: 30_000 });
  };
  await running('every check to run');

  for (const offset of [HOUR_MS, 0, -HOUR_MS, 0]) {
    const names = ['scheduler', 'scheduler-2'];
    await Promise.all(names.map((name) => tocsin.process(name).kill()));
    for (const name of names) tocsin.process(name).env.TOCSIN_CLOCK_OFFSET_MS = String(offset);
    await Promise.all(names.map((name) => tocsin.start(name)));
    await running(`every check to run with a clock at ${offset} ms`);

    const from = Date.now();
    await pause(WATCH_MS);
    const perCheck = new Map();
    for (const [n] of since(from)) perCheck.set(n, (perCheck.get(n) ?? 0) + 1);
    for (let n = 0; n < CHECKS; n += 1) {
      const expected = WATCH_MS / (1000 * (1 + (n % 2)));
      const runs = perCheck.get(n) ?? 0;
      assert.ok(runs <= expected + 2, `check ${n} ran ${runs} times in ${WATCH_MS} ms at ${offset}: a burst`);
      assert.ok(runs >= 1, `check ${n} stands still at ${offset}`);
    }
    t.diagnostic(`clock at ${offset} ms: ${since(from).length} runs in ${WATCH_MS} ms`);
  }
  await compareSlots(tocsin);
});
