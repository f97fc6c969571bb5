// The published descriptions (OpenAPI), and comparing replies with them.

import { execFileSync } from 'node:child_process';
import path from 'node:path';

import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const METHODS = ['get', 'put', 'post', 'delete', 'patch'];

/** What `tocsin-<service> --openapi` prints. */
export function readDescription(service) {
  const program = path.join(process.env.TOCSIN_TEST_BIN, `tocsin-${service}`);
  return JSON.parse(execFileSync(program, ['--openapi'], { maxBuffer: 64 << 20 }));
}

/** A description whose operations, replies and schemas can be looked up. */
export class Description {
  constructor(service, document = readDescription(service)) {
    Object.assign(this, { service, document, validators: new Map() });
    this.ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats(this.ajv);
    this.ajv.addSchema(document, service);
  }

  /** All operations as { method, path, …the operation }. */
  operations() {
    return Object.entries(this.document.paths).flatMap(([template, item]) =>
      METHODS.filter((method) => item[method])
        .map((method) => ({ method: method.toUpperCase(), path: template, ...item[method] })));
  }

  resolve(pointer) {
    return pointer.replace(/^#\//, '').split('/')
      .reduce((at, key) => at?.[key.replaceAll('~1', '/').replaceAll('~0', '~')], this.document);
  }

  /** The pointer of a documented reply, references followed; null when there is none. */
  replyPointer(method, template, status) {
    const pointer = ['#/paths', template, method.toLowerCase(), 'responses', String(status)]
      .map((part, i) => (i === 0 ? part : part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
    const reply = this.resolve(pointer);
    return reply?.$ref ?? (reply ? pointer : null);
  }

  /**
   * What is wrong with a reply { method, path, status, type, body }, as a list of texts: it is not
   * documented, is of another content type, or its body does not fit the schema.
   */
  complaints({ method, path: template, status, type, body }) {
    const pointer = this.replyPointer(method, template, status);
    if (!pointer) return ['this status is not documented'];
    const content = this.resolve(pointer).content ?? {};
    const media = type?.split(';')[0].trim();
    if (!media) return Object.keys(content).length > 0 && body !== undefined ? ['no content type'] : [];
    if (!content[media]) return [`${media} is not documented`];
    if (body === undefined || !content[media].schema) return [];
    const schema = `${pointer}/content/${media.replaceAll('/', '~1')}/schema`;
    if (!this.validators.has(schema)) {
      // As a fragment of a URI: {id} and the like are escaped.
      const fragment = schema.slice(1).split('/').map(encodeURIComponent).join('/');
      this.validators.set(schema, this.ajv.compile({ $ref: `${this.service}#${fragment}` }));
    }
    const validate = this.validators.get(schema);
    if (validate(body)) return [];
    return validate.errors.map((e) => `${e.instancePath || '/'} ${e.message} ${JSON.stringify(e.params)}`);
  }
}
