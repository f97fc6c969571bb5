// DNS checks against a name server that somebody else wrote (dnsmasq), and against one that
// misbehaves.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { userInfo } from 'node:os';
import test from 'node:test';

import { freePort } from '../kit/tocsin.mjs';
import { signIn, startTocsin, waitFor } from './kit.js';

let complaints = '';
async function startDnsmasq(...options) {
  const port = await freePort();
  const child = spawn('dnsmasq', [
    '--keep-in-foreground', '--no-resolv', '--no-hosts', '--no-poll', '--conf-file=/dev/null', '--log-facility=-',
    '--pid-file', `--user=${userInfo().username}`, `--port=${port}`, '--listen-address=127.0.0.1', '--bind-interfaces',
    '--local-ttl=300', ...options,
  ], { stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.on('data', (chunk) => { complaints += chunk; });
  return { address: `127.0.0.1:${port}`, stop: () => child.kill() };
}
const dnsmasq = await startDnsmasq(
  '--local=/example.test/',
  '--host-record=www.example.test,192.0.2.1,2001:db8::1', '--host-record=www.example.test,192.0.2.2',
  '--cname=blog.example.test,www.example.test',
  '--mx-host=example.test,mail.example.test,10', '--mx-host=example.test,backup.example.test,20',
  '--txt-record=example.test,v=spf1 include:_spf.example.com ~all',
  '--srv-host=_sip._tcp.example.test,www.example.test,5060,0,5',
  '--ptr-record=1.2.0.192.in-addr.arpa,www.example.test',
  '--caa-record=example.test,0,issue,letsencrypt.org',
  ...Array.from({ length: 60 }, (_, i) => `--host-record=many.example.test,198.51.100.${i + 1}`),
);
// One that owns its zone: what it says is authoritative.
const owner = await startDnsmasq(
  '--auth-zone=owned.test,203.0.113.0/24,127.0.0.0/8', '--auth-server=ns.owned.test,127.0.0.1',
  '--host-record=www.owned.test,203.0.113.7', '--host-record=ns.owned.test,127.0.0.1',
);

// One that knows them all, for the worker to ask by itself.
const resolver = await startDnsmasq(
  `--server=/owned.test/${owner.address.replace(':', '#')}`, `--server=/example.test/${dnsmasq.address.replace(':', '#')}`,
);

// A server that answers each name in its own bad way.
const odd = dgram.createSocket('udp4');
odd.on('message', (query, peer) => {
  const name = query.subarray(13, 13 + query[12]).toString();
  const reply = Buffer.from(query);
  reply.writeUInt16BE(0x8180, 2);
  if (name === 'servfail') reply.writeUInt16BE(0x8182, 2);
  if (name === 'garbage') return odd.send(Buffer.from('no dns at all'), peer.port, peer.address);
  if (name === 'liar') reply.writeUInt16BE(9, 6); // nine answers, none there
  if (name === 'silent') return undefined;
  if (name === 'forwarded') {
    reply.writeUInt16BE(1, 6);
    reply.writeUInt16BE(0, 10);
    const question = reply.subarray(0, 12 + query.subarray(12).indexOf(0) + 5);
    const record = Buffer.from('c00c00010001000000050004c0000201', 'hex');
    return odd.send(Buffer.concat([question, record]), peer.port, peer.address);
  }
  return odd.send(reply, peer.port, peer.address);
});
odd.bind(0, '127.0.0.1');
await once(odd, 'listening');

const tocsin = await startTocsin({ env: { TOCSIN_NAMESERVERS: resolver.address } });
const admin = await signIn(tocsin);
test.after(async () => {
  odd.close();
  dnsmasq.stop();
  owner.stop();
  resolver.stop();
  await tocsin.stop();
});

const good = dnsmasq.address;
const bad = `127.0.0.1:${odd.address().port}`;
const run = (config) => admin.call('POST', '/api/v1/checks/run', { plugin_type: 'dns', config });
async function result(config) {
  const reply = await run({ nameserver: good, ...config });
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
  return reply.body;
}

test('what a real name server says', async (t) => {
  await waitFor('dnsmasq', async () => (await result({ domain: 'www.example.test', record_type: 'A' })).status === 'success'
    || assert.fail(complaints));
  const cases = [
    [{ domain: 'www.example.test', record_type: 'A' }, ['192.0.2.1', '192.0.2.2']],
    [{ domain: 'example.test', subdomain: 'www', record_type: 'AAAA' }, ['2001:db8::1']],
    [{ domain: 'blog.example.test', record_type: 'A' }, ['192.0.2.1', '192.0.2.2']], // over an alias
    [{ domain: 'blog.example.test', record_type: 'CNAME' }, ['www.example.test']],
    [{ domain: 'EXAMPLE.test.', record_type: 'MX' }, ['10 mail.example.test', '20 backup.example.test']],
    [{ domain: 'example.test', record_type: 'TXT' }, ['"v=spf1 include:_spf.example.com ~all"']],
    [{ domain: '_sip._tcp.example.test', record_type: 'SRV' }, ['0 5 5060 www.example.test']],
    [{ domain: '192.0.2.1', record_type: 'PTR' }, ['www.example.test']],
    [{ domain: 'example.test', record_type: 'CAA' }, ['0 issue "letsencrypt.org"']],
    [{ domain: 'owned.test', record_type: 'SOA', nameserver: owner.address }, null],
  ];
  for (const [config, records] of cases) {
    await t.test(`${config.record_type} ${config.domain}`, async () => {
      const { status, message, raw_data: raw, response_time: took } = await result(config);
      assert.equal(status, 'success', message);
      assert.ok(took > 0 && raw.query_us > 0);
      assert.equal(raw.rcode, 'NOERROR');
      assert.equal(raw.nameserver, config.nameserver ?? good);
      assert.equal(raw.record_count, raw.records.length);
      if (records) assert.deepEqual([...raw.records].sort(), records);
    });
  }
  await t.test('sixty records: over TCP where UDP is too small', async () => {
    const { status, raw_data: raw } = await result({
      domain: 'many.example.test', record_type: 'A', expected_value: ['198.51.100.1', '198.51.100.60'],
    });
    assert.equal(status, 'success');
    assert.equal(raw.record_count, 60);
  });
  await t.test('no server named: those that the worker was told', async () => {
    const { body } = await run({ domain: 'www.owned.test', record_type: 'A', expected_value: '203.0.113.7' });
    assert.equal(body.status, 'success', body.message);
    assert.equal(body.raw_data.nameserver, null);
  });
});

test('what is judged', async (t) => {
  const www = { domain: 'www.example.test', record_type: 'A' };
  const mx = { domain: 'example.test', record_type: 'MX' };
  const cases = [
    [{ ...www, expected_value: '192.0.2.1' }, 'success', /A record of www\.example\.test is 192\.0\.2\./],
    [{ ...www, expected_value: ['192.0.2.2', '192.0.2.1'], exact: true }, 'success', /is/],
    [{ ...www, expected_value: '192.0.2.9' }, 'error', /expected 192\.0\.2\.9$/],
    [{ ...www, expected_value: '192.0.2.1', exact: true }, 'error', /unexpected A record: 192\.0\.2\.2/],
    [{ ...mx, expected_value: '10 MAIL.example.test.' }, 'success', /MX/],
    [{ ...mx, expected_value: '20 mail.example.test' }, 'error', /expected 20 mail/],
    [{ ...www, record_type: 'TXT' }, 'error', /has no TXT record/],
    [{ domain: 'nowhere.example.test', record_type: 'A' }, 'error', /The name nowhere\.example\.test does not exist/],
    [{ ...www, check_dnssec: true }, 'error', /did not validate/],
    [{ ...www, check_propagation: true, resolvers: [good, good, good] }, 'success', /is/],
    [{ ...www, check_propagation: true, resolvers: [good, bad], timeout: 10 }, 'warning', /1 of 2 resolvers agree/],
    [{ ...www, check_propagation: true, resolvers: [good, bad], propagation_threshold: 50, timeout: 10, max_workers: 1 },
      'success', /is/],
    [{ domain: 'www.owned.test', record_type: 'A', nameserver: owner.address, check_authoritative: true }, 'success', /is/],
    [{ domain: 'forwarded.test', record_type: 'A', nameserver: bad, check_authoritative: true }, 'error', /not authoritative/],
    // Its zone is found; nobody serves it at the standard port here.
    [{ domain: 'www.owned.test', record_type: 'A', nameserver: undefined, check_authoritative: true, timeout: 20 }, 'error',
      /No authoritative name server of www\.owned\.test answered/],
    [{ domain: 'www.example.test', record_type: 'A', nameserver: undefined, check_authoritative: true }, 'error',
      /No authoritative .*: no zone/],
    [{ domain: 'servfail.test', record_type: 'A', nameserver: bad }, 'error', /answered SERVFAIL/],
    [{ domain: 'empty.test', record_type: 'A', nameserver: bad }, 'error', /has no A record/],
    [{ domain: 'garbage.test', record_type: 'A', nameserver: bad, timeout: 1 }, 'error', /failed/],
    [{ domain: 'liar.test', record_type: 'A', nameserver: bad }, 'error', /no DNS answer/],
    [{ domain: 'silent.test', record_type: 'A', nameserver: bad, timeout: 0.4 }, 'error', /did not answer/],
    [{ ...www, nameserver: [`127.0.0.1:${await freePort()}`, good] }, 'success', /is/],
    [{ ...www, nameserver: `127.0.0.1:${await freePort()}`, timeout: 1 }, 'error', /failed/],
    [{ ...www, nameserver: '169.254.169.254' }, 'error', /not allowed/],
  ];
  for (const [config, status, message] of cases) {
    await t.test(JSON.stringify(config), async () => {
      const body = await result(config);
      assert.equal(body.status, status, body.message);
      assert.match(body.message, message);
    });
  }
});

test('what is no configuration', async (t) => {
  const config = { domain: 'example.com', record_type: 'A' };
  const cases = [
    [{ domain: 'example.com' }, 'record_type'],
    [{ record_type: 'A' }, 'domain'],
    [{ ...config, record_type: 'ANY' }, 'record_type'],
    [{ ...config, domain: 'a..b' }, 'domain'],
    [{ ...config, domain: 'bücher.example' }, 'domain'],
    [{ ...config, subdomain: 'x'.repeat(64) }, 'subdomain'],
    [{ ...config, subdomain: `${'x'.repeat(60)}.`.repeat(4) + 'x' }, 'subdomain'],
    [{ ...config, nameserver: 'ns1.example.com' }, 'nameserver'],
    [{ ...config, nameserver: '192.0.2.53:0' }, 'nameserver'],
    [{ ...config, nameserver: [] }, 'nameserver'],
    [{ ...config, nameserver: Array(9).fill('192.0.2.53') }, 'nameserver'],
    [{ ...config, nameserver: 53 }, 'nameserver'],
    [{ ...config, expected_value: { a: 1 } }, 'expected_value'],
    [{ ...config, expected_value: ['192.0.2.1', 7] }, 'expected_value'],
    [{ ...config, expected_value: '' }, 'expected_value'],
    [{ ...config, exact: true }, 'exact'],
    [{ ...config, resolvers: ['dns.google'] }, 'resolvers'],
    [{ ...config, propagation_threshold: 101 }, 'propagation_threshold'],
    [{ ...config, max_workers: 0 }, 'max_workers'],
    [{ ...config, nameservers: '192.0.2.53' }, 'nameservers'],
  ];
  for (const [bad, field] of cases) {
    await t.test(JSON.stringify(bad).slice(0, 90), async () => {
      const reply = await run(bad);
      assert.equal(reply.status, 422, JSON.stringify(reply.body));
      assert.deepEqual(reply.body.errors[0].loc, ['body', 'config', field]);
    });
  }
});

test('the plugin is listed with what it can be told', async () => {
  for (const name of ['dns', 'dns_record']) {
    const plugin = await admin.must(200, 'GET', `/api/v1/plugins/${name}`);
    assert.deepEqual(Object.keys(plugin.required_config), ['domain', 'record_type']);
    for (const field of ['expected_value', 'subdomain', 'nameserver', 'timeout', 'check_propagation', 'resolvers',
      'propagation_threshold', 'check_authoritative', 'check_dnssec', 'max_workers']) {
      assert.equal(typeof plugin.optional_config[field], 'string', field);
    }
  }
});
