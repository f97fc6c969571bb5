// What the documents leave open, and what was decided about it. Everything that they say themselves
// is found by extract.js; an entry here that nothing needs is a failure of the tests.
//
// For each document:
//   notBuilt   headings (their last words, joined by " > ") of areas that Tocsin does not have yet
//   excluded   blocks that are no request and no reply, and why
//   bind       blocks whose place only their words tell
//   methods    methods of addresses that the document gives without one, by the words before them
//   cases      by "METHOD path": what the example needs to be played (body, reply where none is shown),
//              nullable and match (example.js), literal (members that have the example's very words), type
//              (of the content), queries and forms (more of them), as (who asks)
//   errors     the replies to failures that the document shows, by status; expect: what is settled for it,
//              begins: members that begin with the example's words, like: the status where none is shown
//   codes      statuses that the document lists
//
// "Clashes" are those of tests/contract/documents/README.md.

const SHELL = 'set-up in a shell, no API';
const TABLE = 'Clashes: three error bodies';

/** Bodies for requests that no document shows. */
const newUser = { email: 'new@example.com', username: 'new', password: 'a sentence to sign in with' };

// The uptime document names addresses only; these are the members of Tocsin's reply, which are those
// that the product's clients read.
const monitoredUrl = {
  id: 1, url: 'https://example.com', check_interval: 5, webhook_url: 'https://example.com/hook', status: 'UP',
  last_checked: '2025-01-01T00:00:00Z',
};
const statusChange = {
  id: 1, url: 'https://example.com', monitored_url_id: 1, status: 'UP', checked_at: '2025-01-01T00:00:00Z',
  check_interval: 5,
};
const count = { UP: 1, DOWN: 1, UNKNOWN: 0 };
const token = {
  access_token: 'eyJ0', token_type: 'bearer', token: 'eyJ0', refresh_token: 'eyJ0', expires_in: 3600,
};
const urlChange = { body: { url: 'https://example.com', check_interval: 10 }, reply: monitoredUrl, nullable: ['last_checked'] };
const server = { replyOf: 'GET /api/v1/servers', element: true };
const notRunYet = ['last_run']; // a new check has no last run

export const DOCUMENTS = {
  'monitorpy.md': {
    cases: {
      // "OAuth2 password flow" is a form.
      'POST /api/v1/auth/token': { forms: [{ grant_type: 'password', username: 'user@example.com', password: 'your_password' }] },
      'POST /api/v1/checks': { nullable: notRunYet },
      // The check of an ad hoc run is not stored: there is no id to give.
      'POST /api/v1/checks/run': { nullable: ['check_id'] },
      'GET /api/v1/plugins': { match: { 'plugins[]': 'name' }, literal: ['description', 'required_config', 'optional_config'] },
      // "Similar to …/batch/run but with ad-hoc check configs": the configuration in the id's place.
      'POST /api/v1/batch/run-ad-hoc': {
        match: { 'results[]': 'plugin_type' },
        reply: {
          results: [
            {
              plugin_type: 'website',
              config: { url: 'https://example.com', expected_status: 200 },
              result: {
                status: 'success', message: '', response_time: 0.342,
                raw_data: { status_code: 200, headers: { 'content-type': 'text/html' } },
              },
            },
            {
              plugin_type: 'dns',
              config: { domain: 'example.com', record_type: 'A' },
              result: { status: 'success', message: '', response_time: 0.342, raw_data: {} },
            },
          ],
        },
      },
      'GET /api/v1/docs': { type: 'text/html' },
      'GET /api/v1/redoc': { type: 'text/html' },
    },
  },

  'api-uptime-monitor.md': {
    excluded: [
      { section: '1. Clone the repository', holds: 'git clone', why: SHELL },
      { section: '1. Clone the repository', holds: 'python3 -m venv', why: SHELL },
      { section: '1. Clone the repository', holds: 'pip install', why: SHELL },
      { section: '1. Clone the repository', holds: 'docker-compose build', why: SHELL },
      { section: '5. Install dependencies inside Docker containers', holds: 'docker-compose exec', why: SHELL },
      { section: '6. Run database migrations', holds: 'alembic', why: SHELL },
    ],
    bind: [{ section: 'Important Notes', holds: '"webhook_url"', request: 'POST /api/monitor/urls/' }],
    methods: {
      URLs: {
        list: ['GET', 'GET {id}/', 'PUT {id}/', 'PATCH {id}/', 'DELETE {id}/'],
        says: ["View a list of the user's monitored URLs.", 'Add, update, and delete monitored URLs.'],
      },
      'Uptime History': { list: ['GET'], says: ['Access to history via the REST API (filtering, sorting, pagination).'] },
      'Register page': { list: ['POST'], says: ['Register page'] },
      'Getting users token': { list: ['POST'], says: ['Getting users token'] },
      'URLs stats': { list: ['GET'], says: ['URLs stats'] },
      "Run 'check status' task": { list: ['POST', 'GET'], says: ["Run 'check status' task"] },
    },
    cases: {
      'POST /api/monitor/urls/': { reply: monitoredUrl, nullable: ['last_checked'] },
      'GET /api/monitor/urls/': { reply: [monitoredUrl], nullable: ['[].last_checked', '[].webhook_url'] },
      'GET /api/monitor/urls/{id}/': { reply: monitoredUrl, nullable: ['last_checked'] },
      'PUT /api/monitor/urls/{id}/': { ...urlChange, nullable: ['last_checked', 'webhook_url'] },
      'PATCH /api/monitor/urls/{id}/': urlChange,
      'DELETE /api/monitor/urls/{id}/': {},
      'GET /api/monitor/history/': {
        reply: [statusChange], queries: ['status=UP', 'sort=-checked_at', 'limit=1&offset=0', 'page=1&per_page=1', 'from=2020-01-01T00:00:00Z'],
      },
      // The same for an address that has an account: nobody learns which have one.
      'POST /auth/register/': { body: newUser, reply: { message: '' } },
      'POST /api/users/token': { forms: [{ username: 'user@example.com', password: 'your_password' }], reply: token },
      'GET /api/monitor/stats/': { reply: { ...count, current: count, urls: 1 } },
      'POST /run-task/': { reply: { status: 'task triggered' } },
      'GET /run-task/': { reply: { status: 'task triggered' } },
    },
  },

  'secumon.md': {
    notBuilt: [
      'List Active Agents', 'Get Metrics by Time Range', 'Get Disk Metrics', 'Get Network Metrics', 'Get Process Metrics',
      'Query Tips > Time Range Format', 'Query Tips > Pagination', 'Future Endpoints > Agents Management',
      'Future Endpoints > Alerts', 'Future Endpoints > Dashboards', 'Examples > JavaScript',
      'Examples > Python', 'Examples > cURL', 'Agents Management > List Agents', 'Agents Management > Get Agent by ID',
      'Agents Management > Create Agent', 'Agents Management > Update Agent', 'Agents Management > Delete Agent',
      'Agents Management > Agent Statistics', 'WebSocket - Real-Time Metrics > Connect to Metrics Stream',
    ],
    excluded: [
      { section: 'Response Format', holds: '"message": "Success"', why: 'Clashes: "all replies use {data, count, message}"' },
    ],
    cases: {
      // Twice in the document; the second time without a body.
      'POST /api/v1/auth/login': { body: { username: 'admin', password: 'password' }, reply: token },
      'POST /api/v1/auth/refresh': { body: { refresh_token: 'eyJhbGc...' }, reply: token },
      'POST /api/v1/auth/logout': { as: 'somebody else' },
      'GET /api/v1/users': { reply: { users: [{ id: 'uuid', username: '', email: '' }], total: 1 } },
      'POST /api/v1/users': { body: { ...newUser, email: 'newer@example.com', username: 'newer' }, reply: { username: '' } },
      'PUT /api/v1/users/{id}': { body: { name: 'Ann' }, reply: { username: '' } },
    },
    errors: [
      { status: null, why: TABLE, expect: { error: { message: 'Error message' }, status: 400 }, like: 400 },
    ],
    codes: { 200: 'every case', 400: 'provoked', 404: 'provoked', 500: 'nothing provokes one' },
  },

  'chatops.md': {
    notBuilt: ['REST API Endpoints > Metrics', 'Docker', 'Commands', 'Alerts'],
    cases: {
      'POST /api/v1/servers': server,
      'GET /api/v1/servers/{id}': server,
      'PUT /api/v1/servers/{id}': server,
      'GET /api/v1/api-keys/me': { replyOf: 'POST /api/v1/api-keys', list: true, without: ['key'] },
      'GET /api/v1/docs': { type: 'text/html' },
      'GET /api/v1/redoc': { type: 'text/html' },
    },
    errors: [
      { status: 400 },
      { status: 401, begins: ['detail'] },
      { status: 403, begins: ['detail'] },
      { status: 404 },
      {
        status: 422, why: TABLE, literal: ['errors'],
        expect: {
          detail: 'a text',
          errors: [{ loc: ['body', 'name'], msg: 'field required', type: 'value_error.missing' }],
        },
      },
    ],
  },

  'monsterr.md': {
    notBuilt: [
      'System Status', 'Configuration', 'Services', 'Monitoring', 'Logs', 'Plex Media Server', 'Sonarr', 'Radarr', 'Prowlarr',
      'Overseerr', 'Tautulli', 'Integration Examples > Python Example', 'Integration Examples > JavaScript Example',
    ],
    errors: [{ status: null, like: 404 }],
    codes: { 200: 'every case', 400: 'provoked', 401: 'provoked', 403: 'provoked', 404: 'provoked', 500: 'nothing provokes one' },
  },
};

/** Requests that fail with a status, for the replies that the documents show of it. */
export const FAILURES = {
  400: { method: 'POST', path: '/api/v1/api-keys', raw: '{"name":' },
  401: { method: 'GET', path: '/api/v1/api-keys/me', as: 'nobody' },
  403: { method: 'POST', path: '/api/v1/api-keys', body: { name: 'Production Agent' }, as: 'a viewer' },
  404: { method: 'DELETE', path: '/api/v1/api-keys/01890000-0000-7000-8000-000000000000' },
  422: { method: 'POST', path: '/api/v1/api-keys', body: {} },
};

/** What a filter by a parameter must hold, where it is not that the member of its name is equal. */
export const FILTERS = {
  from_date: (row, value) => row.executed_at >= value,
  to_date: (row, value) => row.executed_at <= value,
};
