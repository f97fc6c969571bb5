// Accounts as clients of other makes see them: an authenticator app of our own, an OAuth 2 client,
// and a reverse proxy that signs people in.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import test from 'node:test';

import { Caller, differences, HttpPeer, signIn, startTocsin, waitFor } from './kit.js';

const tocsin = await startTocsin({ daemons: ['api'], env: { TOCSIN_REGISTRATION: 'open' } });
const admin = await signIn(tocsin);
test.after(() => tocsin.stop());

const PASSWORD = 'a sentence to sign in with';
const like = (example, value) => assert.deepEqual(differences(example, value), [], JSON.stringify(value));

async function newUser(name, role = 'viewer') {
  const email = `${name}@example.test`;
  const user = await admin.must(201, 'POST', '/api/v1/users', { email, password: PASSWORD, role });
  return { user, caller: await signIn(tocsin, { email, password: PASSWORD }), email };
}

/** RFC 6238 as an app computes it, from what the QR code says. */
function codeOf(uri, atMs = Date.now()) {
  const { searchParams: q } = new URL(uri);
  const bits = [...q.get('secret')].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(atMs / 1000 / Number(q.get('period')))));
  const mac = createHmac(q.get('algorithm'), key).update(counter).digest();
  const at = mac.at(-1) & 0xf;
  const digits = Number(q.get('digits'));
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 10 ** digits).padStart(digits, '0');
}

test('the uptime API\'s registration and token', async () => {
  for (const [i, path] of ['/auth/register/', '/api/users/register/', '/api/v1/auth/register'].entries()) {
    const email = `uptime${i}@example.test`;
    const made = await tocsin.request('POST', path, { body: { email, username: `uptime${i}`, password: PASSWORD } });
    assert.equal(made.status, 202, JSON.stringify(made.body));
    const again = await tocsin.request('POST', path, { body: { email, password: `${PASSWORD} twice` } });
    assert.deepEqual([again.status, again.body], [made.status, made.body]);
    const token = await tocsin.request('POST', '/api/users/token', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ username: `uptime${i}`, password: PASSWORD }).toString(),
    });
    assert.equal(token.status, 200);
    like({ access_token: '', token_type: 'bearer' }, token.body);
    const own = new Caller(tocsin, { token: token.body.access_token });
    assert.equal((await own.must(200, 'GET', '/api/v1/users/me')).role, 'owner');
    assert.deepEqual((await own.must(200, 'GET', '/api/v1/users')).users.map((user) => user.email), [email]);
  }
});

test('an address that is taken is not told by the time either', async () => {
  // The CPU time of the API, as what else runs here must not count; it is the hash that would tell.
  const ticks = () => {
    const stat = readFileSync(`/proc/${tocsin.process('api').pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  };
  const work = async (email) => {
    const before = ticks();
    await tocsin.request('POST', '/api/v1/auth/register', { body: { email, password: PASSWORD } });
    return ticks() - before;
  };
  let [free, taken] = [0, 0];
  for (let i = 0; i < 9; i += 1) {
    free += await work(`timing${i}@example.test`);
    taken += await work('timing0@example.test');
  }
  assert.ok(Math.min(free, taken) > 0);
  assert.ok(Math.abs(taken - free) < Math.max(taken, free) * 0.7, `${taken} ticks taken, ${free} free`);
});

test('an authenticator app', async () => {
  const { caller, email, user } = await newUser('app');
  const { otpauth_uri: uri, secret } = await caller.must(200, 'POST', '/api/v1/users/me/totp', { password: PASSWORD });
  assert.equal(new URL(uri).searchParams.get('secret'), secret);
  const { recovery_codes: codes } = await caller.must(200, 'POST', '/api/v1/users/me/totp/confirm', { code: codeOf(uri) });
  assert.equal(new Set(codes).size, 10);
  const login = (otp) => tocsin.request('POST', '/api/v1/auth/login', { body: { email, password: PASSWORD, otp } });
  const half = await login();
  assert.deepEqual([half.status, half.body.code], [401, 'OTP_REQUIRED']);
  // The code of the confirmation is used up: the next one.
  const next = codeOf(uri, Date.now() + 30_000);
  const [one, two] = await Promise.all([login(next), login(next)]);
  assert.deepEqual([one.status, two.status].sort(), [200, 401]);
  const recovered = await Promise.all([login(codes[3]), login(codes[3])]);
  assert.deepEqual(recovered.map((reply) => reply.status).sort(), [200, 401]);

  const fresh = await caller.must(200, 'POST', '/api/v1/users/me/totp/recovery-codes', { password: PASSWORD });
  assert.ok(!fresh.recovery_codes.includes(codes[4]));
  assert.equal((await login(codes[4])).status, 401);
  await caller.must(204, 'POST', '/api/v1/users/me/totp/disable', { password: PASSWORD });
  assert.equal((await login()).status, 200);
  // For one who lost both, an administrator takes the second factor away.
  const { otpauth_uri: other } = await caller.must(200, 'POST', '/api/v1/users/me/totp', { password: PASSWORD });
  await caller.must(200, 'POST', '/api/v1/users/me/totp/confirm', { code: codeOf(other) });
  await admin.must(204, 'DELETE', `/api/v1/users/${user.id}/totp`);
  assert.equal((await login()).status, 200);
});

test('sessions, a new password, the organisation', async () => {
  const { caller, email } = await newUser('owner', 'admin');
  const other = await signIn(tocsin, { email, password: PASSWORD });
  const { sessions } = await other.must(200, 'GET', '/api/v1/auth/sessions');
  const first = sessions.find((session) => !session.is_current);
  await other.must(204, 'DELETE', `/api/v1/auth/sessions/${first.id}`);
  await waitFor('its end', async () => (await caller.call('GET', '/api/v1/users/me')).status === 401);

  const { organisation_id: id } = await other.must(200, 'GET', '/api/v1/users/me');
  const organisation = await other.must(200, 'GET', `/api/v1/organisations/${id}`);
  await other.must(200, 'PATCH', `/api/v1/organisations/${id}`, { name: 'Harbour' });
  assert.equal((await admin.must(200, 'GET', `/api/v1/organisations/${id}`)).name, 'Harbour');
  await other.must(200, 'PATCH', `/api/v1/organisations/${id}`, { name: organisation.name });

  const change = { current_password: PASSWORD, new_password: `${PASSWORD} again` };
  await other.must(204, 'POST', '/api/v1/users/me/password', change);
  await waitFor('the end of all sessions', async () => (await other.call('GET', '/api/v1/users/me')).status === 401);
  await signIn(tocsin, { email, password: change.new_password });
});

test('the API behind a proxy that signs people in', async (t) => {
  const behind = await startTocsin({
    daemons: ['api'],
    env: { TOCSIN_AUTH: 'forward', TOCSIN_TRUSTED_PROXIES: '127.0.0.0/8', TOCSIN_FORWARD_ROLES: 'admins=admin, *=viewer' },
  });
  t.after(() => behind.stop());
  const upstream = new URL(`http://127.0.0.1:${behind.ports.api}`);
  let session = { user: 'ann', groups: 'staff,admins' };
  // As Authelia's nginx snippet has it: what the client says of itself is replaced.
  const proxy = new HttpPeer((request, response, text) => {
    const headers = {
      ...request.headers,
      host: upstream.host,
      'remote-user': session.user,
      'remote-groups': session.groups,
      'remote-email': `${session.user}@example.test`,
      'remote-name': session.user.toUpperCase(),
      'x-forwarded-for': '203.0.113.9',
    };
    const out = http.request(new URL(request.url, upstream), { method: request.method, headers }, (reply) => {
      response.writeHead(reply.statusCode, reply.headers);
      reply.pipe(response);
    });
    out.end(text);
  });
  await proxy.start();
  t.after(() => proxy.stop());
  const call = async (method, path, body, headers = {}) => {
    const reply = await fetch(new URL(path, proxy.url), {
      method, body: body && JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers },
    });
    const got = await reply.text();
    return { status: reply.status, body: got ? JSON.parse(got) : null };
  };

  await t.test('makes an account, with the role of its groups', async () => {
    const me = await call('GET', '/api/v1/users/me', undefined, { 'remote-user': 'boss' });
    assert.equal(me.status, 200);
    const { username, email, name, role, is_external: external } = me.body;
    assert.deepEqual({ username, email, name, role, external },
      { username: 'ann', email: 'ann@example.test', name: 'ANN', role: 'admin', external: true });
  });
  await t.test('records where it came from', async () => {
    const made = await call('POST', '/api/v1/invitations', {});
    assert.equal(made.status, 201);
    const log = await call('GET', `/api/v1/audit?object_id=${made.body.id}`);
    assert.deepEqual(log.body.entries.map((e) => [e.action, e.username, e.address]),
      [['invitation.create', 'ann', '203.0.113.9']]);
  });
  await t.test('has no password here', async () => {
    const reply = await call('POST', '/api/v1/users/me/totp', { password: PASSWORD });
    assert.deepEqual([reply.status, reply.body.code], [409, 'USER_EXTERNAL']);
  });
  await t.test('the role follows the groups', async () => {
    session = { user: 'ann', groups: 'staff' };
    assert.equal((await call('GET', '/api/v1/users/me')).body.role, 'viewer');
    assert.equal((await call('GET', '/api/v1/users')).status, 403);
  });
  await t.test('an account that is switched off stays out', async () => {
    const boss = await signIn(behind);
    const { users } = await boss.must(200, 'GET', '/api/v1/users?search=ann');
    await boss.must(200, 'PATCH', `/api/v1/users/${users[0].id}`, { is_active: false });
    await waitFor('the door to close', async () => (await call('GET', '/api/v1/users/me')).status === 403);
  });
});
