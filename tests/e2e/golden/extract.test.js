// What the golden tests are made with: examples are read as documents print them, a reply that
// differs is seen, and nothing of a document gets lost on the way.

import assert from 'node:assert/strict';
import test from 'node:test';
import { readFileSync } from 'node:fs';

import { makeCases } from './cases.js';
import { changed, complaints, readExample } from './example.js';
import { extractDocument } from './extract.js';
import { parseMarkdown } from './markdown.js';
import { routeFinder } from './routes.js';
import { readHttp, readSnippet } from './snippets.js';

const plain = (value) => JSON.parse(JSON.stringify(value));

test('examples as documents print them', () => {
  const must = [
    ['{"a": 1, "b": [true, null, "x\\n"]}', { a: 1, b: [true, null, 'x\n'] }],
    ['{"key": "k_x",  // Only shown once!\n "b": 1}', { key: 'k_x', b: 1 }],
    ['{"a": 1\n "b": 2}', { a: 1, b: 2 }], // a comma forgotten
    ['{"data": { ... }, "list": [{"a": 1}, ...]}', { data: {}, list: [{ a: 1 }] }],
    ['{"status": "active",\n ...\n}', { status: 'active' }],
    ['[-1.5e3, 95.0]', [-1500, 95]],
    ['{"url": "https://example.com"}', { url: 'https://example.com' }], // no comment
  ];
  for (const [text, value] of must) assert.deepEqual(plain(readExample(text)), value, text);
  for (const text of ['', '{', '{"a"}', '{"a": 1 "b": 2}', '{"a": 1} x', "{'a': 1}", '[1, two]', '{"a": 01}']) {
    assert.throws(() => readExample(text), SyntaxError, text);
  }
});

const UUID = '123e4567-e89b-12d3-a456-426614174000';
const TIME = '2023-04-01T12:00:00Z';

test('what fits an example', () => {
  const must = [
    ['{"a": 1}', { a: 2, more: true }],
    ['{"a": 95.0}', { a: 95 }], ['{"a": 95.0}', { a: 0.5 }],
    [`{"id": "${UUID}", "at": "${TIME}"}`, { id: UUID.replaceAll('1', 'f'), at: '2026-01-01T00:00:00.123456Z' }],
    ['{"at": "2024-01-30T22:19:11.131228-05:00"}', { at: TIME }],
    ['{"list": []}', { list: [1, 'x'] }], ['{"o": {}}', { o: { a: 1 } }],
    ['[{"a": 1}, {"b": "x"}]', [{ b: 'y' }, { a: 2 }]],
    ['{"a": {"b": null}}', { a: { b: null } }],
    ['{"p": [{"name": "x", "of": {"u": ""}}]}', { p: [{ name: 'w', of: {} }, { name: 'x', of: { u: 'v' } }] }, { match: { 'p[]': 'name' } }],
    ['{"a": "x"}', { a: null }, { nullable: ['a'] }], ['[{"a": "x"}]', [{ a: null }], { nullable: ['[].a'] }],
  ];
  const mustNot = [
    ['{"a": 1}', {}, 'a is missing'], ['{"a": 1}', { a: '1' }, 'a is string, not integer'],
    ['{"a": 1}', { a: 1.5 }, 'a is number, not integer'], ['{"a": "x"}', { a: null }, 'a is null, not string'],
    ['{"a": {"b": 1}}', { a: { b: true } }, 'a.b is boolean, not integer'], ['{"a": [1]}', { a: [] }, 'a is empty'],
    ['{"a": {}}', { a: [] }, 'a is array, not object'], ['[{"a": 1}]', [{ a: 1 }, { a: 'x' }], '[].a is string, not integer (element 1)'],
    [`{"id": "${UUID}"}`, { id: '7' }, 'id is "7", not a UUID'], [`{"at": "${TIME}"}`, { at: '2023-04-01' }, 'at is "2023-04-01", not an instant in UTC'],
    ['{"u": "https://a.b"}', { u: 'a.b' }, 'u is "a.b", not a URL'], ['{"m": "a@b.c"}', { m: 'a' }, 'm is "a", not an address'],
    ['{"p": [{"name": "x"}]}', { p: [{ name: 'y' }] }, 'p[x] is missing', { match: { 'p[]': 'name' } }],
    ['{"p": [{"name": "x", "n": 1}]}', { p: [{ name: 'x', n: 1 }, { name: 'y' }] }, 'p[1].n is missing', { match: { 'p[]': 'name' } }],
  ];
  for (const [text, value, rules] of must) assert.deepEqual(complaints(readExample(text), value, rules), [], text);
  for (const [text, value, words, rules] of mustNot) assert.deepEqual(complaints(readExample(text), value, rules), [words], text);
  assert.deepEqual(changed({ a: 1, b: { c: [2] }, d: 3 }, { a: 1, b: { c: [2], e: 4 } }), []);
  assert.deepEqual(changed({ a: 1, b: { c: [2] } }, { a: 2, b: { c: [] } }), ['a is 2, 1 was sent', 'b.c changed']);
});

test('requests in snippets', () => {
  const cases = [
    ['bash', 'GET /m/a?limit=5', [['GET', '/m/a', [['limit', '5']]]]],
    ['bash', '# x\ncurl -s "http://h:1/m?\\\na=1&\\\nb=2" | jq', [['GET', '/m', [['a', '1'], ['b', '2']]]]],
    ['bash', "curl -X PUT http://h/x -d '{\"a\":1}'", [['PUT', '/x', []]]],
    ['bash', "curl -d 'a=1' https://h/x\ncurl https://h/y", [['POST', '/x', []], ['GET', '/y', []]]],
    ['bash', 'docker-compose up -d', []],
    ['javascript', 'await fetch(`http://h/m/${id}?n=${n}`);', [['GET', '/m/{id}', [['n', '{n}']]]]],
    ['javascript', "fetch(`/r`, {\n  method: 'POST',\n});", [['POST', '/r', []]]],
    ['javascript', "new WebSocket('ws://h/ws/a')", [['WS', '/ws/a', []]]],
    ['python', "requests.post(f'http://h/d/{a}', params={'limit': limit})", [['POST', '/d/{a}', [['limit', '{limit}']]]]],
    ['python', 'print("hello")', []],
    ['text', 'GET /m', []],
  ];
  for (const [language, text, wanted] of cases) {
    assert.deepEqual(readSnippet(language, text).map(({ method, path, query }) => [method, path, query]), wanted, text);
  }
  const request = readHttp('POST /keys?a=1\nAuthorization: Bearer {token}\n\n{\n\n  "name": "x"\n}');
  assert.deepEqual([request.method, request.path, request.query], ['POST', '/keys', [['a', '1']]]);
  assert.deepEqual(request.headers, [['Authorization', 'Bearer {token}']]);
  assert.deepEqual(JSON.parse(request.body), { name: 'x' });
});

const DOCUMENT = `# Doc
## Base URL
All below \`/api\`.
## Things
### \`GET /things\`
**Query Parameters:**
- \`page\`: Page (default: 1)
- \`per_page\`: Rows (default: 20, max: 100)
- \`kind\`: Which (big, small)
- \`owner\` (query, optional) - Whose

**Response:**
\`\`\`json
{"things": [{"id": 1}], "page": 1}
\`\`\`
### \`GET /things/{id}\`
**Response:** A single thing object.
### Make
**Endpoint:** \`POST /things\`
**Request:**
\`\`\`json
{"name": "x"}
\`\`\`
**Response:** \`201 Created\`
\`\`\`json
{"id": 1, ...}
\`\`\`
## Later
\`\`\`http
DELETE /things/{id}
Authorization: Bearer {token}
\`\`\`
### 404 Not Found
\`\`\`json
{"detail": "none"}
\`\`\`
`;
const SETUP = '## Set-up\n```\nmake it\n```\n';
const errors = [{ status: 404 }];
const cases = (text, plan = {}, route = undefined) => makeCases(extractDocument('d', text, plan.bind), { errors, ...plan }, route);

test('a document becomes cases', () => {
  const { cases: list, complaints: none } = cases(DOCUMENT);
  assert.deepEqual(none, []);
  const seen = list.map((one) => one.name.replace(/^d:\d+ /, '').replaceAll(/0189[-0-9]*/g, '{absent}'));
  assert.deepEqual(seen, [
    'GET /api/things', 'GET /api/things, by nobody',
    'GET /api/things, without page', 'GET /api/things?page=1',
    'GET /api/things, without per_page', 'GET /api/things?per_page=100', 'GET /api/things?per_page=101', 'GET /api/things?per_page=1',
    'GET /api/things?kind=big', 'GET /api/things?kind=small', 'GET /api/things?owner={owner}',
    'GET /api/things/{id}', 'GET /api/things/{id}, by nobody', 'GET /api/things/{absent}, that is not there',
    'POST /api/things', 'POST /api/things, by nobody',
    'DELETE /api/things/{id}', 'DELETE /api/things/{id}, by nobody', 'DELETE /api/things/{absent}, that is not there',
    'the reply to a failure with 404',
  ]);
  const by = (end) => list.find((one) => one.name.endsWith(end));
  assert.deepEqual(plain(by('GET /api/things/{id}').example), { id: 1 });
  assert.deepEqual([by('POST /api/things').status, plain(by('POST /api/things').body)], [201, { name: 'x' }]);
  assert.equal(by('per_page=101').status, 422);
});

test('nothing is left out in silence', async (t) => {
  const later = { notBuilt: ['Later'], errors: [] };
  const table = [
    ['a block of which nothing is known', DOCUMENT + SETUP, {}, /neither a case nor excluded: fence make it/],
    ['an endpoint in passing', `${DOCUMENT}\nSee also \`POST /elsewhere\`.`, {}, /neither a case nor excluded: mention POST \/elsewhere/],
    ['words for a reply that nobody understands', DOCUMENT.replace('A single thing object', 'As usual'), {}, /not understood: As usual/],
    ['messages that nobody plays', `${DOCUMENT}\n**Endpoint:** \`WS /ws/{id}\``, {}, /messages of a WebSocket/],
    ['an error that is not in the plan', DOCUMENT, { errors: [] }, /an error of 404 that the plan does not know/],
    ['an exclusion of nothing', DOCUMENT, { excluded: [{ section: 'Set-up', holds: 'make', why: 'x' }] }, /nothing to exclude in "Set-up"/],
    ['an area that is not in the document', DOCUMENT, { notBuilt: ['Never'] }, /no section "Never"/],
    ['a case that is not in the document', DOCUMENT, { cases: { 'GET /x': {} } }, /no case "GET \/x"/],
  ];
  for (const [what, text, plan, complaint] of table) {
    await t.test(what, () => assert.match(cases(text, plan).complaints.join('\n'), complaint));
  }
  await t.test('an exclusion with a reason is enough', () => {
    const excluded = [{ section: 'Set-up', holds: 'make it', why: 'no API' }];
    assert.deepEqual(cases(DOCUMENT + SETUP, { excluded }).complaints, []);
  });
  await t.test('an area that is not built has no cases, and is complained about once it is built', () => {
    const { cases: list, complaints: none } = cases(DOCUMENT, later);
    assert.deepEqual([none, list.some((one) => one.method === 'DELETE')], [[], false]);
    const operations = [{ method: 'DELETE', path: '/api/things/{id}' }];
    const { complaints: some } = cases(DOCUMENT, later, routeFinder({ operations: () => operations }));
    assert.match(some.join('\n'), /"Later" is built: take it off the list/);
  });
});

test('the blocks of the documents are all seen', () => {
  const counts = { 'monitorpy.md': 14, 'api-uptime-monitor.md': 7, 'secumon.md': 35, 'chatops.md': 31, 'monsterr.md': 22 };
  for (const [file, count] of Object.entries(counts)) {
    const text = readFileSync(new URL(`../../contract/documents/${file}`, import.meta.url), 'utf8');
    const fences = parseMarkdown(text).filter((block) => block.kind === 'fence').length;
    // Counted without the parser: each block has a line with its beginning and one with its end (the
    // last one of monsterr.md has none).
    assert.equal(fences, Math.ceil((text.match(/^\s*```/gm) ?? []).length / 2), file);
    assert.equal(fences, count, file);
  }
});

test('the route of a request', () => {
  const list = ['/a/{id}', '/a/me', '/b'].map((path) => ({ method: 'GET', path }));
  const find = routeFinder({ operations: () => list });
  const path = (...request) => find(...request)?.path;
  assert.deepEqual([path('GET', '/a/1'), path('GET', '/a/{x}'), path('GET', '/a/me/'), path('GET', '/b/'), path('PUT', '/b'), path('GET', '/c')],
    ['/a/{id}', '/a/{id}', '/a/me', '/b', undefined, undefined]);
});
