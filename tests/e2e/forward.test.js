// Behind nginx that asks Authelia who somebody is, with the very lines of docs/accounts.md. A small
// server answers as Authelia's /api/authz/auth-request does: 200 with Remote-* headers, or 401.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';

import { freePort } from '../kit/tocsin.mjs';
import { HttpPeer, signIn, startTocsin, waitFor } from './kit.js';

const NGINX = '127.0.0.2'; // where nginx comes from, and nobody else here
const people = {
  ann: { groups: 'dev,admins', email: 'ann@example.test', name: 'Ann' },
  bert: { groups: 'dev' },
  eve: { groups: '' },
};

function findNginx() {
  try {
    return execFileSync('sh', ['-c', 'PATH=$PATH:/usr/sbin command -v nginx'], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}
const nginx = findNginx();
if (!nginx) console.log('forward.test.js: nginx is not installed (Debian package nginx): left out');

/** nginx with the documented locations, in a folder of its own; returns its base address and stop(). */
async function startNginx(authelia, api) {
  const text = readFileSync(new URL('../../docs/accounts.md', import.meta.url), 'utf8');
  const [, snippet] = /```nginx\n([\s\S]*?)```/.exec(text);
  const locations = snippet.replace('http://authelia:9091/', authelia).replace('http://tocsin-api:8080', api);
  assert.ok(locations.includes(authelia) && locations.includes(api));
  const dir = mkdtempSync(path.join(tmpdir(), 'tocsin-nginx-'));
  const port = await freePort();
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/${kind};`);
  writeFileSync(path.join(dir, 'nginx.conf'), `
    daemon off; worker_processes 1; pid ${dir}/pid; error_log stderr warn;
    events {}
    http { access_log off; ${temp.join(' ')}
      server { listen 127.0.0.1:${port}; proxy_bind ${NGINX}; ${locations} } }`);
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', nginx, '-p', dir, '-c', `${dir}/nginx.conf`],
    { stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = new Promise((resolve) => { child.once('close', resolve); });
  const base = `http://127.0.0.1:${port}`;
  await waitFor('nginx', () => fetch(`${base}/health`).then(() => true));
  return {
    base,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** fetch merges headers of one name and sets Host and Sec-Fetch-… itself: this sends what it is told. */
function send(base, method, target, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(new URL(target, base), { method, headers }, (reply) => {
      const chunks = [];
      reply.on('data', (chunk) => chunks.push(chunk));
      reply.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = /json/.test(reply.headers['content-type'] ?? '');
        resolve({ status: reply.statusCode, headers: reply.headers, body: isJson ? JSON.parse(text) : text });
      });
    });
    request.on('error', reject);
    request.end();
  });
}

test('behind nginx and Authelia', { skip: nginx ? false : 'nginx is not installed' }, async (t) => {
  const tocsin = await startTocsin({
    daemons: ['api'],
    env: { TOCSIN_AUTH: 'forward', TOCSIN_TRUSTED_PROXIES: NGINX, TOCSIN_FORWARD_ROLES: 'admins=admin, dev=viewer' },
  });
  t.after(() => tocsin.stop());
  const asked = [];
  const authelia = new HttpPeer((request, response) => {
    const who = /session=(\w+)/.exec(request.headers.cookie ?? '')?.[1];
    asked.push({ url: request.headers['x-original-url'], method: request.headers['x-original-method'] });
    if (!people[who]) return response.writeHead(401).end();
    const { groups, email, name } = people[who];
    response.writeHead(200, {
      'Remote-User': who, 'Remote-Groups': groups, ...(email && { 'Remote-Email': email, 'Remote-Name': name }),
    });
    return response.end();
  });
  await authelia.start();
  t.after(() => authelia.stop());
  const proxy = await startNginx(authelia.url, tocsin.api);
  t.after(() => proxy.stop());
  const as = (who, target, headers = {}, method = 'GET') =>
    send(proxy.base, method, target, { ...(who && { cookie: `session=${who}` }), ...headers });
  const forged = { 'remote-user': 'ann', 'remote-groups': 'admins', 'remote-email': 'root@example.test', 'remote-name': 'Root' };

  await t.test('who has a session is known, with the role of the groups', async () => {
    const { status, body } = await as('ann', '/api/v1/users/me');
    assert.equal(status, 200, JSON.stringify(body));
    const { username, email, name, role, is_external: external } = body;
    assert.deepEqual({ username, email, name, role, external },
      { username: 'ann', email: 'ann@example.test', name: 'Ann', role: 'admin', external: true });
    assert.deepEqual(asked.at(-1), { url: `${proxy.base}/api/v1/users/me`, method: 'GET' });
  });
  await t.test('who has none does not come through', async () => {
    assert.equal((await as(null, '/api/v1/users/me')).status, 401);
    assert.equal((await as(null, '/api/v1/users/me', forged)).status, 401);
    assert.equal((await as('nobody', '/api/v1/users/me', forged)).status, 401);
  });
  await t.test('what a client says of itself is replaced, and left out where Authelia says nothing', async () => {
    const { status, body } = await as('bert', '/api/v1/users/me', forged);
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual([body.username, body.role], ['bert', 'viewer']);
    assert.notEqual(body.email, forged['remote-email']);
    assert.notEqual(body.name, forged['remote-name']);
    assert.equal((await as('bert', '/api/v1/users', forged)).status, 403);
    // In other spellings, and twice.
    for (const name of ['Remote_User', 'REMOTE-USER', 'remote-User']) {
      assert.equal((await as('bert', '/api/v1/users/me', { [name]: 'ann' })).body.username, 'bert');
    }
    const twice = await as('bert', '/api/v1/users/me', { 'Remote-User': ['ann', 'boss'], 'Remote-Groups': ['admins', 'admins'] });
    assert.equal(twice.body.username, 'bert');
  });
  await t.test('groups without a role are refused', async () => {
    assert.equal((await as('eve', '/api/v1/users/me', forged)).status, 403);
  });
  await t.test('the verdict cannot be asked for from outside', async () => {
    assert.equal((await as('ann', '/internal/authelia/authz')).status, 404);
  });
  await t.test('the address in the records is the client\'s, not the one that it names', async () => {
    const made = await as('ann', '/api/v1/invitations', { 'x-forwarded-for': '203.0.113.7', 'content-length': '0' }, 'POST');
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const log = await as('ann', `/api/v1/audit?object_id=${made.body.id}`);
    assert.deepEqual(log.body.entries.map((e) => [e.username, e.address]), [['ann', '127.0.0.1']]);
  });
  await t.test('a change that another site asks for is refused', async () => {
    const crossed = await as('ann', '/api/v1/invitations', { 'sec-fetch-site': 'cross-site', 'content-length': '0' }, 'POST');
    assert.deepEqual([crossed.status, crossed.body.code], [403, 'FORBIDDEN']);
  });
  await t.test('from anywhere else the headers mean nothing', async () => {
    for (const headers of [forged, { ...forged, 'x-forwarded-for': NGINX }, { ...forged, forwarded: `for=${NGINX}` }]) {
      const direct = await send(tocsin.api, 'GET', '/api/v1/users/me', headers);
      assert.deepEqual([direct.status, direct.body.code], [401, 'UNAUTHENTICATED']);
    }
    // Who has a token of his own stays himself, whatever else he says.
    const boss = await signIn(tocsin);
    const reply = await send(tocsin.api, 'GET', '/api/v1/users/me',
      { ...forged, authorization: `Bearer ${boss.credentials.token}` });
    assert.equal(reply.body.email, tocsin.admin.email);
  });
});
