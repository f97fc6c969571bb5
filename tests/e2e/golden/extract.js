// What an API document says, found by walking it: endpoints with their parameters, requests,
// replies and statuses, headers, errors. Every fenced block and everything that names an endpoint
// is a *piece*; one that the walk could make nothing of keeps `role: null`, and is not forgotten.

import { readExample } from './example.js';
import { parseMarkdown } from './markdown.js';
import { readHttp, readSnippet, readTarget } from './snippets.js';

const METHODS = 'GET|POST|PUT|PATCH|DELETE|WS';
const LABELS = [ // what a bold word before a block says of it
  [/^request/i, 'request'], [/^response/i, 'response'], [/^example/i, 'example'], [/parameters$/i, 'parameters'],
  [/^(message format|filter updates)/i, 'message'], [/^error/i, 'error'], [/^endpoint/i, 'endpoint'],
];
const isPath = (code) => /^(https?:\/\/[^/]+)?\/[\w{}:/.-]*(\?\S*)?$/.test(code);
const codes = (text) => [...text.matchAll(/`([^`]+)`/g)].map((found) => found[1]);

/** The document of this text. `bind` lists blocks that nothing but their words puts in their place. */
export function extractDocument(name, text, bind = []) {
  return new Walk(name, text, bind).read(parseMarkdown(text));
}

class Walk {
  constructor(name, text, bind) {
    Object.assign(this, { name, whole: text, bind, base: '', here: null, label: null });
    Object.assign(this, { endpoints: [], pieces: [], headers: [], errors: [], codes: [], blocks: [] });
  }

  read(blocks) {
    this.blocks = blocks;
    this.base = this.findBase();
    for (const block of blocks) this[block.kind](block);
    this.resolveMentions();
    return this;
  }

  /** The path of the address that the section "Base URL" gives, without a slash at the end. */
  findBase() {
    const inside = this.blocks.filter((block) => block.path.at(-1) === 'Base URL' && block.kind !== 'heading');
    const found = inside.map((block) => (block.kind === 'fence' ? block.text : codes(block.text).at(-1))).find(Boolean);
    return found ? readTarget(found.trim()).path.replace(/\/$/, '') : '';
  }

  /** Whether the document has these words. */
  says(words) {
    return this.whole.includes(words);
  }

  fenceAt(line) {
    return this.blocks.find((block) => block.kind === 'fence' && block.line === line).text;
  }

  piece(block, what, role, text = block.text) {
    this.pieces.push({ what, role, text: text.split('\n')[0], line: block.line, path: block.path });
    return this.pieces.at(-1);
  }

  endpoint(block, { method, path, query = [], headers, body }, title) {
    const full = this.base && /^\/(?!\/)/.test(path) && !path.startsWith(`${this.base}/`) ? this.base + path : path;
    const made = {
      method, path: full.replaceAll(/:(\w+)/g, '{$1}'), query, title, line: block.line, section: block.path,
      parameters: [], parametersOf: null, requests: [], response: null, status: null, reply: null, messages: [],
    };
    if (headers || body !== undefined) made.requests.push({ query, body, headers, line: block.line });
    this.endpoints.push(made);
    return made;
  }

  /* --- the kinds of blocks --- */

  heading(block) {
    this.here = null;
    this.label = null;
    const found = new RegExp(`^\`?(${METHODS}) (/\\S*?)\`?$`).exec(block.text);
    if (!found) return;
    this.here = this.endpoint(block, { method: found[1], ...readTarget(found[2]) }, block.text);
    this.piece(block, 'endpoint', 'endpoint');
  }

  text(block) {
    const [, bold, rest] = /^\*\*([^*]+?):?\*\*:?\s*(.*)$/.exec(block.text) ?? [];
    if (!bold) {
      this.label = /websocket message:$/i.test(block.text) ? 'message' : this.label;
      return this.mentions(block);
    }
    this.label = LABELS.find(([pattern]) => pattern.test(bold))?.[1] ?? bold.toLowerCase();
    const found = new RegExp(`^(?:(${METHODS}) )?(/\\S*)$`).exec(codes(rest)[0] ?? '');
    const method = found?.[1] ?? (new RegExp(`^(${METHODS})$`).test(bold) ? bold : null);
    if (found && method && this.label !== 'response' && this.label !== 'parameters') {
      this.here = this.endpoint(block, { method, ...readTarget(found[2]) }, block.path.at(-1));
      return this.piece(block, 'endpoint', 'endpoint');
    }
    if (this.here && this.label === 'response') this.response(rest);
    if (this.here && this.label === 'parameters' && rest) this.here.parametersOf = codes(rest)[0] ?? null;
    return this.mentions(block);
  }

  /** What stands behind **Response:** a status, or words for a reply that is shown elsewhere. */
  response(rest) {
    const status = /\b([1-5]\d\d)\b/.exec(rest);
    if (status) this.here.status = Number(status[1]);
    else if (rest) this.here.reply = rest;
  }

  item(block) {
    if (this.label === 'parameters' && this.here) {
      this.here.parameters.push(readParameter(block));
      return undefined;
    }
    const listed = new RegExp(`^\`?(${METHODS}) \`?(/[^\`\\s]*)\`(.*)$`).exec(block.text);
    if (listed) {
      this.endpoint(block, { method: listed[1], ...readTarget(listed[2]) }, listed[3].replace(/^\s*[-:]\s*/, ''));
      return this.piece(block, 'endpoint', 'endpoint');
    }
    // "Swagger UI: `/docs`" and "`/docs` - Swagger UI" name a page, or an address of unnamed methods.
    const page = /^(?:([^`]*): )?`([^`]+)`(?: - (.*))?$/.exec(block.text);
    if (page && isPath(page[2])) {
      this.endpoint(block, { method: null, ...readTarget(page[2]) }, page[1] ?? page[3] ?? '');
      return this.piece(block, 'endpoint', 'endpoint');
    }
    const code = /^([1-5]\d\d):/.exec(block.text);
    if (code && /error/i.test(block.path.at(-1))) this.codes.push({ status: Number(code[1]), line: block.line });
    return this.mentions(block);
  }

  table(block) {
    if (/^code$/i.test(block.rows[0]?.[0] ?? '')) {
      for (const [status] of block.rows.slice(1)) this.codes.push({ status: Number(status), line: block.line });
    }
    return this.mentions(block);
  }

  /** Whether a fence is of a kind that needs a place: `bind` says it where no label does. */
  fence(block) {
    const piece = this.piece(block, 'fence', null);
    const bound = this.bind.find((one) => block.path.at(-1).startsWith(one.section) && block.text.includes(one.holds));
    if (bound) {
      const [method, path] = bound.request.split(' ');
      const made = this.endpoint(block, { method, path, body: block.text }, bound.section);
      this.here ??= made;
      piece.role = 'request';
      return;
    }
    piece.role = this.asSnippet(block) ?? this.asLabelled(block) ?? this.asOther(block);
  }

  asSnippet(block) {
    if (block.language === 'http') {
      const request = readHttp(block.text);
      if (!request) return null;
      this.here = this.endpoint(block, request, block.path.at(-1));
      return 'endpoint';
    }
    const requests = readSnippet(block.language, block.text);
    for (const request of requests) {
      if (this.here && this.label === 'example') this.here.requests.push({ ...request, line: block.line });
      else this.endpoint(block, request, block.path.at(-1));
    }
    return requests.length > 0 ? 'request' : null;
  }

  asLabelled(block) {
    if (!this.here || !/^[{[]/.test(block.text.trim())) return null;
    if (this.label === 'request') {
      this.here.requests.push({ query: this.here.query, body: block.text, line: block.line });
    } else if (this.label === 'response') {
      this.here.response = { example: readExample(block.text), line: block.line };
    } else if (this.label === 'message') {
      this.here.messages.push({ example: readExample(block.text), line: block.line });
    } else {
      return null;
    }
    return this.label;
  }

  asOther(block) {
    const section = block.path.at(-1);
    if (section === 'Base URL') return 'base';
    const header = /^([A-Z][\w-]+): (.+)$/.exec(block.text.trim());
    if (header && !block.text.trim().includes('\n')) {
      this.headers.push({ name: header[1], value: header[2], line: block.line, path: block.path });
      return 'header';
    }
    const status = /^([1-5]\d\d) /.exec(section);
    if (!/^[{[]/.test(block.text.trim()) || !(status || this.label === 'error' || /^error/i.test(section))) return null;
    this.errors.push({ status: status ? Number(status[1]) : null, example: readExample(block.text), line: block.line, path: block.path });
    return 'error';
  }

  /** Paths named in passing: they must be those of endpoints. */
  mentions(block) {
    if (block.path.at(-1) === 'Base URL') return;
    for (const code of codes(block.text)) {
      const target = new RegExp(`^(?:(?:${METHODS}) )?(/.+)$`).exec(code)?.[1];
      if (target && isPath(target)) this.piece(block, 'mention', null, code);
    }
  }

  resolveMentions() {
    for (const piece of this.pieces.filter(({ what }) => what === 'mention')) {
      const [path, method] = piece.text.split(' ').reverse();
      const known = this.endpoints.some((one) => one.path === path && (!method || one.method === method));
      if (known) piece.role = 'mention';
    }
  }
}

/**
 * A parameter as lists have it: "- `page`: Page number (default: 1)" or
 * "- `limit` (query, optional) - Number (default: 100, max: 10000)".
 */
function readParameter(block) {
  const [, name, kind = '', help] = /^`?(\w+)`?(?: \(([^)]*)\))?\s*[:-]\s*(.*)$/.exec(block.text) ?? [null, block.text, '', ''];
  const bracket = /\(([^)]*)\)/.exec(help)?.[1] ?? '';
  const choices = /^\w+([,/] ?\w+)+$/.test(bracket) ? bracket.split(/[,/] ?/) : codes(help);
  return {
    name, help, choices, line: block.line,
    where: kind.startsWith('path') ? 'path' : 'query',
    fallback: /default:? ([^,)]+)/.exec(help)?.[1] ?? null,
    max: Number(/max:? (\d+)/.exec(help)?.[1] ?? NaN),
  };
}
