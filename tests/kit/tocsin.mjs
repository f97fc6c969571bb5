// A whole Tocsin for one end to end test file: its own database, its own Redis, its own ports.
//
//   const tocsin = await startTocsin({ daemons: ['api', 'worker'], env: { TOCSIN_LOG_LEVEL: 'debug' } });
//   const reply = await tocsin.request('POST', '/api/v1/checks', { token, body });
//   await tocsin.stop();
//
// Run below tests/kit/servers.sh, which says where PostgreSQL is (make test-e2e does).

import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
// A machine that is busy may take this long; no test that passes does.
const PATIENCE_MS = 60_000;

export const ALL_DAEMONS = ['api', 'scheduler', 'worker', 'notifier', 'ingest'];

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run this through make test-e2e`);
  return value;
}

/** Waits until the function returns something truthy, and returns that. The last error is shown. */
export async function waitFor(what, probe, { timeoutMs = PATIENCE_MS, everyMs = 50 } = {}) {
  const deadline = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

const [PORTS_FROM, RANGES, RANGE] = [12_000, 200, 40];
let range = null; // a promise of its first port
let portsGiven = 0;

/** A server that has the port; null when somebody else has it. */
function bind(port) {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** The first port of a range stays bound: who has it has the range. kit_port of tests/kit/kit.c knows. */
async function rangeOfOurOwn() {
  for (let n = 0; n < RANGES; n += 1) {
    const first = PORTS_FROM + ((process.pid + n) % RANGES) * RANGE;
    const guard = await bind(first);
    if (guard) {
      guard.unref();
      return first;
    }
  }
  throw new Error('all ranges of ports are taken');
}

/**
 * A TCP port that was free a moment ago. Below those that the kernel gives to connections, and from a
 * range that no other test has while this process runs: so it is free for who is killed and comes again.
 */
export async function freePort() {
  const first = await (range ??= rangeOfOurOwn());
  for (let n = 1; n < RANGE; n += 1) {
    const port = first + 1 + (portsGiven++ % (RANGE - 1));
    const server = await bind(port);
    if (server) {
      await new Promise((resolve) => server.close(resolve));
      return port;
    }
  }
  throw new Error('no port is free');
}

/** One child process that logs to a file and can be killed and started again. */
class Process {
  constructor(name, command, args, env, logFile) {
    Object.assign(this, { name, command, args, env, logFile, child: null });
  }

  start() {
    const log = createWriteStream(this.logFile, { flags: 'a' });
    // setpriv: the process goes too when the test runner is killed.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', this.command, ...this.args], {
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        log.end(() => resolve({ code, signal })); // the log is whole when the end is known
      });
      child.once('error', (error) => resolve({ error }));
    });
    this.child = child;
  }

  get running() {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  get pid() {
    return this.child?.pid;
  }

  kill(signal = 'SIGKILL') {
    if (this.running) this.child.kill(signal);
    return this.exited;
  }

  /** Asks, then kills; returns how it ended. */
  async stop() {
    if (!this.running) return this.exited;
    const timer = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE_MS);
    this.child.kill('SIGTERM');
    const end = await this.exited;
    clearTimeout(timer);
    return end;
  }

  log() {
    try {
      return readFileSync(this.logFile, 'utf8');
    } catch {
      return '';
    }
  }
}

class Tocsin {
  constructor() {
    this.processes = new Map();
    this.admin = { email: 'admin@example.test', password: randomBytes(12).toString('hex') };
  }

  /** Base addresses without a slash at the end. */
  get api() {
    return `http://127.0.0.1:${this.ports.api}`;
  }

  get ingest() {
    return `http://127.0.0.1:${this.ports.ingest}`;
  }

  /** The process of a daemon, or of "redis": .pid .running .kill(signal) .start() .stop() .log() */
  process(name) {
    const found = this.processes.get(name);
    if (!found) throw new Error(`no process ${name}`);
    return found;
  }

  /** Starts a daemon, or one more worker under another name, and waits until it is ready. */
  async start(name, env = {}) {
    if (!this.processes.has(name)) await this.#define(name, env);
    const daemon = this.process(name);
    if (!daemon.running) daemon.start();
    await this.#ready(name);
    return daemon;
  }

  async #define(name, env) {
    const kind = name.replace(/-\d+$/, '');
    const port = this.ports[name] ?? (this.ports[name] = await freePort());
    const portName = { api: 'TOCSIN_API_PORT', ingest: 'TOCSIN_INGEST_PORT' }[kind];
    const program = path.join(required('TOCSIN_TEST_BIN'), `tocsin-${kind}`);
    const own = { [portName ?? 'TOCSIN_HEALTH_PORT']: String(port) };
    this.processes.set(
      name,
      new Process(name, program, [], { ...this.env, ...env, ...own }, path.join(this.dir, `${name}.log`)),
    );
  }

  /** Whether a daemon says so; one that does not answer is not. */
  async isReady(name) {
    const url = `http://127.0.0.1:${this.ports[name]}/readyz`;
    return fetch(url, { signal: AbortSignal.timeout(5000) }).then((reply) => reply.ok, () => false);
  }

  async #ready(name) {
    const daemon = this.process(name);
    try {
      await waitFor(
        `${name} to be ready`,
        async () => {
          if (!daemon.running) return 'gone';
          return this.isReady(name);
        },
        { timeoutMs: PATIENCE_MS },
      );
      if (!daemon.running) throw new Error(`${name} stopped while starting`);
    } catch (error) {
      error.message += `\n--- its log:\n${daemon.log().slice(-4000)}`;
      throw error;
    }
  }

  /** Runs the command-line tool; returns { stdout, stderr }, throws when it fails. */
  tool(...args) {
    return run(path.join(required('TOCSIN_TEST_BIN'), 'tocsin'), args, { env: this.env });
  }

  /** Rows of a statement as arrays of text, through psql. */
  async sql(statement) {
    const { stdout } = await run('psql', [
      '-qXAt', '-F', '\x1f', '-v', 'ON_ERROR_STOP=1', '-c', statement, this.databaseUrl,
    ]);
    return stdout.split('\n').filter(Boolean).map((line) => line.split('\x1f'));
  }

  /** A Redis command's reply as text. */
  async redis(...args) {
    const { stdout } = await run('redis-cli', ['-s', this.redisSocket, ...args]);
    return stdout.trim();
  }

  /** An HTTP request to the API: { status, headers, body }, the body parsed when it is JSON. */
  async request(method, target, { token, key, body, headers = {}, base = this.api, timeoutMs = PATIENCE_MS } = {}) {
    const all = { ...headers };
    if (token) all.authorization = `Bearer ${token}`;
    if (key) all['x-api-key'] = key;
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    if (body !== undefined && !raw) all['content-type'] ??= 'application/json';
    const reply = await fetch(base + target, {
      method,
      headers: all,
      body: body === undefined || raw ? body : JSON.stringify(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await reply.text();
    const isJson = (reply.headers.get('content-type') ?? '').includes('json');
    return { status: reply.status, headers: reply.headers, body: isJson && text ? JSON.parse(text) : text };
  }

  /** Stops everything and removes its data. Throws if a daemon did not end well by itself. */
  async stop() {
    const bad = [];
    const daemons = [...this.processes.values()].filter((p) => p.name !== 'redis');
    await Promise.all(
      daemons.map(async (daemon) => {
        if (!daemon.running) return;
        const { code, signal } = await daemon.stop();
        if (code !== 0) bad.push(`${daemon.name} ended with ${signal ?? code}:\n${daemon.log().slice(-4000)}`);
      }),
    );
    await this.processes.get('redis')?.kill();
    await run('psql', ['-qX', '-c', `DROP DATABASE IF EXISTS ${this.database} WITH (FORCE)`,
      required('TOCSIN_TEST_DATABASE_URL')]);
    rmSync(this.dir, { recursive: true, force: true });
    if (bad.length > 0) throw new Error(bad.join('\n'));
  }
}

let instances = 0;

/**
 * Starts the daemons on a fresh, migrated database with an administrator (tocsin.admin).
 * Settings in env reach every daemon. Loopback may be probed, since the tests' peers are there.
 */
export async function startTocsin({ daemons = ALL_DAEMONS, env = {} } = {}) {
  const maintenance = required('TOCSIN_TEST_DATABASE_URL');
  const tocsin = new Tocsin();
  tocsin.dir = mkdtempSync(path.join(required('TOCSIN_TEST_DIR'), 'e2e-'));
  tocsin.database = `e2e_${process.pid}_${(instances += 1)}`;
  tocsin.databaseUrl = maintenance.replace('/postgres?', `/${tocsin.database}?`);
  tocsin.redisSocket = path.join(tocsin.dir, 'redis.sock');
  tocsin.ports = { api: await freePort(), ingest: await freePort() };

  const secret = (name) => {
    const file = path.join(tocsin.dir, name);
    writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 });
    return file;
  };
  tocsin.env = {
    PATH: process.env.PATH,
    TOCSIN_WEB_DIR: path.resolve(required('TOCSIN_TEST_BIN'), '../../web'),
    ...(process.env.TOCSIN_TEST_TRAFFIC ? { TOCSIN_TEST_TRAFFIC: process.env.TOCSIN_TEST_TRAFFIC } : {}),
    TOCSIN_DATABASE_URL: tocsin.databaseUrl,
    TOCSIN_REDIS_URL: `unix://${tocsin.redisSocket}`,
    TOCSIN_API_PORT: String(tocsin.ports.api),
    TOCSIN_INGEST_PORT: String(tocsin.ports.ingest),
    TOCSIN_LISTEN: '127.0.0.1',
    TOCSIN_PUBLIC_URL: tocsin.api,
    TOCSIN_JWT_SECRET_FILE: secret('jwt-secret'),
    TOCSIN_SECRET_KEY_FILE: secret('secret-key'),
    TOCSIN_EGRESS_ALLOW: '127.0.0.0/8,::1/128',
    TOCSIN_ADMIN_EMAIL: tocsin.admin.email,
    TOCSIN_ADMIN_PASSWORD: tocsin.admin.password,
    ...env,
  };

  try {
    const redis = new Process(
      'redis', 'redis-server',
      ['--port', '0', '--unixsocket', tocsin.redisSocket, '--dir', tocsin.dir, '--save', '',
        '--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction'],
      { PATH: process.env.PATH }, path.join(tocsin.dir, 'redis.log'),
    );
    tocsin.processes.set('redis', redis);
    redis.start();
    await run('psql', ['-qX', '-c', `CREATE DATABASE ${tocsin.database}`, maintenance]);
    await waitFor('Redis', async () => (await tocsin.redis('ping')) === 'PONG');
    await tocsin.tool('migrate');
    await tocsin.tool('bootstrap');
    await Promise.all(daemons.map((name) => tocsin.start(name)));
  } catch (error) {
    await tocsin.stop().catch(() => {});
    throw error;
  }
  return tocsin;
}
