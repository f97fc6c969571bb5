// Requests that no honest client sends, byte by byte, to a real API. Each is answered as documented
// (or cut off), and the daemon serves the next good request.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import test from 'node:test';
import { gzipSync } from 'node:zlib';

import { signIn, startTocsin, waitFor } from './kit.js';

const tocsin = await startTocsin({ daemons: ['api', 'ingest'], env: { TOCSIN_ANONYMOUS_RATE: '100000' } });
const admin = await signIn(tocsin);
const port = Number(new URL(tocsin.api).port);
test.after(() => tocsin.stop());

const H = 'Host: a\r\n';
const AUTH = `${H}Authorization: Bearer ${admin.credentials.token}\r\n`;
const JSON_TYPE = 'Content-Type: application/json\r\n';
const latin = (text) => Buffer.from(text, 'latin1');

/** Sends bytes, piece by piece, and collects what comes until the server closes or `ms` have passed. */
async function raw(pieces, { ms = 60_000, until = null } = {}) {
  const socket = net.connect(port, '127.0.0.1');
  const chunks = [];
  const text = () => Buffer.concat(chunks).toString('latin1');
  let isClosed = false;
  await once(socket, 'connect');
  const over = new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const end = () => {
      isClosed = true;
      clearTimeout(timer);
      resolve();
    };
    socket.on('close', end);
    socket.on('error', end);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (until && until(text())) {
        clearTimeout(timer);
        resolve();
      }
    });
  });
  for (const piece of [pieces].flat()) {
    if (!isClosed) socket.write(typeof piece === 'string' ? latin(piece) : piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await over;
  socket.destroy();
  return { text: text(), isClosed };
}

const statuses = (text) => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((m) => Number(m[1]));
/** A whole reply: its head, and as much body as it announces. */
const isWhole = (text) => {
  const end = text.indexOf('\r\n\r\n');
  const length = /^content-length: (\d+)/im.exec(text);
  return end >= 0 && text.length >= end + 4 + Number(length?.[1] ?? 0);
};

async function assertServes() {
  const good = await raw(`GET /health HTTP/1.1\r\n${H}\r\n`, { until: isWhole });
  assert.deepEqual(statuses(good.text), [200], good.text);
}

const post = (body, { path = '/api/v1/checks', type = JSON_TYPE, length = Buffer.byteLength(body, 'latin1') } = {}) =>
  `POST ${path} HTTP/1.1\r\n${AUTH}${type}Content-Length: ${length}\r\n\r\n${body}`;
const get = (target, headers = AUTH) => `GET ${target} HTTP/1.1\r\n${headers}\r\n`;
const chunked = (body, headers = '') =>
  `POST /api/v1/checks HTTP/1.1\r\n${AUTH}${JSON_TYPE}Transfer-Encoding: chunked\r\n${headers}\r\n${body}`;

// [what, bytes, the status; 0: cut off without one; a list: any of them]
const table = {
  smuggling: [
    ['length and coding', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['coding and length', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`, 400],
    ['two lengths, equal', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`, 400],
    ['two lengths, different', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}`, 400],
    ['a list of lengths', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: 2, 2\r\n\r\n{}`, 400],
    ['a signed length', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: +2\r\n\r\n{}`, 400],
    ['a negative length', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: -1\r\n\r\n`, 400],
    ['a length in hex', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: 0x2\r\n\r\n{}`, 400],
    ['a length beyond all numbers', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: 99999999999999999999999\r\n\r\n`, 413],
    ['an empty length', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: \r\n\r\n`, 400],
    ['an unknown coding', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
    ['codings in a row', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 400],
    ['chunked twice', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a coding after a tab and a vertical tab', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n`, 400],
    ['a coding behind a space', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
    ['chunked in HTTP/1.0', `POST /api/v1/checks HTTP/1.0\r\n${AUTH}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a bare LF between headers', `GET /api/v1/checks HTTP/1.1\r\nHost: a\nX: b\r\n\r\n`, 400],
    ['a bare LF after the request line', `GET /api/v1/checks HTTP/1.1\n${AUTH}\r\n`, 400],
    ['a bare CR in a header', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}X: a\rY: b\r\nZ: c\r\n\r\n`, 400],
    ['a folded header', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}X: a\r\n b\r\nZ: c\r\n\r\n`, 400],
    ['a NUL in a header', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}X: a\0b\r\nZ: c\r\n\r\n`, 400],
    ['a control character in a header', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}X: a\x01b\r\n\r\n`, 400],
    ['a header without a name', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}: b\r\nZ: c\r\n\r\n`, 400],
    ['a last header without a name', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}: b\r\n\r\n`, 400],
    ['a lone colon', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}:\r\nZ: c\r\n\r\n`, 400],
    ['a request behind a lone colon', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}:\r\nGET /health HTTP/1.1\r\n${H}\r\n`, 400],
    ['a colon before the length', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}: \r\nContent-Length: 2\r\n\r\n{}`, 400],
    ['a colon and nothing else', `GET /health HTTP/1.0\r\n:\r\n\r\n`, 400],
    ['a header without a colon', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}nonsense\r\n\r\n`, 400],
    ['a name with a bracket', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}X[]: b\r\n\r\n`, 400],
    ['two hosts', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}Host: b\r\n\r\n`, 400],
    ['no host', 'GET /api/v1/checks HTTP/1.1\r\n\r\n', 400],
    ['two authorizations', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}Authorization: Bearer x\r\n\r\n`, 400],
    ['an absolute target', get('http://evil.test/api/v1/checks'), 400],
    ['a request in the value of a header', `GET /api/v1/checks HTTP/1.1\r\n${AUTH}X: a%0d%0aGET /evil HTTP/1.1\r\n\r\n`, 200],
  ],
  chunks: [
    ['a good one', chunked('2\r\n{}\r\n0\r\n\r\n'), 422],
    ['an extension', chunked('2;a=b\r\n{}\r\n0\r\n\r\n'), 422],
    ['a size that is no number', chunked('zz\r\n{}\r\n0\r\n\r\n'), 400],
    ['a negative size', chunked('-2\r\n{}\r\n0\r\n\r\n'), 400],
    ['a size beyond all numbers', chunked('ffffffffffffffffffff\r\n{}'), 413],
    ['a size that lies', chunked('1\r\n{}\r\n0\r\n\r\n'), 400],
    ['a huge size', chunked('7fffffff\r\n{}'), 0], // the rest is waited for
    ['a smuggled trailer', chunked('2\r\n{}\r\n0\r\nContent-Length: 99\r\n\r\n'), 422],
  ],
  targets: [
    ['%00', get('/api/v1/checks/%00'), 400],
    ['%2e%2e', get('/api/v1/%2e%2e/checks'), 400],
    ['..', get('/api/v1/../v1/checks'), 400],
    ['.', get('/api/./v1/checks'), 400],
    ['mixed dots', get('/api/v1/.%2E/checks'), 400],
    ['an escaped slash', get('/api/v1%2fchecks'), 400],
    ['an escaped backslash', get('/api/v1%5cchecks'), 400],
    ['a backslash', get('/api\\v1\\checks'), 400],
    ['double slashes', get('//api/v1/checks'), 404],
    ['an overlong slash', get('/api/v1/checks/%c0%af'), 400],
    ['an overlong NUL', get('/api/v1/checks/%c0%80'), 400],
    ['a surrogate', get('/api/v1/checks/%ed%a0%80'), 400],
    ['beyond Unicode', get('/api/v1/checks/%f4%90%80%80'), 400],
    ['raw bytes', get('/api/v1/checks/\xff\xfe'), 400],
    ['an escape of half a byte', get('/api/v1/checks/%a'), 400],
    ['an escape that is none', get('/api/v1/checks/%zz'), 400],
    ['escaped twice', get('/api/v1/checks/%252e%252e'), 404],
    ['a fragment', get('/api/v1/checks#x'), 400],
    ['an asterisk', `OPTIONS * HTTP/1.1\r\n${H}\r\n`, 400],
    ['a query with broken text', get('/api/v1/checks?q=%ff'), 400],
    ['a query with NUL', get('/api/v1/checks?q=%00'), 400],
    ['a query with too many names', get(`/api/v1/checks?${'a=1&'.repeat(70)}`), 400],
    ['a name twice', get('/api/v1/checks?page=1&page=2'), 422],
    ['SQL', get("/api/v1/checks?q='%20OR%201=1--"), 200],
    ['SQL in an order', get('/api/v1/checks?sort=name;drop'), 422],
    ['SQL in an id', get("/api/v1/checks/1'%20OR%20'1'='1"), 404],
    ['a long one', get(`/api/v1/checks?q=${'a'.repeat(8300)}`), 414],
    ['a very long one', get(`/api/v1/checks?q=${'a'.repeat(100000)}`), 414],
  ],
  JSON: [
    ['a name twice', post('{"name":"a","name":"b"}'), 400],
    ['a name twice, far down', post('{"name":"a","plugin_type":"website","config":{"url":"u","url":"v"}}'), 400],
    ['NUL, raw', post('{"name":"a\0"}'), 400],
    ['NUL, escaped', post('{"name":"a\\u0000"}'), 400],
    ['NUL after the end', post('{}\0'), 400],
    ['NUL after a number', post('{"retries":1\0}'), 400],
    ['a lone surrogate', post('{"name":"\\ud800"}'), 400],
    ['a surrogate in bytes', post('{"name":"\xed\xa0\x80"}'), 400],
    ['an overlong form', post('{"name":"\xc0\xaf"}'), 400],
    ['no UTF-8', post('{"name":"\xff"}'), 400],
    ['a byte order mark', post('\xef\xbb\xbf{}'), 400],
    ['arrays, deep', post('['.repeat(5000)), 400],
    ['objects, deep', post('{"config":'.repeat(2000)), 400],
    ['a number beyond all', post(`{"retries":1${'0'.repeat(400)}}`), 400],
    ['an exponent beyond all', post('{"timeout":1e999}'), 400],
    ['an integer past 64 bits', post('{"retries":9223372036854775808}'), 400],
    ['NaN', post('{"timeout":NaN}'), 400],
    ['Infinity', post('{"timeout":-Infinity}'), 400],
    ['a trailing comma', post('{"name":"a",}'), 400],
    ['a comment', post('{/* */}'), 400],
    ['single quotes', post("{'name':'a'}"), 400],
    ['two values', post('{}{}'), 400],
    ['nothing', post(''), 400],
    ['blanks', post('   '), 400],
    ['a string', post('"name"'), 422],
    ['null', post('null'), 422],
    ['an array', post('[]'), 422],
    ['a leading zero', post('{"retries":01}'), 400],
    ['a raw line break in a text', post('{"name":"a\nb"}'), 400],
    ['__proto__', post('{"__proto__":{"admin":true}}'), 422],
    ['text that says it is JSON', post('hello'), 400],
  ],
  'kinds of bodies': [
    ['text', post('{}', { type: 'Content-Type: text/plain\r\n' }), 415],
    ['XML', post('<a/>', { type: 'Content-Type: application/xml\r\n' }), 415],
    ['a form where none is taken', post('name=a', { type: 'Content-Type: application/x-www-form-urlencoded\r\n' }), 415],
    ['parts', post('--a--', { type: 'Content-Type: multipart/form-data; boundary=a\r\n' }), 415],
    ['two types', post('{}', { type: `${JSON_TYPE}Content-Type: text/plain\r\n` }), 400],
    ['gzip where none is taken', post('{}', { type: `${JSON_TYPE}Content-Encoding: gzip\r\n` }), 415],
    ['an unknown coding', post('{}', { type: `${JSON_TYPE}Content-Encoding: br\r\n` }), 415],
  ],
  sizes: [
    ['a body announced too large', post('{', { length: 2 ** 31 }), 413],
    ['a body announced beyond memory', post('{', { length: 999999999999999 }), 413],
    ['a body too large', post(`{"name":"${'a'.repeat((1 << 20) + 100)}"}`), 413],
    ['a body too large, in chunks', chunked(`150000\r\n${'a'.repeat(0x150000)}\r\n0\r\n\r\n`), 413],
    ['a large header', get('/api/v1/checks', `${AUTH}X: ${'a'.repeat(17000)}\r\n`), 431],
    ['a huge header', get('/api/v1/checks', `${AUTH}X: ${'a'.repeat(200000)}\r\n`), 431],
    ['many headers', get('/api/v1/checks', AUTH + Array.from({ length: 120 }, (_, i) => `X-${i}: y\r\n`).join('')), 431],
    ['a long token', get('/api/v1/checks', `${H}Authorization: Bearer ${'a'.repeat(9000)}\r\n`), 401],
    ['a long method', `${'A'.repeat(5000)} /api/v1/checks HTTP/1.1\r\n${H}\r\n`, 405],
  ],
  methods: [
    ['TRACE', `TRACE /api/v1/checks HTTP/1.1\r\n${AUTH}\r\n`, 405],
    ['CONNECT', `CONNECT /api/v1/checks HTTP/1.1\r\n${AUTH}\r\n`, 405],
    ['an unknown one', `BREW /api/v1/checks HTTP/1.1\r\n${AUTH}\r\n`, 405],
    ['lower case', `get /api/v1/checks HTTP/1.1\r\n${AUTH}\r\n`, 405],
    ['DELETE of a list', `DELETE /api/v1/checks HTTP/1.1\r\n${AUTH}\r\n`, 405],
    ['an override', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}X-HTTP-Method-Override: DELETE\r\n${JSON_TYPE}Content-Length: 2\r\n\r\n{}`, 422],
    ['HTTP/2 without asking', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    ['HTTP/0.9', 'GET /health\r\n\r\n', 400],
    ['HTTP/9.9', `GET /health HTTP/9.9\r\n${H}\r\n`, 505],
    ['TLS', Buffer.from('16030100a5010000a10303', 'hex'), 0],
    ['an upgrade', get('/api/v1/checks', `${AUTH}Upgrade: h2c\r\nConnection: Upgrade\r\n`), 200],
  ],
  'headers with a meaning': [
    ['If-None-Match that is none', get('/api/v1/checks', `${AUTH}If-None-Match: ,,"\r\n`), 200],
    ['If-Match that is none', `DELETE /api/v1/checks/01890000-0000-7000-8000-000000000000 HTTP/1.1\r\n${AUTH}If-Match: x\r\n\r\n`, 400],
    ['an empty Idempotency-Key', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Idempotency-Key: ""\r\n${JSON_TYPE}Content-Length: 84\r\n\r\n${JSON.stringify({ name: 'a', plugin_type: 'website', config: { url: 'https://a.example' } }).padEnd(84)}`, 400],
    ['Accept-Encoding that is none', get('/api/v1/checks', `${AUTH}Accept-Encoding: gzip;q=;;;,*;q=9\r\n`), 200],
    ['a range', get('/api/v1/checks', `${AUTH}Range: bytes=0-1,5-9\r\n`), 200],
    ['Expect that nobody can meet', get('/api/v1/checks', `${AUTH}Expect: 200-ok\r\n`), 200],
    ['a forged client', get('/api/v1/checks', `${H}X-Forwarded-For: 127.0.0.1\r\nRemote-User: admin\r\nX-Original-URL: /health\r\n`), 401],
  ],
};

for (const [group, rows] of Object.entries(table)) {
  test(group, async (t) => {
    for (const [what, bytes, wanted] of rows) {
      await t.test(what, async () => {
        // Only where no answer is one of the answers there is something to wait for in vain.
        const got = await raw(bytes, { ms: [wanted].flat().includes(0) ? 1500 : 60_000, until: isWhole });
        const first = statuses(got.text)[0] ?? 0;
        assert.ok([wanted].flat().includes(first), `${first}\n${got.text.slice(0, 600)}`);
        assert.ok(first < 500 || first === 505, got.text);
        if (first >= 400) { // also what libmicrohttpd refuses before we see it
          assert.match(got.text, /^x-content-type-options: nosniff/im);
          assert.equal(statuses(got.text).length, 1, `answered twice: ${got.text}`);
          const problem = JSON.parse(got.text.slice(got.text.indexOf('\r\n\r\n') + 4));
          assert.equal(problem.status, first);
          assert.match(got.text, /^content-type: application\/problem\+json/im);
        }
        await assertServes();
      });
    }
  });
}

test('what the library refuses by itself is told once, and the connection closed', async () => {
  for (const [bytes, status, code = 'MALFORMED_REQUEST'] of [
    ['GET /health HTTP/1.1\r\n\r\n', 400],
    [`GET /health HTTP/3.0\r\n${H}\r\n`, 505, 'HTTP_VERSION_NOT_SUPPORTED'],
    [`POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: x\r\n\r\n`, 400],
  ]) {
    // The first one is good and answered; nothing behind the bad one is read.
    const got = await raw(get('/health', H) + bytes + get('/health', H));
    assert.deepEqual(statuses(got.text), [200, status], got.text);
    assert.ok(got.isClosed);
    assert.match(got.text, /^connection: close\r$/im);
    const problem = JSON.parse(got.text.slice(got.text.lastIndexOf('\r\n\r\n') + 4));
    assert.deepEqual([problem.status, problem.code], [status, code]);
    assert.match(got.text, new RegExp(`^x-request-id: ${problem.request_id}\\r$`, 'im'));
  }
  await assertServes();
});

test('after a request that cannot be framed nothing more is believed', async () => {
  const smuggled = `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
  const got = await raw(smuggled + get('/health', H));
  assert.deepEqual(statuses(got.text), [400]);
  assert.ok(got.isClosed);
  await assertServes();
});

/** What a client reads that first writes all of a body, in small pieces, and only then looks. */
async function writeFirst(to, head, bytes, { isChunked = false } = {}) {
  const socket = net.connect({ port: Number(new URL(to).port), host: '127.0.0.1', highWaterMark: 4096 });
  socket.setNoDelay(true);
  await once(socket, 'connect');
  socket.pause();
  let error = null;
  socket.on('error', (e) => { error = e; });
  const write = async (data) => {
    if (!error && !socket.write(data)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
  };
  await write(latin(`${head}${isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes}`}\r\n\r\n`));
  for (let sent = 0, size = 1; sent < bytes && !error; sent += size) {
    size = Math.min((size * 7) % 60_000 + 1, bytes - sent);
    const data = Buffer.alloc(size, 'a');
    await write(isChunked ? Buffer.concat([latin(`${size.toString(16)}\r\n`), data, latin('\r\n')]) : data);
  }
  if (isChunked) await write('0\r\n\r\n');
  assert.equal(error, null);
  let text = '';
  socket.on('data', (chunk) => { text += chunk.toString('latin1'); });
  socket.resume();
  await waitFor('the reply', () => isWhole(text) || error);
  socket.destroy();
  assert.equal(error, null);
  return text;
}

test('a refused body gets its reply, however late the client looks', async (t) => {
  const [kib, mib] = [1024, 1024 * 1024];
  const bad = `${H}Authorization: Bearer a.b.c\r\n`;
  const agent = await admin.must(201, 'POST', '/api/v1/api-keys', { name: 'agent', scopes: ['metrics:write'] });
  const metrics = `POST /api/v1/ingest/metrics HTTP/1.1\r\n${H}Authorization: Bearer ${agent.key}\r\n${JSON_TYPE}`;
  const rows = [ // [what, the daemon, the head, bytes of the body, status]
    ['a bad token', 'api', `POST /api/v1/checks HTTP/1.1\r\n${bad}${JSON_TYPE}`, 900 * kib, 401],
    ['no path', 'api', `POST /api/v1/nope HTTP/1.1\r\n${H}`, 900 * kib, 404],
    ['no method', 'api', `PATCH /api/v1/checks HTTP/1.1\r\n${AUTH}`, 900 * kib, 405],
    ['a type', 'api', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Type: text/plain\r\n`, 900 * kib, 415],
    ['a coding', 'api', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Encoding: br\r\n`, 900 * kib, 415],
    ['no JSON', 'api', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}${JSON_TYPE}`, 900 * kib, 400],
    ['too large', 'api', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}${JSON_TYPE}`, 2 * mib, 413],
    ['far too large', 'api', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}${JSON_TYPE}`, 12 * mib, 413],
    ['metrics of nobody', 'ingest', `POST /api/v1/ingest/metrics HTTP/1.1\r\n${bad}${JSON_TYPE}`, 900 * kib, 401],
    ['metrics that are none', 'ingest', metrics, 900 * kib, 400],
    ['too many metrics', 'ingest', metrics, 17 * mib, 413],
  ];
  for (const [what, daemon, head, bytes, status] of rows) {
    for (const isChunked of [false, true]) {
      await t.test(`${what}${isChunked ? ', in chunks' : ''}`, async () => {
        for (let round = 0; round < (bytes > 4 * mib ? 1 : 5); round += 1) {
          const text = await writeFirst(tocsin[daemon], head, bytes, { isChunked });
          assert.deepEqual(statuses(text), [status], text.slice(0, 300));
          assert.equal(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)).status, status);
        }
      });
    }
  }
  await t.test('a fetch', async () => {
    const body = JSON.stringify({ name: 'a'.repeat((1 << 20) + 1) });
    for (let round = 0; round < 20; round += 1) {
      assert.equal((await admin.call('POST', '/api/v1/checks', body, { headers: { 'content-type': 'application/json' } })).status, 413);
    }
  });
  await t.test('a gzip bomb', async () => {
    const bomb = gzipSync(Buffer.alloc(32 * mib, ' '));
    const reply = await fetch(`${tocsin.ingest}/api/v1/ingest/metrics`, {
      method: 'POST', body: bomb,
      headers: { authorization: `Bearer ${agent.key}`, 'content-type': 'application/json', 'content-encoding': 'gzip' },
    });
    assert.deepEqual([reply.status, (await reply.json()).code], [413, 'TOO_LARGE']);
  });
});

test('pipelined requests are answered in their order', async () => {
  const mixed = [get('/health', H), get('/api/v1/nope', H), post('{'), get('/api/v1/users/me'), post('{}'), get('/health', H)];
  const wanted = [200, 404, 400, 200, 422, 200];
  const got = await raw(mixed.join(''), { until: (text) => statuses(text).length === wanted.length && isWhole(text) });
  assert.deepEqual(statuses(got.text), wanted, got.text);
  const many = 200;
  const flood = await raw(get('/health', H).repeat(many), { until: (text) => statuses(text).length === many });
  assert.equal(statuses(flood.text).filter((status) => status === 200).length, many);
  await assertServes();
});

test('clients that are slow, silent or gone hold up nobody', async () => {
  const slow = [];
  for (let i = 0; i < 50; i += 1) {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write(['', 'GET /api/v1/che', `POST /api/v1/checks HTTP/1.1\r\n${AUTH}Content-Length: 100\r\n\r\n{`][i % 3]);
    slow.push(socket);
  }
  for (let i = 0; i < 20; i += 1) await assertServes();
  // Asked, and never read the answer; asked, and gone before it.
  for (let i = 0; i < 20; i += 1) {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.pause();
    socket.write(get('/api/v1/plugins').repeat(20));
    if (i % 2) socket.resetAndDestroy?.();
    else slow.push(socket);
  }
  for (let i = 0; i < 20; i += 1) await assertServes();
  for (const socket of slow) socket.destroy();
  await assertServes();
});
