// Three schedulers and three workers under some hundred checks: killed, from outside and at edges
// within, frozen beyond their leases and thawed, Redis flushed, killed and robbed of the end of its file,
// clocks set an hour forward and back. Then every slot must have one result of its own: none lost, none
// doubled, none missed. A failing seed can be replayed:
//   CHAOS_SEED=… CHAOS_KILLS=… make test-chaos T=scheduler

import assert from 'node:assert/strict';
import {
  appendFileSync, closeSync, copyFileSync, openSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync,
} from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import {
  ABSENT_SLOTS, BROKEN_TRANSITIONS, DOUBLED_SLOTS, MISSED_SLOTS, SEED, between, draw, kills, listen, loop, pause, unsettled,
} from '../kit/chaos.mjs';
import { startTocsin, waitFor } from '../kit/tocsin.mjs';

const KILLS = kills(0.4, 16);
const WORKER_LEASE_MS = 1000;
const SCHEDULER_LEASE_MS = 600;
const HOUR_MS = 3600 * 1000;
const TAIL_BYTES = 65536; // of Redis's file may be lost: some seconds
const SCHEDULERS = ['scheduler', 'scheduler-2', 'scheduler-3'];
const WORKERS = ['worker', 'worker-2', 'worker-3'];
// Where a kill from outside seldom falls.
const EDGES = {
  scheduler: ['scheduler.before_dispatch', 'scheduler.after_dispatch'],
  worker: ['worker.after_fetch', 'worker.after_probe', 'recorder.before_commit', 'recorder.after_commit', 'queue.before_ack'],
};

/** The fleet, checks of every one to three seconds, and a target that writes down each request. */
async function start(t, { checks, schedulers, workers }) {
  const tocsin = await startTocsin({
    daemons: ['api'],
    env: {
      TOCSIN_WORKER_LEASE: `${WORKER_LEASE_MS}ms`,
      TOCSIN_SCHEDULER_LEASE: `${SCHEDULER_LEASE_MS}ms`,
      TOCSIN_MISSED_GRACE: '30s',
      TOCSIN_CREDENTIAL_RATE: '1000000',
    },
  });
  t.after(() => tocsin.stop());
  const clocks = new Map();
  for (const name of [...schedulers, ...workers]) {
    const file = path.join(tocsin.dir, `${name}.clock`);
    clocks.set(name, clockFile(file));
    await tocsin.start(name, { TOCSIN_CLOCK_FILE: file });
  }

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
      name: `watched ${n}`, plugin_type: 'website', retries: 1, schedule: `every ${1 + (n % 3)} seconds`,
      config: { url: `${target.url}/${n}`, timeout: 20 } } });
    assert.equal(reply.status, 201, JSON.stringify(reply.body));
  }
  const requests = () => readFileSync(ledger, 'utf8').split('\n').filter(Boolean)
    .map((line) => line.split(' ').map(Number));
  return { tocsin, up, requests, clocks };
}

/** A file from which a running process reads by how much its machine's clock is wrong. */
function clockFile(file) {
  const set = (ms) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(ms));
    const fd = openSync(file, 'r+');
    writeSync(fd, bytes, 0, 8, 0);
    closeSync(fd);
  };
  appendFileSync(file, Buffer.alloc(8));
  return { set };
}

/** With CHAOS_KEEP=folder, what the daemons said and what befell them is there after a failure. */
async function keep(tocsin) {
  const folder = process.env.CHAOS_KEEP;
  if (!folder) return;
  for (const file of readdirSync(tocsin.dir)) {
    if (/\.log$|^fate$/.test(file)) copyFileSync(path.join(tocsin.dir, file), path.join(folder, file));
  }
  const results = await tocsin.sql(`SELECT c.name, r.slot_at, r.status, r.executed_at FROM results r
    JOIN checks c ON c.id = r.check_id WHERE r.status = 'missed' ORDER BY r.slot_at LIMIT 1000`);
  writeFileSync(path.join(folder, 'missed'), results.map((row) => row.join(' ')).join('\n'));
}

/** What holds for the slots whatever happened. */
async function compareSlots(tocsin) {
  try {
    await compare(tocsin);
  } catch (error) {
    await keep(tocsin);
    throw error;
  }
}

async function compare(tocsin) {
  assert.deepEqual(await tocsin.sql(ABSENT_SLOTS), [], 'slots without a result');
  assert.deepEqual(await tocsin.sql(DOUBLED_SLOTS), [], 'slots with two results');
  assert.deepEqual(await tocsin.sql(BROKEN_TRANSITIONS), [], 'gaps in the transitions');
  assert.deepEqual(await tocsin.sql(MISSED_SLOTS), [], 'missed slots');
  assert.equal(await tocsin.redis('xlen', '{q:checks:0}:dead'), '0', 'dead letters');
}

/** The checks have all their results up to this moment, and are up again. */
function settled(tocsin) {
  const question = unsettled(new Date().toISOString());
  return waitFor('every slot to have its result and every check to be up', async () =>
    (await tocsin.sql(question)).length === 0 && (await tocsin.sql(ABSENT_SLOTS)).length === 0,
  { timeoutMs: 90_000, everyMs: 250 });
}

/** The fleet's misfortunes. Nothing here waits for a process to be ready again. */
class Fate {
  constructor(tocsin) {
    this.tocsin = tocsin;
    this.count = { killed: 0, frozen: 0, flushed: 0, restarted: 0, cut: 0 };
    this.back = new Map(); // when a dead process is started again
    this.ready = new Set([...SCHEDULERS, ...WORKERS]);
    this.running = [];
    this.stopTending = loop(async () => {
      this.tend();
      await this.look();
      await pause(20);
    });
  }

  /** Who ended at an edge is dead as well; the dead come back when their time has come. */
  tend() {
    for (const name of [...SCHEDULERS, ...WORKERS]) {
      const daemon = this.tocsin.process(name);
      if (daemon.running) continue;
      if (!this.back.has(name)) {
        daemon.env.TOCSIN_CRASH_AT = ''; // once: who always dies of it does no work
        this.bury(name, 200);
      }
      if (Date.now() < this.back.get(name)) continue;
      this.back.delete(name);
      daemon.start();
      this.say('born', name, daemon.pid, daemon.env.TOCSIN_CRASH_AT ?? '');
    }
  }

  /** Who is at work by now. */
  async look() {
    await Promise.all([...SCHEDULERS, ...WORKERS].map(async (name) => {
      const { pid, running } = this.tocsin.process(name);
      if (!running || this.ready.has(name) || !(await this.tocsin.isReady(name))) return;
      if (this.tocsin.process(name).pid === pid) this.ready.add(name);
    }));
  }

  say(...words) {
    appendFileSync(path.join(this.tocsin.dir, 'fate'), `${new Date().toISOString()} ${words.join(' ')}\n`);
  }

  bury(name, ms) {
    this.say('dead', name, this.tocsin.process(name).pid, ms);
    this.count.killed += 1;
    this.ready.delete(name);
    this.back.set(name, Date.now() + ms);
  }

  /** One in five dies young. */
  kill(names) {
    const name = names[between(0, names.length - 1)];
    const edges = EDGES[name.replace(/-\d+$/, '')];
    const [ms, edge, nth] = [between(0, 400), between(0, 3 * edges.length), between(1, 60)];
    const isAnybody = between(0, 4) === 0;
    const daemon = this.tocsin.process(name);
    if (!daemon.running || !(isAnybody || this.ready.has(name))) return;
    // The next life ends at an edge, one in four.
    daemon.env.TOCSIN_CRASH_AT = edge < edges.length ? `${edges[edge]}:${nth}` : '';
    daemon.child.kill('SIGKILL');
    this.bury(name, ms);
  }

  /** Stops a process for longer than its lease while others go on. */
  freeze(names, leaseMs) {
    const [name, ms] = [names[between(0, names.length - 1)], leaseMs + between(200, 1500)];
    const { child, running } = this.tocsin.process(name);
    if (!running) return;
    child.kill('SIGSTOP');
    this.say('frozen', name, child.pid, ms);
    this.count.frozen += 1;
    this.running.push(pause(ms).then(() => child.kill('SIGCONT')));
  }

  /** Kills Redis; now and then the end of its file is gone when it comes back. */
  async restartRedis() {
    const [ms, cut] = [between(0, 400), between(0, 1) * between(1, TAIL_BYTES)];
    const redis = this.tocsin.process('redis');
    this.say('redis', ms, cut);
    await redis.kill();
    if (cut > 0) {
      const dir = path.join(this.tocsin.dir, 'appendonlydir');
      const file = path.join(dir, readdirSync(dir).find((name) => name.endsWith('.incr.aof')));
      truncateSync(file, Math.max(statSync(file).size - cut, 0));
      this.count.cut += 1;
    }
    await pause(ms);
    redis.start();
    await waitFor('Redis', async () => (await this.tocsin.redis('ping')) === 'PONG');
    this.say('redis is back');
    this.count.restarted += 1;
  }

  async strike() {
    const dice = draw();
    if (dice < 0.45) this.kill(SCHEDULERS);
    else if (dice < 0.8) this.kill(WORKERS);
    else if (dice < 0.86) this.freeze(SCHEDULERS, SCHEDULER_LEASE_MS);
    else if (dice < 0.92) this.freeze(WORKERS, WORKER_LEASE_MS);
    else if (dice < 0.96) {
      this.say('flush');
      assert.equal(await this.tocsin.redis('flushall'), 'OK');
      this.count.flushed += 1;
    } else await this.restartRedis();
  }

  /** All live and stay alive from here on. */
  async end() {
    await Promise.all(this.running);
    await this.stopTending();
    for (const name of [...SCHEDULERS, ...WORKERS]) {
      const daemon = this.tocsin.process(name);
      await daemon.kill();
      delete daemon.env.TOCSIN_CRASH_AT;
      this.count.killed += 1;
      await this.tocsin.start(name);
    }
  }
}

test(`every slot has its result through ${KILLS} kills (CHAOS_SEED=${SEED})`, { timeout: 120_000 + KILLS * 5000 }, async (t) => {
  const fleet = await start(t, { checks: 150, schedulers: SCHEDULERS, workers: WORKERS });
  const { tocsin, up, requests } = fleet;
  const stopFlips = loop(async () => {
    const n = between(0, up.length - 1);
    up[n] = !up[n];
    await pause(between(100, 400));
  });
  const fate = new Fate(tocsin);
  while (fate.count.killed < KILLS) {
    await pause(between(50, 700));
    await fate.strike();
  }
  await stopFlips();
  await fate.end();
  up.fill(true);
  await settled(tocsin);
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
  const late = await tocsin.sql(`SELECT round(max(late)::numeric, 1),
    round(percentile_cont(0.99) WITHIN GROUP (ORDER BY late)::numeric, 1) FROM (
      SELECT extract(epoch FROM executed_at - slot_at) AS late FROM results
      WHERE trigger = 'schedule') r`);
  t.diagnostic(`${JSON.stringify(fate.count)}: ${results} results, none missed; ${runs - results} runs repeated ` +
    `without effect or on their way; run after their slot: max ${late[0][0]} s, p99 ${late[0][1]} s`);
});

test(`clock steps of an hour neither stop, burst nor double (CHAOS_SEED=${SEED})`, { timeout: 360_000 }, async (t) => {
  const CHECKS = 42;
  const WATCH_MS = 2500;
  const LATE_MS = 10_000;
  const [schedulers, workers] = [SCHEDULERS.slice(0, 2), WORKERS.slice(0, 2)];
  const fleet = await start(t, { checks: CHECKS, schedulers, workers });
  const { tocsin, requests, clocks } = fleet;
  const since = (at) => requests().filter(([, time]) => time >= at);
  await waitFor('every check to run', async () => new Set(requests().map(([n]) => n)).size === CHECKS);

  for (const offset of [HOUR_MS, -HOUR_MS, 0]) {
    const from = Date.now();
    // One after the other, as machines do; and one of each begins its life with the wrong clock.
    for (const clock of clocks.values()) {
      clock.set(offset);
      await pause(between(0, 50));
    }
    for (const name of [schedulers, workers].map((names) => names[between(0, 1)])) {
      await tocsin.process(name).kill();
      await tocsin.start(name);
    }
    await pause(WATCH_MS);
    await waitFor(`every check to go on at ${offset}`, async () => new Set(since(from).map(([n]) => n)).size === CHECKS);
    const watchedMs = Date.now() - from;
    const perCheck = new Map();
    for (const [n] of since(from)) perCheck.set(n, (perCheck.get(n) ?? 0) + 1);
    for (let n = 0; n < CHECKS; n += 1) {
      // What was up to ten seconds late runs slot by slot; an hour would be hundreds.
      const expected = (watchedMs + LATE_MS) / (1000 * (1 + (n % 3)));
      const runs = perCheck.get(n);
      assert.ok(runs <= expected + 3, `check ${n} ran ${runs} times in ${watchedMs} ms at ${offset}: a burst`);
    }
    t.diagnostic(`clocks at ${offset} ms: ${since(from).length} runs in ${watchedMs} ms`);
  }
  await settled(tocsin);
  await compareSlots(tocsin);
});
