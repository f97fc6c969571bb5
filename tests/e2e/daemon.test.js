// What every daemon does alike: options, health, self-test, draining, bad settings.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';

import { startTocsin, waitFor } from './kit.js';
import { ALL_DAEMONS, freePort } from '../kit/tocsin.mjs';

const bin = process.env.TOCSIN_TEST_BIN;
const daemons = ALL_DAEMONS.filter((name) => existsSync(path.join(bin, `tocsin-${name}`)));

function run(name, args, env = {}) {
  return new Promise((resolve) => {
    execFile(path.join(bin, `tocsin-${name}`), args, { env: { PATH: process.env.PATH, ...env }, timeout: 60_000 },
      (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
}

test('options', async (t) => {
  assert.ok(daemons.length > 0);
  for (const name of daemons) {
    await t.test(name, async () => {
      const help = await run(name, ['--help']);
      assert.equal(help.code, 0);
      assert.match(help.stdout, new RegExp(`^tocsin-${name}: .+\\n\\nUsage: tocsin-${name} `));
      assert.match(help.stdout, /TOCSIN_DATABASE_URL/);
      assert.doesNotMatch(help.stdout, /TOCSIN_CRASH_AT/);
      assert.match((await run(name, ['--version'])).stdout, /^tocsin-\w+ \d+\.\d+\.\d+\n$/);
      const self = await run(name, ['--self-test']);
      assert.deepEqual([self.code, self.stdout], [0, 'self-test passed\n']);
      const unknown = await run(name, ['--frobnicate']);
      assert.equal(unknown.code, 2);
      assert.match(unknown.stderr, /unknown option --frobnicate/);
    });
  }
});

test('bad settings are refused, each with its name', async () => {
  const cases = [
    [{ TOCSIN_DRAIN_GRACE: 'soon' }, /TOCSIN_DRAIN_GRACE: not a duration/],
    [{ TOCSIN_LOG_LEVEL: 'loud' }, /TOCSIN_LOG_LEVEL/],
    [{ TOCSIN_LOG_FORMAT: 'xml' }, /TOCSIN_LOG_FORMAT/],
    [{ TOCSIN_API_PORT: '70000' }, /TOCSIN_API_PORT: must be between 0 and 65535/],
    [{ TOCSIN_CONFIG: '/nonexistent' }, /nonexistent/],
  ];
  for (const [env, wanted] of cases) {
    const { code, stderr } = await run('api', [], env);
    assert.notEqual(code, 0);
    assert.match(stderr, wanted);
    const line = JSON.parse(stderr.trim().split('\n').at(-1));
    assert.equal(line.event, 'start_refused');
  }
});

test('health, and draining', async (t) => {
  const tocsin = await startTocsin({ daemons: ['api'] });
  t.after(() => tocsin.stop());
  const api = tocsin.process('api');

  const live = await tocsin.request('GET', '/livez');
  assert.equal(live.status, 200);
  assert.equal(live.body.service, 'api');
  const ready = await tocsin.request('GET', '/readyz');
  assert.equal(ready.status, 200);
  const item = (name) => ready.body.items.find((i) => i.name === name);
  assert.deepEqual([item('database').ok, item('database').required], [true, true]);
  assert.equal(item('redis').required, false);
  const metrics = await tocsin.request('GET', '/metrics');
  assert.match(metrics.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  assert.match(metrics.body, /^tocsin_http_requests_total\{code="2xx"\} \d+$/m);
  assert.match(metrics.body, /^process_resident_memory_bytes \d+$/m);

  await t.test('without Redis it is degraded, and still serves', async () => {
    await tocsin.process('redis').kill();
    await waitFor('degraded', async () => (await tocsin.request('GET', '/readyz')).body.status === 'degraded');
    assert.equal((await tocsin.request('GET', '/readyz')).status, 200);
    const health = await tocsin.request('GET', '/api/v1/health');
    assert.deepEqual([health.status, health.body.redis_available], [200, false]);
    tocsin.process('redis').start();
    await waitFor('ok', async () => (await tocsin.request('GET', '/readyz')).body.status === 'ok');
  });

  await t.test('TERM lets it end by itself', async () => {
    const { code } = await api.stop();
    assert.equal(code, 0);
    const events = api.log().trim().split('\n').map((line) => JSON.parse(line).event);
    for (const wanted of ['ready', 'stopping', 'stopped']) assert.ok(events.includes(wanted), wanted);
    await assert.rejects(fetch(tocsin.api));
  });

  await t.test('a second signal ends it at once', async () => {
    await tocsin.start('api');
    // A request that is not complete keeps it draining.
    const socket = net.connect(tocsin.ports.api, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{');
    await waitFor('the request', async () => {
      const { body } = await tocsin.request('GET', '/metrics');
      return /^tocsin_http_requests_in_flight 2$/m.test(body);
    });
    api.child.kill('SIGTERM');
    await waitFor('stopping', () => api.log().includes('"event":"stopping"'));
    await waitFor('the drain', async () => fetch(`${tocsin.api}/livez`).then(() => false, () => true));
    api.child.kill('SIGTERM');
    const { code } = await api.exited;
    assert.equal(code, 130);
    socket.destroy();
  });
});

test('a port in use is said, not hidden', async () => {
  const port = await freePort();
  const server = net.createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { code, stderr } = await run('api', [], {
    TOCSIN_API_PORT: String(port), TOCSIN_LISTEN: '127.0.0.1',
    TOCSIN_JWT_SECRET: 'x'.repeat(40), TOCSIN_SECRET_KEY: 'ab'.repeat(32),
  });
  server.close();
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`cannot listen on 127.0.0.1 port ${port}`));
});
