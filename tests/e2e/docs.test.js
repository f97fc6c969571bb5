// The documentation pages: served from this host, with nothing from another one, and working in a
// real browser where there is one (Debian: chromium).

import assert from 'node:assert/strict';
import test from 'node:test';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { startTocsin } from './kit.js';

const tocsin = await startTocsin({ daemons: ['api'] });
test.after(() => tocsin.stop());

const get = (target, headers = {}) => fetch(new URL(target, tocsin.api), { headers });
const pages = ['/docs', '/api/v1/docs', '/redoc', '/api/v1/redoc'];

for (const page of pages) {
  test(`${page} and all that it names come from here`, async () => {
    const reply = await get(page);
    const html = await reply.text();
    assert.equal(reply.status, 200, html);
    assert.match(reply.headers.get('content-type'), /^text\/html/);
    const policy = reply.headers.get('content-security-policy');
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /https?:|\*|unsafe-eval|script-src[^;]*unsafe/);
    const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((m) => m[1]);
    assert.ok(named.length >= 4);
    for (const target of named) {
      assert.match(target, /^\/api\/v1\//);
      const part = await get(target);
      assert.equal(part.status, 200, target);
      const size = (await part.arrayBuffer()).byteLength;
      assert.ok(size > 0, target);
      if (!target.includes('/assets/')) continue;
      assert.match(part.headers.get('cache-control'), /immutable/);
      const again = await get(target, { 'if-none-match': part.headers.get('etag') });
      assert.equal(again.status, 304, target);
    }
  });
}

test('files are compressed for those who take it', async () => {
  const html = await (await get('/docs')).text();
  const script = /src="([^"]*swagger-ui-bundle[^"]*)"/.exec(html)[1];
  const packed = await get(script, { 'accept-encoding': 'gzip' });
  const plain = await get(script, { 'accept-encoding': 'identity' });
  assert.equal(packed.headers.get('content-encoding'), 'gzip');
  assert.equal(plain.headers.get('content-encoding'), null);
  assert.match(packed.headers.get('vary'), /accept-encoding/i);
  assert.notEqual(packed.headers.get('etag'), plain.headers.get('etag'));
  assert.equal(await packed.text(), await plain.text());
});

test('no other file can be had', async () => {
  for (const name of ['nothing.js', '..%2fswagger.html', '.hidden.js', 'made-of', 'swagger.html.gz', 'a%00.js']) {
    const reply = await get(`/api/v1/docs/assets/${name}`);
    assert.ok([400, 404].includes(reply.status), `${name}: ${reply.status}`);
    assert.match(reply.headers.get('content-type'), /problem\+json/);
  }
});

test('without the files the pages say what to do, and the API works', async () => {
  const empty = mkdtempSync(path.join(tmpdir(), 'tocsin-web-'));
  await tocsin.start('api-2', { TOCSIN_WEB_DIR: empty });
  const bare = (target) => fetch(`http://127.0.0.1:${tocsin.ports['api-2']}${target}`);
  const page = await bare('/docs');
  assert.equal(page.status, 404);
  assert.match(await page.text(), /make web/);
  assert.equal((await bare('/api/v1/openapi.json')).status, 200);
  assert.equal((await bare('/api/v1/docs/ingest.json')).status, 404);
  await tocsin.process('api-2').stop();
});

const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

test('in a browser', { skip: chromium ? false : 'there is no Chromium' }, async (t) => {
  const { chromium: driver } = await import('playwright-core');
  const other = await startTocsin({ daemons: ['api'] });
  const browser = await driver.launch({ executablePath: chromium, args: ['--no-sandbox'], timeout: 120_000 });
  t.after(async () => {
    await browser.close();
    await other.stop();
  });
  const complaints = [];
  const shots = process.env.TOCSIN_TEST_SHOTS; // a folder to leave pictures in
  const open = async (target) => {
    const page = await browser.newPage({ viewport: { width: 1300, height: 1000 } });
    page.setDefaultTimeout(120_000); // a busy machine draws slowly
    page.on('console', (m) => ['error', 'warning'].includes(m.type()) && complaints.push(m.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (r) => {
      if (!r.url().startsWith(other.api) && !/^(data|blob):/.test(r.url())) complaints.push(`asks ${r.url()}`);
    });
    await page.goto(other.api + target);
    return page;
  };
  const shoot = (page, name) => shots && page.screenshot({ path: path.join(shots, `${name}.png`) });

  await t.test('Swagger UI: sign in, try a request, see what came', async () => {
    const page = await open('/api/v1/docs');
    await page.click('button.authorize');
    const form = page.locator('.auth-container', { hasText: 'password' }).first();
    await form.locator('#oauth_username').fill(other.admin.email);
    await form.locator('#oauth_password').fill(other.admin.password);
    await shoot(page, 'authorize');
    await form.locator('button.authorize').click();
    await form.getByText('Logout').waitFor();
    await page.click('.close-modal');

    await page.click('#operations-tag-Checks .expand-operation');
    const operation = page.locator('#operations-Checks-getChecks');
    await operation.locator('.opblock-summary-control').click();
    await operation.getByText('Try it out').click();
    await operation.locator('button.execute').click();
    await operation.locator('.live-responses-table .response-col_status', { hasText: '200' }).waitFor();
    await operation.locator('.live-responses-table').scrollIntoViewIfNeeded();
    await shoot(page, 'tried');
    assert.match(await operation.locator('.live-responses-table .highlight-code').first().innerText(), /"checks"/);
    await page.close();
  });

  await t.test('Swagger UI shows the intake too', async () => {
    const page = await open('/docs?urls.primaryName=Ingest');
    await page.locator('.opblock-tag', { hasText: 'Ingest' }).waitFor();
    await page.close();
  });

  await t.test('ReDoc shows every group', async () => {
    const page = await open('/api/v1/redoc');
    await page.locator('h2', { hasText: 'List checks' }).first().waitFor();
    await page.locator('[role=search] input').fill('incident');
    await page.locator('[data-role="search:results"] li').first().waitFor();
    await shoot(page, 'redoc');
    await page.close();
  });

  assert.deepEqual(complaints, []);
});
