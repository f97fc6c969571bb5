// The requests in snippets of HTTP, a shell, JavaScript and Python, as the API documents have them.

const METHODS = 'GET|POST|PUT|PATCH|DELETE|WS';

/** { path, query: [[name, value]] } of a target or a URL; what a template fills in becomes {it}. */
export function readTarget(target) {
  const plain = target.replaceAll(/\$\{([^}]+)\}/g, '{$1}').replace(/^\w+:\/\/[^/]*/, '');
  const [path, query = ''] = plain.split('?');
  return {
    path: path || '/',
    query: query.split('&').filter(Boolean).map((pair) => {
      const [name, ...value] = pair.split('=');
      return [name, decodeURIComponent(value.join('='))];
    }),
  };
}

/** A block of ```http: a request line, headers, and a body after an empty line. */
export function readHttp(text) {
  const [head, ...rest] = text.split('\n\n');
  const [first, ...headers] = head.split('\n');
  const line = new RegExp(`^(${METHODS}) (\\S+)`).exec(first);
  if (!line) return null;
  return {
    method: line[1],
    ...readTarget(line[2]),
    headers: headers.map((header) => header.split(/:\s*/, 2)),
    body: rest.join('\n\n').trim() || undefined,
  };
}

// What follows `url, ` in a call, up to the end of the statement: enough to find its options.
const optionsAfter = (text, at) => /^[\s\S]*?(?:;|\n\n|$)/.exec(text.slice(at))[0];

function readShell(text) {
  const whole = text.replaceAll('\\\n', '');
  const plain = [...whole.matchAll(new RegExp(`^(${METHODS}) (/\\S+)`, 'gm'))]
    .map(([, method, target]) => ({ method, ...readTarget(target) }));
  const curls = [...whole.matchAll(/^curl\b(.*)$/gm)].map(([, args]) => {
    const url = /(["']?)(https?:\/\/[^"'\s]+)\1/.exec(args);
    const body = /(?:-d|--data)\s+'([^']*)'/.exec(args)?.[1];
    const method = /(?:-X|--request)\s+(\w+)/.exec(args)?.[1] ?? (body ? 'POST' : 'GET');
    return { method, ...readTarget(url[2]), body };
  });
  return [...plain, ...curls];
}

function readScript(text) {
  const fetches = [...text.matchAll(/\bfetch\(\s*(["'`])([^"'`]+)\1/g)].map((call) => {
    const options = optionsAfter(text, call.index + call[0].length);
    return { method: /method:\s*'(\w+)'/.exec(options)?.[1] ?? 'GET', ...readTarget(call[2]) };
  });
  const sockets = [...text.matchAll(/new WebSocket\((["'`])([^"'`]+)\1/g)]
    .map((call) => ({ method: 'WS', ...readTarget(call[2].replace(/^\$\{[^}]*\}/, '')) }));
  return [...fetches, ...sockets];
}

function readPython(text) {
  const calls = [...text.matchAll(/requests\.(get|post|put|patch|delete)\(\s*f?(["'])([^"']+)\2/g)].map((call) => {
    const options = optionsAfter(text, call.index + call[0].length);
    const params = /params=\{([^}]*)\}/.exec(options)?.[1] ?? '';
    const { path, query } = readTarget(call[3]);
    const more = [...params.matchAll(/["'](\w+)["']\s*:\s*(\w+)/g)].map(([, name, value]) => [name, `{${value}}`]);
    return { method: call[1].toUpperCase(), path, query: [...query, ...more] };
  });
  const sockets = [...text.matchAll(/["'](wss?:\/\/[^"']+)["']/g)].map(([, url]) => ({ method: 'WS', ...readTarget(url) }));
  return [...calls, ...sockets];
}

const READERS = { bash: readShell, sh: readShell, javascript: readScript, js: readScript, python: readPython };

/** Requests of a snippet, as a list of { method, path, query, body }; none where it makes none. */
export function readSnippet(language, text) {
  return READERS[language]?.(text) ?? [];
}
