"""What bench/api reads besides one check: every GET of the API that looks at history or at a list, with
its usual filters, on first and on deep pages. A path may hold {names}, which `places` fills in."""

import http.client
import os
import time
import urllib.parse

HOUR, DAY = 3600, 86400

READS = {
    # One check's numbers.
    "stats_24h": "/api/v1/checks/{deep}/stats",
    "stats_7d": "/api/v1/checks/{deep}/stats?period=7d",
    "stats_90d_hours": "/api/v1/checks/{deep}/stats?period=90d&resolution=hour",
    "stats_year": "/api/v1/checks/{deep}/stats?period=1y",
    "stats_span": "/api/v1/checks/{deep}/stats?from={month}&to={week}",
    "uptime_year": "/api/monitor/urls/1/stats",
    "uptime_year_other": "/api/monitor/urls/50/stats",
    # Transitions.
    "history": "/api/v1/checks/{deep}/history",
    "history_deep": "/api/v1/checks/{deep}/history?offset=45000",
    "history_oldest": "/api/v1/checks/{deep}/history?sort=at&offset=25000",
    "history_state": "/api/v1/checks/{deep}/history?state=down&offset=12000",
    "history_span": "/api/v1/checks/{deep}/history?from={month}&to={week}",
    "changes": "/api/monitor/history",
    "changes_deep": "/api/monitor/history?offset=90000",
    "changes_url": "/api/monitor/history?url_id=1",
    "changes_url_deep": "/api/monitor/history?url_id=1&offset=24000",
    "changes_down": "/api/monitor/history?status=DOWN",
    "changes_unknown": "/api/monitor/history?status=UNKNOWN",
    "changes_url_down": "/api/monitor/history?url_id=1&status=DOWN",
    "changes_span": "/api/monitor/history?from={month}&to={week}",
    "changes_span_down": "/api/monitor/history?from={month}&to={week}&status=DOWN",
    "changes_oldest": "/api/monitor/history?sort=checked_at",
    "changes_by_id": "/api/monitor/history?sort=id",
    "changes_by_id_down": "/api/monitor/history?sort=-id",
    "changes_by_url": "/api/monitor/history?sort=url",
    "changes_by_status": "/api/monitor/history?sort=status",
    "change_counts": "/api/monitor/stats",
    "change_counts_day": "/api/monitor/stats?from={day}",
    "change_counts_span": "/api/monitor/stats?from={month}&to={week}",
    "urls": "/api/monitor/urls",
    "urls_2500": "/api/monitor/urls?page=2500&per_page=20",
    # Results.
    "results": "/api/v1/results",
    "results_100000": "/api/v1/results?offset=100000",
    "results_500000": "/api/v1/results?offset=500000",
    "results_last": "/api/v1/results?offset={results_last}",
    "results_oldest": "/api/v1/results?sort=executed_at",
    "results_oldest_500000": "/api/v1/results?sort=executed_at&offset=500000",
    "results_cursor": "/api/v1/results?cursor={results_cursor}",
    "results_missed": "/api/v1/results?include_missed=true",
    "results_missed_500000": "/api/v1/results?include_missed=true&offset=500000",
    "results_error": "/api/v1/results?status=error",
    "results_error_deep": "/api/v1/results?status=error&offset=10000",
    "results_success_deep": "/api/v1/results?status=success&offset=500000",
    "results_day": "/api/v1/results?from_date={day}",
    "results_span": "/api/v1/results?from_date={month}&to_date={week}",
    "results_span_deep": "/api/v1/results?from_date={month}&to_date={week}&offset=90000",
    "results_span_error": "/api/v1/results?from_date={month}&to_date={week}&status=error",
    "results_check": "/api/v1/results/check/{deep}",
    "results_check_deep": "/api/v1/results/check/{deep}?offset=40000",
    "results_check_oldest": "/api/v1/results/check/{deep}?sort=executed_at",
    "results_check_error": "/api/v1/results/check/{deep}?status=error",
    "results_check_span": "/api/v1/results/check/{deep}?from_date={month}&to_date={week}",
    "results_check_of_few": "/api/v1/results/check/{shallow}",
    "results_check_query": "/api/v1/results?check_id={deep}&offset=20000",
    "result": "/api/v1/results/{result}",
    "summary_day": "/api/v1/results/summary",
    "summary_month": "/api/v1/results/summary?period=month",
    # Incidents and deliveries.
    "incidents": "/api/v1/incidents",
    "incidents_deep": "/api/v1/incidents?offset=19000",
    "incidents_open": "/api/v1/incidents?status=open",
    "incidents_resolved": "/api/v1/incidents?status=resolved&offset=10000",
    "incidents_check": "/api/v1/incidents?check_id={deep}",
    "incidents_severity": "/api/v1/incidents?severity=critical",
    "incidents_span": "/api/v1/incidents?since={month}&until={week}",
    "incidents_oldest": "/api/v1/incidents?sort=started_at",
    "incidents_by_update": "/api/v1/incidents?sort=-updated_at",
    "incidents_by_update_up": "/api/v1/incidents?sort=updated_at&offset=10000",
    "incidents_by_severity": "/api/v1/incidents?sort=severity",
    "incidents_by_status": "/api/v1/incidents?sort=status",
    "incidents_by_name": "/api/v1/incidents?sort=check_name",
    "incident": "/api/v1/incidents/{incident}",
    "incident_talked_about": "/api/v1/incidents/{incident_long}",
    "deliveries": "/api/v1/deliveries",
    "deliveries_deep": "/api/v1/deliveries?offset=45000",
    "deliveries_failed": "/api/v1/deliveries?status=failed",
    "deliveries_delivered": "/api/v1/deliveries?status=delivered&offset=20000",
    "deliveries_channel": "/api/v1/deliveries?channel_id={channel}",
    "deliveries_incident": "/api/v1/deliveries?incident_id={incident}",
    "deliveries_check": "/api/v1/deliveries?check_id={deep}",
    "deliveries_oldest": "/api/v1/deliveries?sort=created_at&offset=20000",
    "deliveries_by_end": "/api/v1/deliveries?sort=-finished_at",
    "deliveries_by_status": "/api/v1/deliveries?sort=status",
    "deliveries_by_tries": "/api/v1/deliveries?sort=-attempts",
    # The audit log.
    "audit": "/api/v1/audit",
    "audit_deep": "/api/v1/audit?offset=90000",
    "audit_oldest": "/api/v1/audit?sort=at",
    "audit_action": "/api/v1/audit?action=user.login_failed",
    "audit_actions": "/api/v1/audit?action=check.",
    "audit_type": "/api/v1/audit?object_type=user",
    "audit_type_of_most": "/api/v1/audit?object_type=check&offset=50000",
    "audit_object": "/api/v1/audit?object_id={deep}",
    "audit_person": "/api/v1/audit?user_id={person}",
    "audit_address": "/api/v1/audit?address=192.0.2.7",
    "audit_request": "/api/v1/audit?request_id=request-50000",
    "audit_span": "/api/v1/audit?since={month}&until={week}",
    # People and what is theirs.
    "users": "/api/v1/users",
    "users_deep": "/api/v1/users?offset=9000",
    "users_search": "/api/v1/users?search=son77",
    "users_role": "/api/v1/users?role=admin",
    "api_keys": "/api/v1/api-keys",
    "api_keys_deep": "/api/v1/api-keys?offset=6000",
    "api_keys_by_name": "/api/v1/api-keys?sort=name",
    "api_keys_by_use": "/api/v1/api-keys?sort=-last_used_at",
    "sessions": "/api/v1/auth/sessions",
    "invitations": "/api/v1/invitations",
    "invitations_pending": "/api/v1/invitations?status=pending&offset=2000",
    "organisation": "/api/v1/organisations/{org}",
    # The rest.
    "channels": "/api/v1/channels",
    "schedules": "/api/v1/schedules",
    "schedules_by_name": "/api/v1/schedules?sort=name&offset=900",
    "servers": "/api/v1/servers",
    "servers_deep": "/api/v1/servers?offset=900",
    "metrics_latest": "/api/v1/metrics/latest/server-1",
    "metrics_latest_name": "/api/v1/metrics/latest/server-1?metric_name=metric_7&metric_type=system",
    "tags": "/api/v1/checks/tags",
    "groups": "/api/v1/checks/groups",
    "jobs": "/api/v1/jobs?queue=checks",
    "jobs_queued": "/api/v1/jobs?queue=checks&state=queued",
    "queues": "/api/v1/queues",
    "workers": "/api/v1/workers",
    "health": "/api/v1/health",
    "plugins": "/api/v1/plugins",
}


def places(query, fetch):
    """What the paths name. `query` asks the database for one value, `fetch` the API for an object."""
    def before(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))

    def cursor_of(path):
        return urllib.parse.quote(fetch(path).get("next_cursor") or "")

    deep = query("SELECT id FROM checks ORDER BY legacy_id LIMIT 1")
    return {
        "deep": deep,
        "shallow": query("SELECT id FROM checks ORDER BY legacy_id OFFSET 5000 LIMIT 1"),
        "result": query("SELECT id FROM results ORDER BY slot_at DESC OFFSET 1000 LIMIT 1"),
        "results_last": query("SELECT count(*) - 20 FROM results WHERE status <> 'missed'"),
        "incident": query("SELECT id FROM incidents ORDER BY started_at DESC OFFSET 100 LIMIT 1"),
        "incident_long": query("SELECT incident_id FROM incident_events LIMIT 1"),
        "channel": query("SELECT id FROM channels ORDER BY name LIMIT 1"),
        "person": query("SELECT user_id FROM audit_log WHERE user_id IS NOT NULL LIMIT 1"),
        "org": query("SELECT id FROM organisations LIMIT 1"),
        "day": before(DAY), "week": before(7 * DAY), "month": before(30 * DAY),
        "results_cursor": cursor_of("/api/v1/results?limit=100"),
    }


class Caller:
    """One caller on one connection."""

    def __init__(self, port, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path):
        self.connection.request("GET", path, headers=self.headers)
        reply = self.connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{path}: {reply.status} {body[:200]!r}")
        return body


def cpu_ns(pids):
    total = 0
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
        except OSError:
            pass
    return total


def measure(caller, path, times, pids=lambda: ()):
    """Milliseconds: the median and the 99th percentile of so many requests, and the processors' time of one."""
    for _ in range(5):
        caller.get(path)
    took = []
    mine = pids()
    before = cpu_ns(mine)
    for _ in range(times):
        began = time.perf_counter()
        caller.get(path)
        took.append((time.perf_counter() - began) * 1000)
    spent = (cpu_ns(mine) - before) / 1e6 / times
    took.sort()
    return took[len(took) // 2], took[int(len(took) * 0.99)], spent
