// Bad input of every sort, and the problem document that answers it.

import assert from 'node:assert/strict';
import test from 'node:test';

import { signIn, startTocsin } from './kit.js';

const NOBODY = '01890000-0000-7000-8000-000000000000';
const tocsin = await startTocsin({ daemons: ['api'] });
const admin = await signIn(tocsin);
test.after(() => tocsin.stop());

/** What api.md promises of every failure. */
function assertProblem(reply, status, code) {
  const body = reply.body;
  assert.equal(reply.status, status, JSON.stringify(body));
  assert.equal(reply.headers.get('content-type'), 'application/problem+json');
  for (const key of ['type', 'title', 'detail', 'code', 'request_id']) assert.equal(typeof body[key], 'string', key);
  assert.equal(body.status, status);
  assert.equal(body.request_id, reply.headers.get('x-request-id'));
  assert.equal(body.error.code, body.code);
  for (const key of ['message', 'details']) assert.equal(typeof body.error[key], 'string', key);
  assert.match(body.code, /^[A-Z][A-Z0-9_]+$/);
  if (code) assert.equal(body.code, code);
  if (status === 422) {
    assert.ok(body.errors.length > 0);
    for (const error of body.errors) {
      assert.ok(Array.isArray(error.loc) && ['body', 'query', 'path'].includes(error.loc[0]), JSON.stringify(error));
      assert.equal(typeof error.msg, 'string');
      assert.equal(typeof error.type, 'string');
    }
  }
  if (status === 401) assert.match(reply.headers.get('www-authenticate'), /^Bearer/);
  if (status === 405) assert.match(reply.headers.get('allow'), /OPTIONS/);
  if (status === 429 || status === 503) assert.match(reply.headers.get('retry-after'), /^\d+$/);
  assert.equal(reply.headers.get('x-content-type-options'), 'nosniff');
}

const check = (changes = {}) => ({
  name: 'a', plugin_type: 'website', config: { url: 'https://example.com' }, schedule: 'every 5 minutes', ...changes,
});

// [what, method, path, body, status, code, the field that errors must name]
const table = [
  ['an unknown path', 'GET', '/api/v1/nope', undefined, 404, 'NOT_FOUND'],
  ['the root', 'GET', '/api', undefined, 404],
  ['a wrong method', 'PATCH', '/api/v1/auth/login', {}, 405, 'METHOD_NOT_ALLOWED'],
  ['a wrong method on the health page', 'DELETE', '/health', undefined, 405],
  ['broken JSON', 'POST', '/api/v1/checks', '{"name":', 400, 'MALFORMED_REQUEST'],
  ['no body', 'POST', '/api/v1/checks', '', 400, 'MALFORMED_REQUEST'],
  ['a NUL in a string', 'POST', '/api/v1/checks', '{"name":"a\\u0000"}', 400],
  ['a duplicate key', 'POST', '/api/v1/checks', '{"name":"a","name":"b"}', 400],
  ['nesting without end', 'POST', '/api/v1/checks', `{"config":${'['.repeat(100)}`, 400],
  ['an array for an object', 'POST', '/api/v1/checks', '[]', 422],
  ['nothing in it', 'POST', '/api/v1/checks', {}, 422, 'VALIDATION_ERROR', 'name'],
  ['an unknown field', 'POST', '/api/v1/checks', check({ nonsense: 1 }), 422, 'VALIDATION_ERROR', 'nonsense'],
  ['a name that is a number', 'POST', '/api/v1/checks', check({ name: 1 }), 422, 'VALIDATION_ERROR', 'name'],
  ['an empty name', 'POST', '/api/v1/checks', check({ name: '' }), 422, 'VALIDATION_ERROR', 'name'],
  ['a long name', 'POST', '/api/v1/checks', check({ name: 'a'.repeat(201) }), 422, 'VALIDATION_ERROR', 'name'],
  ['an unknown kind', 'POST', '/api/v1/checks', check({ plugin_type: 'telepathy' }), 422, undefined, 'plugin_type'],
  ['a schedule nobody understands', 'POST', '/api/v1/checks', check({ schedule: 'when I feel like it' }), 422, undefined, 'schedule'],
  ['a schedule that is too fast', 'POST', '/api/v1/checks', check({ schedule: 'every 0 seconds' }), 422, undefined, 'schedule'],
  ['no URL', 'POST', '/api/v1/checks', check({ config: {} }), 422, undefined, 'config'],
  ['a URL of another scheme', 'POST', '/api/v1/checks', check({ config: { url: 'file:///etc/passwd' } }), 422, undefined, 'config'],
  ['an unknown setting of a kind', 'POST', '/api/v1/checks', check({ config: { url: 'https://a.b', ulr: 1 } }), 422, undefined, 'config'],
  ['statuses that are none', 'POST', '/api/v1/checks', check({ config: { url: 'https://a.b', accepted_statuses: '2xx;3xx' } }), 422, undefined, 'config'],
  ['two ways to say the status', 'POST', '/api/v1/checks', check({ config: { url: 'https://a.b', accepted_statuses: '2xx', expected_status: 200 } }), 422, undefined, 'config'],
  ['a status out of range', 'POST', '/api/v1/checks', check({ config: { url: 'https://a.b', expected_status: 99 } }), 422, undefined, 'config'],
  ['a check that is not there', 'GET', `/api/v1/checks/${NOBODY}`, undefined, 404, 'CHECK_NOT_FOUND'],
  ['a check to change that is not there', 'PUT', `/api/v1/checks/${NOBODY}`, { name: 'b' }, 404, 'CHECK_NOT_FOUND'],
  ['a check to delete that is not there', 'DELETE', `/api/v1/checks/${NOBODY}`, undefined, 404, 'CHECK_NOT_FOUND'],
  ['a check to run that is not there', 'POST', `/api/v1/checks/${NOBODY}/run`, undefined, 404, 'CHECK_NOT_FOUND'],
  ['an id that is none', 'GET', '/api/v1/checks/not-a-uuid', undefined, 404],
  ['a result that is not there', 'GET', `/api/v1/results/${NOBODY}`, undefined, 404],
  ['a page that is no number', 'GET', '/api/v1/checks?page=x', undefined, 422, 'VALIDATION_ERROR', 'page'],
  ['page 0', 'GET', '/api/v1/checks?page=0', undefined, 422, 'VALIDATION_ERROR', 'page'],
  ['too many on a page', 'GET', '/api/v1/checks?per_page=101', undefined, 422, 'VALIDATION_ERROR', 'per_page'],
  ['a status nobody has', 'GET', '/api/v1/results?status=fine', undefined, 422, 'VALIDATION_ERROR', 'status'],
  ['a date that is none', 'GET', '/api/v1/results?from_date=yesterday', undefined, 422, 'VALIDATION_ERROR', 'from_date'],
  ['a period nobody has', 'GET', '/api/v1/results/summary?period=eon', undefined, 422, 'VALIDATION_ERROR', 'period'],
  ...['checks', 'results', 'incidents', 'channels', 'deliveries', 'servers', 'api-keys'].map((list) =>
    [`an unknown order of ${list}`, 'GET', `/api/v1/${list}?sort=shoe_size`, undefined, 422, 'VALIDATION_ERROR', 'sort']),
  ['a broken query', 'GET', '/api/v1/checks?page=%ff', undefined, 400, 'MALFORMED_REQUEST'],
  ['an escaped slash', 'GET', '/api/v1/checks/a%2fb', undefined, 400, 'MALFORMED_REQUEST'],
  ['an escaped NUL', 'GET', '/api/v1/checks/a%00', undefined, 400, 'MALFORMED_REQUEST'],
  ['a very long path', 'GET', `/api/v1/checks/${'a'.repeat(9000)}`, undefined, 414, 'URI_TOO_LONG'],
  ['a server without a name', 'POST', '/api/v1/servers', { host: '1.2.3.4' }, 422, 'VALIDATION_ERROR', 'name'],
  ['a port out of range', 'POST', '/api/v1/servers', { name: 'a', host: 'b', port: 70000 }, 422, 'VALIDATION_ERROR', 'port'],
  ['a server that is not there', 'GET', `/api/v1/servers/${NOBODY}`, undefined, 404, 'SERVER_NOT_FOUND'],
  ['a channel that is not there', 'GET', `/api/v1/channels/${NOBODY}`, undefined, 404, 'CHANNEL_NOT_FOUND'],
  ['a delivery that is not there', 'POST', `/api/v1/deliveries/${NOBODY}/retry`, undefined, 404, 'DELIVERY_NOT_FOUND'],
  ['a schedule that is not there', 'GET', `/api/v1/schedules/${NOBODY}`, undefined, 404, 'SCHEDULE_NOT_FOUND'],
  ['a job that is not there', 'GET', `/api/v1/jobs/${NOBODY}`, undefined, 404, 'JOB_NOT_FOUND'],
  ['a queue that is not there', 'GET', '/api/v1/queues/nowhere', undefined, 404, 'QUEUE_NOT_FOUND'],
  ['a user who is not there', 'GET', `/api/v1/users/${NOBODY}`, undefined, 404, 'USER_NOT_FOUND'],
  ['a key that is not there', 'DELETE', `/api/v1/api-keys/${NOBODY}`, undefined, 404, 'API_KEY_NOT_FOUND'],
  ['a session that is not there', 'DELETE', `/api/v1/auth/sessions/${NOBODY}`, undefined, 404, 'SESSION_NOT_FOUND'],
  ['an invitation that is not there', 'DELETE', `/api/v1/invitations/${NOBODY}`, undefined, 404, 'INVITATION_NOT_FOUND'],
  ['a plugin that is not there', 'GET', '/api/v1/plugins/telepathy', undefined, 404, 'PLUGIN_NOT_FOUND'],
  ['a monitored URL that is not there', 'GET', '/api/monitor/urls/999999', undefined, 404, 'URL_NOT_FOUND'],
  ['a page of the documentation that is not there', 'GET', '/api/v1/docs/assets/nothing.js', undefined, 404, 'WEB_FILE_NOT_FOUND'],
  ['metrics of nobody', 'GET', '/api/v1/metrics/latest/no-such-agent', undefined, 404],
  ['a channel of no type', 'POST', '/api/v1/channels', { name: 'a', type: 'pigeon', config: {} }, 422, undefined, 'type'],
  ['a mail to nobody', 'POST', '/api/v1/channels', { name: 'a', type: 'email', config: { to: [] } }, 422],
  ['a mail address with a line break', 'POST', '/api/v1/channels', { name: 'a', type: 'email', config: { to: ['a@b.c\r\nBcc: d@e.f'] } }, 422],
  ['a webhook to a file', 'POST', '/api/v1/channels', { name: 'a', type: 'webhook', config: { url: 'file:///a' } }, 422],
  ['a key with scopes nobody has', 'POST', '/api/v1/api-keys', { name: 'a', scopes: ['world:rule'] }, 422],
  ['a key for a server that is not there', 'POST', '/api/v1/api-keys', { name: 'a', server_id: NOBODY }, [404, 422]],
  ['an incident that is not there', 'POST', `/api/v1/incidents/${NOBODY}/acknowledge`, undefined, 404, 'INCIDENT_NOT_FOUND'],
];

test('bad input', async (t) => {
  for (const [what, method, target, body, status, code, field] of table) {
    await t.test(what, async () => {
      const headers = typeof body === 'string' ? { 'content-type': 'application/json' } : {};
      const reply = await admin.call(method, target, body, { headers });
      const wanted = Array.isArray(status) && status.includes(reply.status) ? reply.status : status;
      assertProblem(reply, wanted, code);
      if (field) {
        const named = reply.body.errors.flatMap((error) => error.loc);
        assert.ok(named.includes(field), JSON.stringify(reply.body.errors));
      }
    });
  }
});

test('bodies that are no JSON or too large', async (t) => {
  const post = (headers, body) => admin.call('POST', '/api/v1/checks', body, { headers });
  await t.test('text', async () => assertProblem(await post({ 'content-type': 'text/plain' }, 'hi'), 415, 'UNSUPPORTED_MEDIA_TYPE'));
  await t.test('a form', async () => {
    assertProblem(await post({ 'content-type': 'application/x-www-form-urlencoded' }, 'name=a'), 415);
  });
  await t.test('compressed', async () => {
    assertProblem(await post({ 'content-type': 'application/json', 'content-encoding': 'gzip' }, 'x'), 415);
  });
});

test('what the documents name besides', async (t) => {
  await t.test('a clash', async () => {
    const server = { name: 'Clash', host: '192.0.2.1', slug: 'clash' };
    await admin.must(201, 'POST', '/api/v1/servers', server);
    assertProblem(await admin.call('POST', '/api/v1/servers', server), 409, 'SERVER_SLUG_TAKEN');
  });
  await t.test('an external id that another check has', async () => {
    await admin.must(201, 'POST', '/api/v1/checks', check({ external_id: 'x-1' }));
    assertProblem(await admin.call('POST', '/api/v1/checks', check({ external_id: 'x-1' })), 409, 'CHECK_EXTERNAL_ID_TAKEN');
  });
  await t.test('a channel of the same name', async () => {
    const channel = { name: 'Twice', type: 'email', config: { to: ['a@b.example'] } };
    await admin.must(201, 'POST', '/api/v1/channels', channel);
    assertProblem(await admin.call('POST', '/api/v1/channels', channel), 409, 'CHANNEL_NAME_TAKEN');
  });
  await t.test('a schedule of the installation', async () => {
    const { schedules: [system] } = await admin.must(200, 'GET', '/api/v1/schedules?is_system=true');
    assertProblem(await admin.call('PATCH', `/api/v1/schedules/${system.id}`, { name: 'mine' }), 403, 'SCHEDULE_IS_SYSTEM');
  });
  await t.test('an Idempotency-Key that is none', async () => {
    const reply = await admin.call('POST', '/api/v1/checks', check(), { headers: { 'idempotency-key': 'a b' } });
    assertProblem(reply, 400, 'IDEMPOTENCY_KEY_MALFORMED');
  });
  await t.test('an If-Match that is none', async () => {
    const reply = await admin.call('DELETE', `/api/v1/checks/${NOBODY}`, undefined, { headers: { 'if-match': 'x' } });
    assertProblem(reply, 400, 'MALFORMED_REQUEST');
  });
  await t.test('an edit that comes too late', async () => {
    const made = await admin.must(201, 'POST', '/api/v1/checks', check({ name: 'late' }));
    const target = `/api/v1/checks/${made.id}`;
    const tag = (await admin.call('GET', target)).headers.get('etag');
    const edit = () => admin.call('PATCH', target, { name: 'edited' }, { headers: { 'if-match': tag } });
    assert.equal((await edit()).status, 200);
    assertProblem(await edit(), 412, 'PRECONDITION_FAILED');
  });
  await t.test('a body too large', async () => {
    assertProblem(await admin.call('POST', '/api/v1/checks', check({ name: 'a'.repeat((1 << 20) + 1) })), 413, 'TOO_LARGE');
  });
  await t.test('a key for another request', async () => {
    const headers = { 'idempotency-key': 'errors-1' };
    assert.equal((await admin.call('POST', '/api/v1/checks', check({ name: 'keyed' }), { headers })).status, 201);
    const reply = await admin.call('POST', '/api/v1/checks', check({ name: 'other' }), { headers });
    assert.deepEqual([reply.status, reply.body.code], [422, 'IDEMPOTENCY_KEY_REUSED']);
  });
});

test('credentials', async (t) => {
  const anonymous = (options = {}) => tocsin.request('GET', '/api/v1/users/me', options);
  const { access_token: token } = await admin.must(200, 'POST', '/api/v1/auth/login',
    { email: tocsin.admin.email, password: tocsin.admin.password });
  const [head, , signature] = token.split('.');
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

  await t.test('none', async () => assertProblem(await anonymous(), 401));
  const bad = {
    'no token': 'nonsense',
    'an empty one': '',
    'two dots': '..',
    'a changed payload': `${head}.${encode({ sub: NOBODY, exp: 9999999999 })}.${signature}`,
    'a cut signature': token.slice(0, -3),
    'algorithm none': `${encode({ alg: 'none' })}.${token.split('.')[1]}.`,
    'a huge one': `${'a'.repeat(5000)}.b.c`,
  };
  for (const [what, text] of Object.entries(bad)) {
    await t.test(what, async () => {
      assertProblem(await anonymous({ headers: { authorization: `Bearer ${text}` } }), 401);
    });
  }
  await t.test('another scheme', async () => {
    assertProblem(await anonymous({ headers: { authorization: 'Basic YTpi' } }), 401);
  });
  await t.test('a key nobody has', async () => assertProblem(await anonymous({ key: 'tocsin_12345678_abc' }), 401));
  await t.test('a wrong password', async () => {
    const reply = await tocsin.request('POST', '/api/v1/auth/login', { body: { email: tocsin.admin.email, password: 'wrong' } });
    assertProblem(reply, 401);
  });
  await t.test('an unknown user sounds the same', async () => {
    const unknown = await tocsin.request('POST', '/api/v1/auth/login', { body: { email: 'no@body.test', password: 'wrong' } });
    const known = await tocsin.request('POST', '/api/v1/auth/login', { body: { email: tocsin.admin.email, password: 'wrong' } });
    assertProblem(unknown, 401);
    assert.equal(unknown.body.detail, known.body.detail);
  });
  await t.test('a key that may only read cannot write', async () => {
    const key = await admin.must(201, 'POST', '/api/v1/api-keys', { name: 'reader', scopes: ['checks:read'] });
    assert.equal((await tocsin.request('GET', '/api/v1/checks', { key: key.key })).status, 200);
    assertProblem(await tocsin.request('POST', '/api/v1/checks', { key: key.key, body: check() }), 403);
    await admin.call('DELETE', `/api/v1/api-keys/${key.id}`);
    assertProblem(await anonymous({ key: key.key }), 401);
  });
});

test('what comes and goes with every request', async () => {
  const own = await tocsin.request('GET', '/health', { headers: { 'x-request-id': 'my-request.1' } });
  assert.equal(own.headers.get('x-request-id'), 'my-request.1');
  const options = await tocsin.request('OPTIONS', '/api/v1/checks');
  assert.equal(options.status, 204);
  assert.deepEqual(options.headers.get('allow').split(', ').sort(), ['GET', 'HEAD', 'OPTIONS', 'POST']);
  const head = await admin.call('HEAD', '/api/v1/checks');
  assert.deepEqual([head.status, head.body], [200, '']);
  const slash = await admin.call('GET', '/api/v1/checks/');
  assert.equal(slash.status, 200);
});

test('anonymous callers are limited', async () => {
  let refused = null;
  for (let i = 0; i < 150 && !refused; i += 1) {
    const reply = await tocsin.request('POST', '/api/v1/auth/refresh', { body: { refresh_token: 'nobody' } });
    if (reply.status === 429) refused = reply;
  }
  assert.ok(refused, 'no 429 in 150 requests');
  assertProblem(refused, 429);
  assert.equal((await admin.call('GET', '/api/v1/users/me')).status, 200);
});

// The last one: Redis does not come back.
test('a store that is down', async () => {
  await tocsin.process('redis').kill();
  assertProblem(await admin.call('POST', '/api/v1/queues/checks/pause'), 503);
  assert.equal((await admin.call('GET', '/api/v1/users/me')).status, 200);
});
