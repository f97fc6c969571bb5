// What the end to end tests share: signing in, and independent peers around Tocsin: a website to
// watch, a mail server, and a receiver of webhooks. Tocsin itself is tests/kit/tocsin.mjs.

import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { once } from 'node:events';

import { SMTPServer } from 'smtp-server';
import { Webhook } from 'standardwebhooks';

import { freePort, startTocsin, waitFor } from '../kit/tocsin.mjs';

export { startTocsin, waitFor };

/** A signed-in caller: call(method, path, body, options) → { status, headers, body }. */
export class Caller {
  constructor(tocsin, credentials) {
    this.tocsin = tocsin;
    this.credentials = credentials;
  }

  call(method, target, body, options = {}) {
    return this.tocsin.request(method, target, { ...this.credentials, body, ...options });
  }

  /** The body of a call that must have this status. */
  async must(status, method, target, body, options) {
    const reply = await this.call(method, target, body, options);
    if (reply.status !== status) {
      throw new Error(`${method} ${target}: ${reply.status}, not ${status}: ${JSON.stringify(reply.body)}`);
    }
    return reply.body;
  }
}

/** Signs in (as the administrator by default) and returns a Caller. */
export async function signIn(tocsin, who = tocsin.admin) {
  const reply = await tocsin.request('POST', '/api/v1/auth/login', {
    body: { email: who.email, password: who.password },
  });
  if (reply.status !== 200) throw new Error(`sign-in: ${reply.status} ${JSON.stringify(reply.body)}`);
  return new Caller(tocsin, { token: reply.body.access_token });
}

/** An HTTP server on a port of its own that can be stopped (connections are refused) and started. */
export class HttpPeer {
  constructor(answer) {
    this.answer = answer;
    this.server = null;
  }

  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  async start() {
    this.port ??= await freePort();
    this.server = http.createServer((request, response) => {
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => this.answer(request, response, Buffer.concat(chunks).toString()));
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  async stop() {
    if (!this.server) return;
    const server = this.server;
    this.server = null;
    server.close();
    server.closeAllConnections?.();
    if (server.listening) await once(server, 'close').catch(() => {});
  }
}

/** A website: .hits counts requests, .status and .body are what it answers. */
export async function startWebsite() {
  const site = new HttpPeer((request, response) => {
    site.hits += 1;
    site.authorization = request.headers.authorization ?? null;
    response.writeHead(site.status, { 'content-type': 'text/html' });
    response.end(site.body);
  });
  Object.assign(site, { hits: 0, authorization: null, status: 200, body: '<h1>Welcome</h1>' });
  return site.start();
}

/**
 * A receiver of webhooks. Each delivery is kept as { headers, body, event, verified }; verified
 * tells what the standardwebhooks package thinks of its signature by receiver.secret.
 */
export async function startReceiver(secret) {
  const receiver = new HttpPeer((request, response, text) => {
    const delivery = { headers: request.headers, text, event: null, verified: false, error: null };
    try {
      delivery.event = new Webhook(receiver.secret).verify(text, request.headers);
      delivery.verified = true;
    } catch (error) {
      delivery.error = error;
    }
    receiver.deliveries.push(delivery);
    response.writeHead(receiver.status);
    response.end();
  });
  Object.assign(receiver, { secret, deliveries: [], status: 204 });
  return receiver.start();
}

/** The readable text of a raw mail: encoded words and transfer encodings undone. */
export function mailText(raw) {
  const decodeQ = (text) => text.replace(/=\r?\n/g, '').replace(/(=[0-9A-F]{2})+/gi, (run) =>
    Buffer.from(run.replaceAll('=', ''), 'hex').toString());
  const words = (text) => text.replace(/=\?utf-8\?([qb])\?([^?]*)\?=/gi, (_, how, data) =>
    how.toLowerCase() === 'b' ? Buffer.from(data, 'base64').toString() : decodeQ(data.replaceAll('_', ' ')));
  const [head, ...rest] = raw.split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  const coding = /content-transfer-encoding:\s*(\S+)/i.exec(raw)?.[1]?.toLowerCase();
  const plain = coding === 'quoted-printable' ? decodeQ(body)
    : coding === 'base64' && !/multipart/i.test(head) ? Buffer.from(body, 'base64').toString() : body;
  return `${words(head.replace(/\r\n[ \t]+/g, ' '))}\n\n${plain}`;
}

/** A mail server without TLS: .mails holds { from, to, raw, text }. */
export async function startMailServer() {
  const mails = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    logger: false,
    onData(stream, session, done) {
      const chunks = [];
      stream.on('data', (chunk) => chunks.push(chunk));
      stream.on('end', () => {
        const raw = Buffer.concat(chunks).toString();
        mails.push({
          from: session.envelope.mailFrom.address,
          to: session.envelope.rcptTo.map((to) => to.address),
          raw,
          text: mailText(raw),
        });
        done();
      });
    },
  });
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    mails,
    url: `smtp://127.0.0.1:${port}?starttls=never`,
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** A whsec_ secret as the scheme wants it. */
export function newWebhookSecret() {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

/**
 * Compares a value's shape with an example from a document: every member of the example must be
 * there with the same JSON type (null in the example: anything). More members are welcome. An array
 * in the example describes each element by its first one; `mayBeNull` names members (by path, like
 * "checks[].last_run") that may be null as well. Returns a list of differences.
 */
export function differences(example, value, mayBeNull = [], path = '') {
  const kind = (v) => (v === null ? 'null' : Array.isArray(v) ? 'array' : typeof v);
  if (example === null) return [];
  if (value === null && mayBeNull.includes(path)) return [];
  if (value === undefined) return [`${path} is missing`];
  if (kind(example) !== kind(value)) return [`${path} is ${kind(value)}, not ${kind(example)}`];
  if (Array.isArray(example)) {
    if (example.length === 0) return [];
    if (value.length === 0) return [`${path} is empty`];
    return value.flatMap((item) => differences(example[0], item, mayBeNull, `${path}[]`));
  }
  if (kind(example) !== 'object') return [];
  return Object.keys(example).flatMap((key) =>
    differences(example[key], value[key], mayBeNull, path ? `${path}.${key}` : key));
}
