// The API documents of the products that Tocsin replaces, as contract tests: every request of theirs
// is played, every reply compared with the one that they show. The cases are made from the documents
// (tests/contract/documents); nothing in them is left out in silence.

import assert from 'node:assert/strict';
import test from 'node:test';
import { readdirSync, readFileSync } from 'node:fs';

import { Description } from '../description.js';
import { BESIDES } from './besides.js';
import { makeCases } from './cases.js';
import { extractDocument } from './extract.js';
import { DOCUMENTS } from './plan.js';
import { play } from './play.js';
import { pluginCases } from './plugins.js';
import { routeFinder } from './routes.js';
import { startWorld } from './world.js';

const folder = new URL('../../contract/documents/', import.meta.url);
const route = routeFinder(new Description('api'));
const made = Object.entries(DOCUMENTS).map(([file, plan]) => {
  const document = extractDocument(file, readFileSync(new URL(file, folder), 'utf8'), plan.bind);
  return { file, document, ...makeCases(document, plan, route) };
});

test('every document is in the plan', () => {
  const files = readdirSync(folder).filter((file) => file.endsWith('.md') && file !== 'README.md');
  assert.deepEqual(files.sort(), Object.keys(DOCUMENTS).sort());
});

for (const { file, document, complaints } of made) {
  const fences = document.pieces.filter((piece) => piece.what === 'fence').length;
  test(`${file}: ${fences} blocks and ${document.endpoints.length} requests are accounted for`, () => {
    assert.deepEqual(complaints, []);
  });
}

const world = await startWorld();
test.after(() => world.stop());

for (const { file, cases } of made) {
  test(`${file}: ${cases.length} cases`, async (t) => {
    for (const one of cases) await t.test(one.name, () => play(world, one));
  });
}

test('in words only, or besides', async (t) => {
  for (const [what, how] of BESIDES) await t.test(what, () => how(world));
});

test('plugins', async (t) => {
  for (const [what, how] of pluginCases(world)) await t.test(what, how);
});
