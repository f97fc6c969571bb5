// Makes the folder that the API serves its documentation from (TOCSIN_WEB_DIR):
//   build.mjs OUT [ingest.json]
// Files get their content's hash into their names, so that browsers may keep them for ever, and a
// compressed twin beside them.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = path.dirname(fileURLToPath(import.meta.url));
const [out, ingest] = process.argv.slice(2);
if (!out) throw new Error('usage: build.mjs OUT [ingest.json]');

const swagger = path.join(here, 'node_modules/swagger-ui-dist');
const redoc = path.join(here, 'node_modules/redoc/bundles');
const assets = [
  [swagger, 'swagger-ui-bundle.js'],
  [swagger, 'swagger-ui-standalone-preset.js'],
  [swagger, 'swagger-ui.css'],
  [swagger, 'favicon-32x32.png'],
  [redoc, 'redoc.standalone.js'],
  [path.join(here, 'docs'), 'swagger.js'],
  [path.join(here, 'docs'), 'redoc.js'],
  [path.join(here, 'docs'), 'docs.css'],
];
const notices = [
  [swagger, 'LICENSE'], [swagger, 'NOTICE'], [swagger, 'swagger-ui-bundle.js.LICENSE.txt'],
  [redoc, 'redoc.standalone.js.LICENSE.txt'], [path.dirname(redoc), 'LICENSE'],
];

// Nothing may be loaded from another host: not even a logo.
const localised = (name, data) => (name === 'redoc.standalone.js'
  ? Buffer.from(data.toString().replaceAll(
    /https:\/\/cdn\.redoc(ly)?\.(ly|com)\/redoc\/logo-mini\.svg/g,
    'data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=='))
  : data);

const fresh = `${out}.new`;
rmSync(fresh, { recursive: true, force: true });
mkdirSync(path.join(fresh, 'assets'), { recursive: true });

const write = (name, data) => {
  writeFileSync(path.join(fresh, name), data);
  if (!/\.png$/.test(name)) writeFileSync(path.join(fresh, `${name}.gz`), gzipSync(data, { level: 9 }));
};

const names = new Map();
for (const [folder, name] of assets) {
  const data = localised(name, readFileSync(path.join(folder, name)));
  const hash = createHash('sha256').update(data).digest('hex').slice(0, 12);
  const { name: stem, ext } = path.parse(name);
  names.set(name, `/api/v1/docs/assets/${stem}.${hash}${ext}`);
  write(`assets/${stem}.${hash}${ext}`, data);
}
for (const page of ['swagger.html', 'redoc.html']) {
  const text = readFileSync(path.join(here, 'docs', page), 'utf8');
  write(page, text.replaceAll(/\{\{([^}]+)\}\}/g, (_, name) => {
    if (!names.has(name)) throw new Error(`${page} names ${name}, which is not copied`);
    return names.get(name);
  }));
}
for (const [folder, name] of notices) {
  const file = path.join(folder, name);
  if (existsSync(file)) writeFileSync(path.join(fresh, `${path.basename(folder)}-${name}`), readFileSync(file));
}
if (ingest) write('ingest.json', readFileSync(ingest));

rmSync(out, { recursive: true, force: true });
renameSync(fresh, out);
