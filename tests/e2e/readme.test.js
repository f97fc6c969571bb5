// The README's tour, typed as it stands there: in namespaces of its own, so that its ports are free
// and a Tocsin that somebody runs in this tree is left alone.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** The blocks between two headings; those that show output begin with a brace. */
function blocks(from, to) {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
  const part = readme.slice(readme.indexOf(from), readme.indexOf(to));
  assert.ok(part.length > 1000);
  return [...part.matchAll(/^```\n([^]*?)^```$/gm)].map((match) => match[1]).filter((text) => !text.startsWith('{'));
}

// Where a person waits so many seconds, the test waits for what they are for.
const waiting = `
sleep() {
  local tries=0
  until case $1 in
    15) grep -q DOWN .run/mail.log && grep -q check.down .run/hook.log ;;
    8) api "$API/incidents?status=resolved" | grep -q resolved ;;
    2) api "$API/metrics/latest/laptop" | grep -q usage_percent ;;
    *) make status | grep -q 'worker .* ready' && [ $tries -gt 20 ] ;;
  esac; do
    [ $((tries += 1)) -lt 1200 ] || return 1
    command sleep 0.1
  done
}`;

const isRoot = process.getuid() === 0;
test('the tour of the README', { skip: !isRoot && 'needs root for namespaces' }, () => {
  const typed = blocks('## Five minutes', '## How it is built');
  assert.ok(typed.length >= 9);
  const script = [
    'ip link set lo up',
    waiting,
    'mkdir -p .run && mount -t tmpfs -o mode=0755 none .run',
    'trap "make down" EXIT',
    ...typed.map((text, i) => `echo "== ${i}"\n${text}`),
  ].join('\n');
  const { stdout, stderr, status } = spawnSync(
    'unshare',
    ['--net', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child', 'bash', '-c', script],
    { cwd: root, encoding: 'utf8', timeout: 360_000, env: { PATH: process.env.PATH, HOME: process.env.HOME } },
  );
  const seen = `${stdout}\n${stderr}`;
  const wanted = [
    /Tocsin is ready/,
    /"name": "Tocsin itself",[^}]*"state": "up"/,
    /"type":"email"[^]*"type":"webhook"/,
    /"message": "Website responded with status 200"/,
    /"title": "my site is down"/,
    /DOWN: my site/,
    /^msg_\S+ \{"type":"check\.down"/m,
    /"status": "resolved"/,
    /\terror\t[^]*\tsuccess\t/,
    /"accepted":1,"rejected":0/,
    /"metric_name":"usage_percent","value":15\.2/,
    /^checks +\d+ .* active$/m,
    /^state +succeeded$/m,
    /worker +\d+ +ready/,
    /^stopped$/m,
  ];
  for (const pattern of wanted) {
    assert.match(seen, pattern);
  }
  assert.equal(status, 0, seen);
});
