// The uptime API as a client of the product it comes from uses it: integers for ids, minutes, bare
// arrays, trailing slashes; down and up for real, with the webhook that is told.

import assert from 'node:assert/strict';
import test from 'node:test';

import { differences, newWebhookSecret, signIn, startReceiver, startTocsin, startWebsite, waitFor } from './kit.js';

const website = await startWebsite();
const receiver = await startReceiver(newWebhookSecret());
const tocsin = await startTocsin();
const admin = await signIn(tocsin);
const viewer = await admin.must(201, 'POST', '/api/v1/api-keys', { name: 'reader', scopes: ['checks:read'] });
test.after(async () => {
  await tocsin.stop();
  await receiver.stop();
  await website.stop();
});

const urlExample = {
  id: 1, url: 'https://example.com', check_interval: 5, webhook_url: 'your-webhook-url', status: 'UP',
  last_checked: '2025-01-01T00:00:00Z',
};
const changeExample = {
  id: 1, url: 'https://example.com', monitored_url_id: 1, status: 'UP', checked_at: '2025-01-01T00:00:00Z',
  check_interval: 5,
};
const like = (example, value, mayBeNull) =>
  assert.deepEqual(differences(example, value, mayBeNull), [], JSON.stringify(value));

test('a website, from its registration to its removal', async (t) => {
  let site;
  await t.test('is registered as the document shows', async () => {
    const reply = await admin.call('POST', '/api/monitor/urls/', {
      url: website.url, check_interval: 5, webhook_url: receiver.url,
    });
    assert.equal(reply.status, 201);
    site = reply.body;
    like(urlExample, site, ['last_checked']);
    assert.equal(reply.headers.get('location'), `/api/monitor/urls/${site.id}/`);
    assert.deepEqual([site.url, site.check_interval, site.webhook_url], [website.url, 5, receiver.url]);
    assert.ok(Number.isInteger(site.id));
    const check = await admin.must(200, 'GET', `/api/v1/checks/${site.check_id}`);
    assert.deepEqual([check.legacy_id, check.schedule, check.plugin_type], [site.id, 'every 5 minutes', 'website']);
  });

  await t.test('is listed, with and without the slash, among all websites', async () => {
    for (const path of ['/api/monitor/urls', '/api/monitor/urls/']) {
      const reply = await admin.call('GET', path);
      assert.equal(reply.status, 200);
      assert.ok(Array.isArray(reply.body));
      like([urlExample], reply.body.filter((one) => one.id === site.id), ['[].last_checked']);
      assert.equal(reply.headers.get('x-total-count'), String(reply.body.length));
    }
    const other = await admin.must(201, 'POST', '/api/monitor/urls/', { url: website.url, enabled: false });
    assert.equal(other.check_interval, 5);
    assert.equal(other.webhook_url, null);
    const page = await admin.call('GET', '/api/monitor/urls/?limit=1&offset=1');
    assert.deepEqual(page.body.map((one) => one.id), [other.id]);
    assert.match(page.headers.get('link'), /rel="prev"/);
    await admin.must(200, 'DELETE', `/api/monitor/urls/${other.id}/`);
  });

  const status = async () => (await admin.must(200, 'GET', `/api/monitor/urls/${site.id}/`)).status;
  const runUntil = (wanted) => waitFor(`status ${wanted}`, async () => {
    assert.equal((await admin.must(200, 'POST', '/run-task/')).status, 'task triggered');
    // All that was triggered has been run: what the website says next is seen by later runs alone.
    await waitFor('the end of the runs', async () => {
      const { depth, in_flight: running } = await admin.must(200, 'GET', '/api/v1/queues/checks');
      return depth + running === 0;
    });
    return (await status()) === wanted;
  });

  await t.test('is up, then down, then up; a moved page is up, too', async () => {
    await runUntil('UP');
    website.status = 500;
    await runUntil('DOWN');
    website.status = 304;
    await runUntil('UP');
    website.status = 200;
    const { last_checked: last } = await admin.must(200, 'GET', `/api/monitor/urls/${site.id}`);
    assert.ok(Date.now() - Date.parse(last) < 60_000);
    const events = () => receiver.deliveries.map((delivery) => JSON.parse(delivery.text).type);
    await waitFor('both webhooks', () => events().includes('check.down') && events().includes('check.up'));
  });

  await t.test('has a history: filtered, sorted, in pages', async () => {
    const get = (query) => admin.must(200, 'GET', `/api/monitor/history/?url_id=${site.id}&${query}`);
    const all = await get('');
    like([changeExample], all);
    const statuses = all.map((change) => change.status);
    assert.deepEqual(statuses, ['UP', 'DOWN', 'UP']);
    assert.ok(all.every((change) => change.monitored_url_id === site.id && change.url === website.url));
    assert.deepEqual((await get('status=DOWN')).map((change) => change.id), [all[1].id]);
    assert.deepEqual((await get('sort=checked_at')).map((change) => change.id), all.map((c) => c.id).reverse());
    assert.deepEqual((await get('sort=-id&limit=1&offset=1')).map((change) => change.id), [all[1].id]);
    assert.deepEqual((await get('page=3&per_page=1')).map((change) => change.id), [all[2].id]);
    const at = encodeURIComponent(all[1].checked_at);
    assert.deepEqual((await get(`from=${at}`)).map((change) => change.id), [all[0].id, all[1].id]);
    assert.deepEqual((await get(`to=${at}`)).map((change) => change.id), [all[1].id, all[2].id]);
    assert.deepEqual(await get('from=2100-01-01T00:00:00Z'), []);
  });

  await t.test('is counted', async () => {
    const stats = await admin.must(200, 'GET', '/api/monitor/stats/');
    like({ UP: 2, DOWN: 1, UNKNOWN: 0, current: { UP: 1, DOWN: 0, UNKNOWN: 0 }, urls: 1 }, stats);
    assert.equal(stats.DOWN, 1);
    assert.ok(stats.UP >= 2);
    assert.equal(stats.urls, stats.current.UP + stats.current.DOWN + stats.current.UNKNOWN);
    const none = await admin.must(200, 'GET', '/api/monitor/stats/?from=2100-01-01T00:00:00Z');
    assert.deepEqual([none.UP, none.DOWN, none.UNKNOWN], [0, 0, 0]);
  });

  await t.test('has its uptime in percent', async () => {
    const stats = await admin.must(200, 'GET', `/api/monitor/urls/${site.id}/stats/`);
    assert.deepEqual([stats.id, stats.url, stats.status], [site.id, website.url, 'UP']);
    assert.deepEqual(Object.keys(stats.uptime), ['24h', '7d', '30d', '90d', '1y']);
    for (const { count, failures, uptime_percent: percent } of Object.values(stats.uptime)) {
      assert.ok(failures >= 1 && failures < count);
      assert.ok(Math.abs(percent - 100 * (1 - failures / count)) < 1e-3);
    }
  });

  await t.test('is changed in part or whole, and removed', async () => {
    const path = `/api/monitor/urls/${site.id}/`;
    const whole = { url: `${website.url}x`, check_interval: 1, webhook_url: '', user_id: 7 };
    const changed = await admin.must(200, 'PUT', path, whole);
    assert.deepEqual([changed.url, changed.check_interval, changed.webhook_url], [whole.url, 1, null]);
    assert.equal((await admin.must(200, 'PATCH', path, { check_interval: 10 })).url, whole.url);
    assert.equal((await admin.must(200, 'PUT', path, changed)).check_interval, 1);
    assert.deepEqual(await admin.must(200, 'DELETE', path), { message: 'URL deleted successfully' });
    await admin.must(404, 'GET', path);
    await admin.must(404, 'PUT', path, {});
    await admin.must(404, 'DELETE', path);
  });
});

test('/run-task/ runs by GET as well, but not by HEAD, and not for anybody', async () => {
  const before = website.hits;
  const site = await admin.must(201, 'POST', '/api/monitor/urls/', { url: website.url, check_interval: 44640 });
  const done = async () => (await admin.must(200, 'GET', `/api/v1/results/check/${site.check_id}`)).results
    .filter((result) => result.trigger === 'manual').length;
  assert.equal((await admin.call('HEAD', '/run-task/')).status, 200);
  const reply = await admin.must(200, 'GET', '/run-task/');
  assert.deepEqual(Object.keys(reply), ['status', 'count']);
  assert.ok(reply.count >= 1);
  await waitFor('the one run', async () => (await done()) === 1);
  assert.ok(website.hits > before);
  assert.equal((await tocsin.request('GET', '/run-task/')).status, 401);
  assert.equal((await tocsin.request('POST', '/run-task/', { key: viewer.key })).status, 403);
  await admin.must(200, 'DELETE', `/api/monitor/urls/${site.id}`);
});

test('what is not accepted', async (t) => {
  const url = 'https://example.com';
  const cases = [
    ['POST', 'urls/', {}, 422],
    ['POST', 'urls/', { url: 'example.com' }, 422],
    ['POST', 'urls/', { url: 'ftp://example.com' }, 422],
    ['POST', 'urls/', { url, check_interval: 0 }, 422],
    ['POST', 'urls/', { url, check_interval: 44641 }, 422],
    ['POST', 'urls/', { url, check_interval: 1.5 }, 422],
    ['POST', 'urls/', { url, check_interval: '5' }, 422],
    ['POST', 'urls/', { url, webhook_url: 'your-webhook-url' }, 422],
    ['POST', 'urls/', { url, name: ' ' }, 422],
    ['POST', 'urls/', { url, unknown: 1 }, 422],
    ['GET', 'urls/0', undefined, 404],
    ['GET', 'urls/-1', undefined, 404],
    ['GET', 'urls/abc', undefined, 404],
    ['GET', 'urls/99999999999999999999', undefined, 404],
    ['GET', 'urls/99999999/stats/', undefined, 404],
    ['GET', 'urls/abc/stats/', undefined, 404],
    ['GET', 'urls/?limit=0', undefined, 422],
    ['GET', 'urls/?sort=price', undefined, 422],
    ['GET', 'history/?status=up', undefined, 422],
    ['GET', 'history/?from=yesterday', undefined, 422],
    ['GET', 'history/?url_id=x', undefined, 422],
    ['GET', 'history/?sort=reason', undefined, 422],
    ['GET', 'stats/?to=1', undefined, 422],
    ['PUT', 'stats/', {}, 405],
  ];
  for (const [method, path, body, status] of cases) {
    await t.test(`${method} ${path} ${JSON.stringify(body) ?? ''}`, async () => {
      const reply = await admin.call(method, `/api/monitor/${path}`, body);
      assert.equal(reply.status, status, JSON.stringify(reply.body));
      assert.match(reply.headers.get('content-type'), /^application\/problem\+json/);
    });
  }
  for (const [method, path] of [['GET', 'urls/'], ['GET', 'history/'], ['GET', 'stats/'], ['POST', 'urls/']]) {
    await t.test(`${method} ${path}, by nobody`, async () => {
      assert.equal((await tocsin.request(method, `/api/monitor/${path}`, { body: undefined })).status, 401);
    });
  }
  await t.test('POST urls/, by one who may only read', async () => {
    assert.equal((await tocsin.request('GET', '/api/monitor/urls/', { key: viewer.key })).status, 200);
    assert.equal((await tocsin.request('POST', '/api/monitor/urls/', { key: viewer.key, body: { url } })).status, 403);
  });
});
