// The way through all five daemons, with two workers: a check is made, watched, fails, is reported
// by mail and webhook, recovers, is reported again; an agent's metrics come in and are read back.

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  newWebhookSecret, signIn, startMailServer, startReceiver, startTocsin, startWebsite, waitFor,
} from './kit.js';

const website = await startWebsite();
const mail = await startMailServer();
const receiver = await startReceiver(newWebhookSecret());
const tocsin = await startTocsin({
  env: { TOCSIN_SMTP_URL: mail.url, TOCSIN_SMTP_FROM: 'Tocsin <tocsin@example.test>' },
});
await tocsin.start('worker-2');
const admin = await signIn(tocsin);
test.after(async () => {
  await tocsin.stop();
  await Promise.all([website.stop(), receiver.stop(), mail.stop()]);
});

let check;

/** The check once its state is this one. */
function state(wanted) {
  return waitFor(`state ${wanted}`, async () => {
    const now = await admin.must(200, 'GET', `/api/v1/checks/${check.id}`);
    return now.state === wanted && now;
  });
}

async function incidents(query = '') {
  const list = await admin.must(200, 'GET', `/api/v1/incidents?check_id=${check.id}${query}`);
  return list.incidents;
}

/** The one verified webhook about this event of the check. */
function webhook(event) {
  return waitFor(`webhook ${event}`, () =>
    receiver.deliveries.find((d) => d.verified && d.event.type === event));
}

test('channels', async () => {
  const byMail = await admin.must(201, 'POST', '/api/v1/channels', {
    name: 'Operators', type: 'email', config: { to: ['ops@example.test', 'night@example.test'] }, is_default: true,
  });
  const byWebhook = await admin.must(201, 'POST', '/api/v1/channels', {
    name: 'Hook', type: 'webhook', config: { url: receiver.url, secret: receiver.secret }, is_default: true,
  });
  assert.equal(byMail.is_default, true);
  assert.equal(byWebhook.type, 'webhook');
  const readBack = await admin.must(200, 'GET', `/api/v1/channels/${byWebhook.id}`);
  assert.ok(!JSON.stringify(readBack).includes(receiver.secret), 'a secret is not read back');

  const tested = await admin.must(200, 'POST', `/api/v1/channels/${byWebhook.id}/test`);
  assert.equal(tested.status, 'delivered', JSON.stringify(tested));
  await admin.must(409, 'POST', `/api/v1/deliveries/${tested.id}/retry`);
  await tocsin.sql(`UPDATE outbox SET status = 'failed' WHERE id = '${tested.id}'`);
  await admin.must(202, 'POST', `/api/v1/deliveries/${tested.id}/retry`);
  const count = () => receiver.deliveries.filter((d) => d.event?.type === 'channel.test').length;
  await waitFor('it once more', () => count() === 2);
  receiver.deliveries.length = 0;
});

test('a check is made, read, changed, and runs by itself', async () => {
  check = await admin.must(201, 'POST', '/api/v1/checks', {
    name: 'Shop', plugin_type: 'website', config: { url: website.url, expected_status: 200 },
    schedule: 'every 2 seconds', retries: 1, retry_interval: 'every 1 second',
  });
  assert.equal(check.schedule, 'every 2 seconds');
  const list = await admin.must(200, 'GET', '/api/v1/checks');
  assert.deepEqual(list.checks.map((c) => c.id), [check.id]);

  const changed = await admin.must(200, 'PUT', `/api/v1/checks/${check.id}`, { name: 'Web shop', schedule: 'every 1 second' });
  assert.deepEqual([changed.name, changed.schedule], ['Web shop', 'every 1 second']);

  await state('up');
  await waitFor('three runs', () => website.hits >= 3);
  const results = await waitFor('three results', async () => {
    const { results: all } = await admin.must(200, 'GET', `/api/v1/results/check/${check.id}?per_page=50`);
    return all.length >= 3 && all;
  });
  assert.ok(results.every((r) => r.status === 'success'), JSON.stringify(results.map((r) => r.message)));
  const ids = new Set(results.map((r) => r.id));
  assert.equal(ids.size, results.length);
});

test('both workers take part', async () => {
  await waitFor('jobs on both workers', async () => {
    await Promise.all(Array.from({ length: 8 }, () =>
      admin.must(200, 'POST', `/api/v1/checks/${check.id}/run`)));
    const counts = await Promise.all(['worker', 'worker-2'].map(async (name) => {
      const { body } = await tocsin.request('GET', '/metrics', { base: `http://127.0.0.1:${tocsin.ports[name]}` });
      return /^tocsin_worker_probes_total(\{[^}]*\})? [1-9]/m.test(body);
    }));
    return counts.every(Boolean);
  });
});

test('run now gives the stored result', async () => {
  const result = await admin.must(200, 'POST', `/api/v1/checks/${check.id}/run`);
  assert.equal(result.status, 'success');
  const stored = await admin.must(200, 'GET', `/api/v1/results/${result.id}`);
  assert.equal(stored.message, result.message);
});

test('ten at once are ten answers', async () => {
  const results = await Promise.all(Array.from({ length: 10 }, () =>
    admin.must(200, 'POST', `/api/v1/checks/${check.id}/run`)));
  assert.ok(results.every((r) => r.check_id === check.id && r.status === 'success'));
});

let incident;
test('the website stops: down, an incident, a mail, a signed webhook', async () => {
  await website.stop();
  await state('down');
  [incident] = await waitFor('the incident', async () => {
    const open = await incidents('&status=open');
    return open.length > 0 && open;
  });
  assert.equal(incident.check_id, check.id);
  await admin.must(200, 'POST', `/api/v1/incidents/${incident.id}/acknowledge`);

  const sent = await waitFor('the mail', () => mail.mails.find((m) => m.to.includes('ops@example.test')));
  assert.match(sent.from, /tocsin@example\.test/);
  assert.match(sent.text, /Web shop/);
  assert.match(sent.text, /Message-ID:/i);

  const hook = await webhook('check.down');
  assert.equal(hook.headers['webhook-id'].length > 10, true);
  assert.match(JSON.stringify(hook.event), /Web shop/);
  assert.ok(JSON.stringify(hook.event).includes(incident.id));
  assert.ok(receiver.deliveries.every((d) => d.verified), 'every delivery verifies');
});

test('the website is back: up, resolved, mails and webhooks say so', async () => {
  const before = mail.mails.length;
  await website.start();
  await state('up');
  await waitFor('the resolved incident', async () => {
    const now = await admin.must(200, 'GET', `/api/v1/incidents/${incident.id}`);
    return now.status === 'resolved' && now.resolved_at;
  });
  await waitFor('the mail', () => mail.mails.slice(before).find((m) => m.to.includes('ops@example.test')));
  const hook = await webhook('check.up');
  assert.ok(JSON.stringify(hook.event).includes(incident.id));

  // Nothing was told twice.
  const seen = receiver.deliveries.map((d) => d.headers['webhook-id']);
  assert.equal(new Set(seen).size, seen.length);
  assert.equal((await incidents('&status=open')).length, 0);
  const { deliveries } = await admin.must(200, 'GET', `/api/v1/deliveries?incident_id=${incident.id}`);
  assert.ok(deliveries.length >= 4, JSON.stringify(deliveries));
});

test('a status that is not expected is down as well, with a reason', async () => {
  website.status = 500;
  const down = await state('down');
  assert.ok(down.last_run);
  const { results } = await admin.must(200, 'GET', `/api/v1/results/check/${check.id}?status=error&per_page=1`);
  assert.match(results[0].message, /500/);
  assert.equal(results[0].raw_data.status_code, 500);
  website.status = 200;
  await state('up');
});

test('a paused check rests, a resumed one runs', async () => {
  await admin.must(200, 'POST', `/api/v1/checks/${check.id}/pause`);
  await state('paused');
  // What was under way when it was paused may still come in: then it must be still.
  const hits = await waitFor('silence', async () => {
    const before = website.hits;
    await new Promise((resolve) => setTimeout(resolve, 2500));
    return website.hits === before && before;
  });
  await admin.must(200, 'POST', `/api/v1/checks/${check.id}/resume`);
  await waitFor('a run', () => website.hits > hits);
});

test('a killed worker is replaced by the other one', async () => {
  await tocsin.process('worker').kill('SIGKILL');
  const hits = website.hits;
  await waitFor('runs by the other worker', () => website.hits >= hits + 3);
  await tocsin.start('worker');
});

test('metrics of an agent come in and are read back', async () => {
  const server = await admin.must(201, 'POST', '/api/v1/servers', { name: 'server-001', host: '192.168.1.9', port: 22 });
  const { key } = await admin.must(201, 'POST', '/api/v1/api-keys', { name: 'agent', server_id: server.id });
  const send = (value) => tocsin.request('POST', '/api/v1/ingest/metrics', {
    base: tocsin.ingest, key,
    body: {
      agent_id: 'server-001', time: new Date().toISOString(),
      metrics: [{ metric_type: 'cpu', metric_name: 'usage_percent', value, tags: {} }],
    },
  });
  for (const value of [15.25, 39.5]) {
    const reply = await send(value);
    assert.equal(reply.status, 202, JSON.stringify(reply.body));
    assert.deepEqual([reply.body.accepted, reply.body.rejected], [1, 0]);
    const latest = await waitFor('the sample', async () => {
      const { body } = await admin.call('GET', '/api/v1/metrics/latest/server-001');
      return body.metrics?.some((m) => m.value === value) && body;
    });
    assert.equal(latest.agent_id, 'server-001');
  }
  const online = await waitFor('the server to be online', async () => {
    const now = await admin.must(200, 'GET', `/api/v1/servers/${server.id}`);
    return now.status === 'online' && now;
  });
  assert.equal(online.id, server.id);
  const other = await tocsin.request('POST', '/api/v1/ingest/metrics', {
    base: tocsin.ingest, body: { agent_id: 'server-001', time: new Date().toISOString(), metrics: [] },
  });
  assert.equal(other.status, 401);
});

test('a deleted check is gone and rests', async () => {
  const reply = await admin.call('DELETE', `/api/v1/checks/${check.id}`);
  assert.equal(reply.status, 204);
  assert.equal((await admin.call('GET', `/api/v1/checks/${check.id}`)).status, 404);
  await waitFor('silence', async () => {
    const before = website.hits;
    await new Promise((resolve) => setTimeout(resolve, 2500));
    return website.hits === before;
  });
});
