// Starts a Tocsin of its own and runs a command against it: serve.mjs COMMAND…
// The command finds TOCSIN_API, TOCSIN_INGEST (base addresses) and TOCSIN_KEY (all scopes).

import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { startTocsin } from '../kit/tocsin.mjs';

const tocsin = await startTocsin({
  daemons: ['api', 'ingest', 'worker', 'notifier'],
  env: {
    TOCSIN_ANONYMOUS_RATE: '1000000', TOCSIN_CREDENTIAL_RATE: '1000000',
    TOCSIN_REGISTRATION: 'open',
    TOCSIN_SMTP_URL: 'smtp://127.0.0.1:1?starttls=never', TOCSIN_EGRESS_DENY: '0.0.0.0/0,::/0',
  },
});
let code = 1;
try {
  const { email, password } = tocsin.admin;
  const { body: session } = await tocsin.request('POST', '/api/v1/auth/login', { body: { email, password } });
  const { body: { sessions } } = await tocsin.request('GET', '/api/v1/auth/sessions', { token: session.access_token });
  const { body: made } = await tocsin.request('POST', '/api/v1/api-keys', {
    token: session.access_token, body: { name: 'Contract' },
  });
  const [program, ...args] = process.argv.slice(2);
  const child = spawn(program, args, {
    stdio: 'inherit',
    env: {
      ...process.env, TOCSIN_API: tocsin.api, TOCSIN_INGEST: tocsin.ingest, TOCSIN_KEY: made.key, TOCSIN_KEY_ID: made.id,
      TOCSIN_TOKEN: session.access_token, TOCSIN_USER_ID: session.user.id, TOCSIN_SESSION_ID: sessions[0].id,
    },
  });
  [code] = await once(child, 'exit');
} finally {
  await tocsin.stop();
}
process.exit(code ?? 1);
