// What the documents' examples presuppose: their people with their passwords, a website behind
// their address, a name server that knows their domain, and things for the ids in their paths.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import https from 'node:https';
import { userInfo } from 'node:os';

import { freePort } from '../../kit/tocsin.mjs';
import { Caller, HttpPeer, signIn, startTocsin, waitFor } from '../kit.js';

const PASSWORD = 'a sentence to sign in with';
// The people of the documents, as they sign in there.
const OWNER = { email: 'user@example.com', password: 'your_password' };

export async function startWorld() {
  const world = new World();
  try {
    await world.start();
  } catch (error) {
    await world.stop();
    throw error;
  }
  return world;
}

class World {
  password = PASSWORD; // of everybody but the owner

  async start() {
    [this.website, this.names] = await Promise.all([startWebsite(), startNames()]);
    this.tocsin = await startTocsin({
      daemons: ['api', 'worker', 'ingest'],
      env: {
        TOCSIN_ADMIN_EMAIL: OWNER.email, TOCSIN_ADMIN_PASSWORD: OWNER.password, TOCSIN_REGISTRATION: 'open',
        TOCSIN_NAMESERVERS: this.names.address, TOCSIN_ANONYMOUS_RATE: '1000000', TOCSIN_CREDENTIAL_RATE: '1000000',
      },
    });
    this.tocsin.admin = OWNER;
    this.owner = await signIn(this.tocsin);
    this.kept = new Map();
    this.people = new Map([['nobody', new Caller(this.tocsin, {})]]);
    await Promise.all([this.addUser('admin', 'admin'), this.addUser('reader', 'viewer'), this.runs()]);
  }

  async stop() {
    await this.tocsin?.stop();
    this.names?.stop();
    await this.website?.stop();
  }

  async addUser(name, role) {
    await this.owner.must(201, 'POST', '/api/v1/users', { email: `${name}@example.com`, username: name, password: PASSWORD, role });
  }

  /** A check with a result of each status, one that is disabled, and a third. */
  async runs() {
    const fine = { url: this.website.url, expected_status: 200 };
    const add = async (name, changes) => {
      const { id } = await this.newCheck({ name, ...changes });
      this.kept.set(name, id);
      return id;
    };
    const [check] = await Promise.all([add('check'), add('disabled', { enabled: false }), add('third')]);
    const configs = [{ ...fine, expected_status: 418 }, { ...fine, url: `${fine.url}slow`, warning_time: 0.001 }, fine];
    for (const config of configs) {
      await this.owner.must(200, 'PUT', `/api/v1/checks/${check}`, { config });
      this.kept.set('result', (await this.run('check')).id);
    }
    await Promise.all([this.run('disabled'), this.run('third')]);
  }

  run(name) {
    return this.owner.must(200, 'POST', `/api/v1/checks/${this.kept.get(name)}/run`);
  }

  newCheck(changes = {}) {
    return this.owner.must(201, 'POST', '/api/v1/checks', {
      name: 'Example Website Check', plugin_type: 'website', schedule: 'every 5 minutes',
      config: { url: this.website.url, expected_status: 200 }, ...changes,
    });
  }

  /** Who plays a case: the documents' user, nobody, or another person that the plan names. */
  async caller(as = 'the owner') {
    if (as === 'the owner') return this.owner;
    if (as === 'somebody else') return signIn(this.tocsin, { email: 'admin@example.com', password: PASSWORD });
    if (as === 'a viewer' && !this.people.has(as)) {
      this.people.set(as, await signIn(this.tocsin, { email: 'reader@example.com', password: PASSWORD }));
    }
    return this.people.get(as);
  }

  /* --- things for ids in paths --- */

  /** Makers by what stands before the id: they return an id. */
  makers = {
    '/api/v1/checks': async () => (await this.newCheck()).id,
    '/api/v1/results': async () => this.kept.get('result'),
    '/api/v1/plugins': async () => 'website',
    '/api/v1/servers': async () => (await this.owner.must(201, 'POST', '/api/v1/servers', { name: 'New Server', host: '192.168.1.101' })).id,
    '/api/v1/api-keys': async () => (await this.owner.must(201, 'POST', '/api/v1/api-keys', { name: 'Production Agent' })).id,
    '/api/v1/users': async () => {
      const name = `user${this.kept.size}`;
      await this.addUser(name, 'viewer');
      const { users } = await this.owner.must(200, 'GET', `/api/v1/users?search=${name}`);
      return users[0].id;
    },
    '/api/monitor/urls': async () => (await this.owner.must(201, 'POST', '/api/monitor/urls/', {
      url: this.website.url, webhook_url: `${this.website.url}hook`,
    })).id,
    '/api/v1/metrics/latest': async () => this.agent(),
  };

  /** An id for the place after this path: a kept one, or a new one for a request that removes it. */
  async id(before, isRemoved) {
    const collection = before === '/api/v1/results/check' ? '/api/v1/checks' : before;
    if (collection === '/api/v1/checks' && !isRemoved) return this.kept.get('check');
    if (isRemoved || !this.kept.has(collection)) {
      const id = await this.makers[collection]?.();
      if (id === undefined) throw new Error(`nothing to put after ${before}/`);
      if (isRemoved) return id;
      this.kept.set(collection, id);
    }
    return this.kept.get(collection);
  }

  /** The documents' agent, with metrics. */
  async agent() {
    if (this.kept.has('agent')) return 'server-001';
    const server = await this.owner.must(201, 'POST', '/api/v1/servers', { name: 'server-001', host: '192.168.1.7' });
    const { key } = await this.owner.must(201, 'POST', '/api/v1/api-keys', { server_id: server.id, name: 'agent' });
    const metrics = ['usage_percent', 'load_avg_1'].map((name) => ({ metric_type: 'cpu', metric_name: name, value: 39.37, tags: {} }));
    this.measuredAt = new Date().toISOString();
    const sent = await this.tocsin.request('POST', '/api/v1/ingest/metrics', {
      base: this.tocsin.ingest, key, body: { agent_id: 'server-001', time: this.measuredAt, metrics },
    });
    if (sent.status !== 202) throw new Error(`ingest: ${sent.status} ${JSON.stringify(sent.body)}`);
    this.kept.set('agent', server.id);
    await waitFor('the metrics', async () =>
      (await this.owner.call('GET', '/api/v1/metrics/latest/server-001')).body.count === metrics.length);
    return 'server-001';
  }

  async fillPath(path, isRemoved) {
    if (path.includes('/metrics/latest/server-001')) await this.agent();
    const [, before, , after] = /^(.*)\/(\{[^}]+\})(.*)$/.exec(path) ?? [];
    if (before === undefined) return path;
    return `${before}/${await this.id(before, isRemoved)}${after}`;
  }

  /* --- values --- */

  /** What the documents write in their examples, and what stands for it here. */
  async text(value, key) {
    if (value === 'https://example.com') return this.website.url;
    if (value === 'your-webhook-url') return `${this.website.url}hook`;
    if (value === 'uuid' && key === 'server_id') return this.id('/api/v1/servers');
    if (key === 'password' && value === 'password') return PASSWORD; // too easy to guess for a real one
    if (key === 'refresh_token') return (await this.signedIn()).refresh_token;
    const check = /^check_id_(\d)$/.exec(value)?.[1];
    if (check) return this.kept.get(['check', 'disabled', 'third'][check - 1]);
    return value;
  }

  async signedIn() {
    const reply = await this.tocsin.request('POST', '/api/v1/auth/login', { body: { username: 'admin', password: PASSWORD } });
    return reply.body;
  }

  async fill(value, key) {
    if (typeof value === 'string') return this.text(value, key);
    if (Array.isArray(value)) return Promise.all(value.map((item) => this.fill(item, key)));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(await Promise.all(
      Object.entries(value).map(async ([name, item]) => [name, await this.fill(item, name)])));
  }

  /** Values for parameters of which the document gives none: `{check_id}`. */
  fillQuery(value) {
    const hour = 3600_000;
    const values = {
      '{plugin_type}': 'website', '{check_id}': this.kept.get('check'),
      '{from_date}': new Date(Date.now() - hour).toISOString(), '{to_date}': new Date(Date.now() + hour).toISOString(),
    };
    if (/^\{/.test(value) && !values[value]) throw new Error(`no value for ${value}`);
    return values[value] ?? value;
  }
}

/** A website with pages of several kinds, and the same over TLS with a certificate that nobody knows. */
async function startWebsite() {
  const pages = {
    '/slow': (request, response) => setTimeout(() => response.end(), 10),
    '/echo': (request, response, body) => response.end(`${request.method} ${body} ${request.headers['x-word']}`),
    '/moved': (request, response) => response.writeHead(302, { location: '/' }).end(),
    '/closed': (request, response) => response.writeHead(request.headers.authorization ? 200 : 401).end(),
  };
  const answer = (request, response, body) => {
    response.setHeader('content-type', 'text/html');
    const page = pages[request.url];
    return page ? page(request, response, body) : response.end('<h1>Welcome</h1>');
  };
  const site = await new HttpPeer(answer).start();
  const pair = execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-subj', '/CN=localhost', '-keyout', '-', '-out', '-'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const secure = https.createServer({ key: pair, cert: pair }, answer).listen(0, '127.0.0.1');
  await once(secure, 'listening');
  return {
    url: site.url,
    tlsUrl: `https://127.0.0.1:${secure.address().port}/`,
    stop() {
      secure.close();
      secure.closeAllConnections();
      return site.stop();
    },
  };
}

/** Name servers: one that knows the documents' domain, and one that is the owner of a zone. */
async function startNames() {
  const start = async (...options) => {
    const port = await freePort();
    const child = spawn('dnsmasq', [
      '--keep-in-foreground', '--no-resolv', '--no-hosts', '--no-poll', '--conf-file=/dev/null', '--log-facility=-', '--pid-file',
      `--user=${userInfo().username}`, `--port=${port}`, '--listen-address=127.0.0.1', '--bind-interfaces', ...options,
    ], { stdio: 'ignore' });
    return { address: `127.0.0.1:${port}`, child };
  };
  const [known, owner] = await Promise.all([
    start('--host-record=example.com,192.0.2.1', '--host-record=www.example.com,192.0.2.2'),
    start('--auth-zone=owned.test,203.0.113.0/24,127.0.0.0/8', '--auth-server=ns.owned.test,127.0.0.1',
      '--host-record=www.owned.test,203.0.113.7', '--host-record=ns.owned.test,127.0.0.1'),
  ]);
  return { address: known.address, owner: owner.address, stop: () => [known, owner].forEach(({ child }) => child.kill()) };
}
