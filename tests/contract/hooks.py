"""What schemathesis has to be told of this API: formats of texts that are ours, what it must not do
to itself, and which requests that fit the description may be refused all the same."""

import json
import os
import re
import uuid

import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import is_unexpected_http_status_case

# --- formats: what `format` means in the description, as examples of it ---

counts = st.integers(min_value=1, max_value=59)
intervals = st.one_of(
    st.builds('every {} {}'.format, counts, st.sampled_from(['seconds', 'minutes', 'hours'])),
    st.builds('PT{}{}'.format, counts, st.sampled_from('SMH')),
    st.builds('{}s'.format, counts),
)
cron = st.builds('{} {} * * {}'.format, counts, st.sampled_from(['*', '*/2', '3', '1-5']),
                 st.sampled_from(['*', '1-5', 'sun']))
names = st.from_regex(r'[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,8}){1,3}', fullmatch=True)
addresses = st.builds('192.0.2.{}'.format, counts)
FORMATS = {
    'schedule': st.one_of(intervals, cron, st.sampled_from(['@hourly', '@daily'])),
    'schedule-interval': intervals,
    'time-zone': st.sampled_from(['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata']),
    'http-url': st.builds('{}://{}{}'.format, st.sampled_from(['http', 'https']), names,
                          st.sampled_from(['', '/', ':8080/a?b=c', '/%20x'])),
    'http-status-set': st.sampled_from(['200', '2xx', '200-299,301', '2xx, 404']),
    'dns-name': names,
    'entity-tags': st.sampled_from(['*', '"5d41402abc4b2a76-v3"', 'W/"a", "b"']),
    'name-server': st.one_of(addresses, st.sampled_from(['192.0.2.1:5353', '[2001:db8::53]:53'])),
}
for name, strategy in FORMATS.items():
    schemathesis.openapi.format(name, strategy)

# --- it must not take its own credentials away ---

OWN = {os.environ.get(name) for name in ('TOCSIN_KEY_ID', 'TOCSIN_USER_ID', 'TOCSIN_SESSION_ID')}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.method != 'GET' and (case.path_parameters or {}).get('id') in OWN:
        case.path_parameters['id'] = str(uuid.uuid4())
    # A queue of checks that stands still would let every run wait for its time limit.
    if case.path.startswith('/api/v1/queues/') and (case.path_parameters or {}).get('name') == 'checks':
        case.path_parameters['name'] = 'default'
    if case.path == '/api/v1/auth/logout' and not isinstance(case.body, (dict, list, str, int, float)):
        case.body, case.media_type = {}, 'application/json'
    if case.path == '/api/v1/auth/logout' and isinstance(case.body, dict):
        case.body.setdefault('refresh_token', 'of a session that has ended')
        if case.body.get('all') is True or case.body['refresh_token'] is None:
            case.body = {'refresh_token': 'of a session that has ended', 'all': False}


@schemathesis.hook
def filter_case(context, case):
    """Headers that nobody knows are to be ignored (RFC 9110, 5.1): no reason to refuse."""
    return 'x-schemathesis-unknown-property' not in (case.headers or {})


# --- what may be refused although it fits the description ---

# (operations, status, code, where in the request or None, why JSON Schema cannot say it)
ANY = ''
AUTH = r'POST .*/(auth/\w+|users/(token|register))$'
REFUSALS = [
    (ANY, 404, r'\w+_NOT_FOUND', None, 'an id that nothing has'),
    (ANY, 409, r'\w+', None, 'a clash with what is there, or with its state'),
    (ANY, 422, 'IDEMPOTENCY_KEY_REUSED', None, 'an Idempotency-Key has a history'),
    (r'(PUT|PATCH|DELETE) ', 412, 'PRECONDITION_FAILED', None, 'If-Match names another version'),
    (AUTH, 401, r'INVALID_\w+', None, 'credentials that nobody has'),
    (r'POST .*/(auth|users)/token$', 400, 'INVALID_(CREDENTIALS|TOKEN)', None, 'the same in OAuth 2'),
    (AUTH, 403, 'INVITATION_INVALID', None, 'an invitation that nobody gave'),
    (AUTH, 429, 'LOGIN_DELAYED', None, 'many wrong credentials'),
    (r'POST .*/users/me/', 429, 'LOGIN_DELAYED', None, 'many wrong passwords'),
    (r'POST .*/users/me/', 422, 'VALIDATION_ERROR', 'body.(current_)?password|body.code', 'a wrong one'),
    (r'POST .*/register$|(POST|PATCH) .*/users', 422, 'VALIDATION_ERROR', 'body.(new_)?password',
     'passwords that are easily guessed'),
    (r'POST .*/(api-keys|invitations)', 422, 'VALIDATION_ERROR', 'body.expires_at', 'the future moves'),
    (r'(PUT|PATCH|DELETE) .*/schedules/', 403, 'SCHEDULE_IS_SYSTEM', None,
     'what the installation has stays as it is'),
    (r'(POST|PUT|PATCH) .*/schedules', 422, 'VALIDATION_ERROR', 'body.args', 'checks must exist'),
    (r'(POST|PUT|PATCH) .*/schedules', 422, 'VALIDATION_ERROR', 'body.time_zone',
     'only cron schedules have one, and one that does not name its own'),
    (r'(PUT|PATCH) .*/schedules/', 422, 'VALIDATION_ERROR', 'body.(args|task|schedule)',
     'arguments go with the task, and a time zone with the schedule, that there is'),
    (r'POST .*/jobs', 422, 'VALIDATION_ERROR', r'body\.((jobs\.\d+|callback)\.)?args', 'checks must exist'),
    (r'POST .*/jobs|(POST|PUT|PATCH) .*/schedules', 422, 'VALIDATION_ERROR', r'body\.((jobs\.\d+|callback)\.)?queue',
     'the queue of checks is for checks'),
    (r'POST .*/jobs/chains', 422, 'VALIDATION_ERROR', r'body\.jobs\.0\.pass_result', 'nothing comes before the first'),
    (r'GET .*/(jobs|dead)$', 422, 'VALIDATION_ERROR', 'query.after', 'a cursor of another list'),
    (r'GET .*/(jobs|dead)$', 422, 'VALIDATION_ERROR', 'query.(page|offset)', 'page times per_page'),
    (r'POST .*/ingest/metrics', 422, 'VALIDATION_ERROR', 'body', 'samples that are not older than 30 days'),
    (r'DELETE .*/rates$', 422, 'VALIDATION_ERROR', 'body.(each_key|task)', 'one of three, of a query'),
    (r'GET .*/metrics/latest', 422, 'VALIDATION_ERROR', 'query.after', 'a cursor of another list'),
    (r'GET ', 422, 'VALIDATION_ERROR', 'query.cursor', 'it goes without page, offset, and sort'),
    (r'GET .*/stats', 422, 'VALIDATION_ERROR', 'query.(from|to|period|resolution)', 'a period, or from before to'),
    (r'(POST|PUT|PATCH) .*/checks', 422, 'VALIDATION_ERROR', 'body.channels', 'channels must exist'),
    (r'(PUT|PATCH) .*/checks/', 422, 'VALIDATION_ERROR', 'body.(config|plugin_type)',
     'the configuration is of the kind that the check has'),
    (r'(PUT|PATCH) .*/channels/', 422, 'VALIDATION_ERROR', 'body.(config|type)',
     'the configuration is of the type that the channel has'),
    (r'POST .*/checks/import', 422, 'VALIDATION_ERROR', 'body', 'files of three programs'),
]


def places(problem):
    return ['.'.join(str(part) for part in error['loc']) for error in problem.get('errors', [{'loc': []}])]


def may_refuse(label, status, problem):
    def fits(row, place):
        operations, row_status, code, where, _ = row
        return (re.match(operations, label) and status == row_status
                and re.fullmatch(code, problem.get('code', '')) and (not where or re.match(where, place)))
    return all(any(fits(row, place) for row in REFUSALS) for place in places(problem))


def has_huge_number(value):
    if isinstance(value, dict):
        return any(has_huge_number(item) for item in value.values())
    if isinstance(value, list):
        return any(has_huge_number(item) for item in value)
    return isinstance(value, int) and not -2**63 <= value < 2**63


@schemathesis.check
def valid_data_is_taken(ctx, response, case):
    """positive_data_acceptance, one refusal at a time rather than one status."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code < 400:
        return
    if is_unexpected_http_status_case(case):
        return
    try:
        problem = json.loads(response.content)
    except ValueError:
        problem = {}
    label = case.operation.label
    # jansson's integers have 64 bits, and YAML's here are the same.
    if response.status_code == 400 and has_huge_number(case.body):
        return
    if not may_refuse(label, response.status_code, problem):
        raise AssertionError(f'{label} refuses what fits the description: {response.status_code} '
                             f'{problem.get("code")} {places(problem)}: {problem.get("detail")}')
