"""bench/api: one check by its id over HTTP, from the same PostgreSQL, by Tocsin and by FastAPI.

    one check   wrk, 32 connections, a random one of the checks each time; JWT checked on both sides,
                caches off; they take turns, the median of the rounds counts
    cached      with Tocsin's reply cache on: one check, a list, a summary again and again, and a
                random one of a thousand checks; each request's state is compared with PostgreSQL
    lists       one caller, a list after the other, caches off: every page, filter and order
    reads       the same of every GET that looks at history or at a list (reads.py), over a year's results,
                transitions, incidents, deliveries, an audit log and people (history.sql); BENCH_ONLY=reads
                measures this alone
    parked      a thousand callers wait for runs that no worker executes; meanwhile the first one again

Run through run.sh.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import kit  # noqa: E402
import reads  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKS = int(os.environ.get("BENCH_CHECKS", "100000"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "8"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PARKED = 1000
HOT = 1000  # checks that are kept
CONNECTIONS = 32
MAINTENANCE = os.environ["TOCSIN_TEST_DATABASE_URL"]
DATABASE = MAINTENANCE.replace("/postgres?", "/bench?")
SCRATCH = os.environ["TOCSIN_TEST_DIR"]
IDS = os.path.join(SCRATCH, "ids")
ADMIN = {"email": "bench@example.com", "password": "correct horse battery staple"}
ENV = {
    "TOCSIN_DATABASE_URL": DATABASE,
    "TOCSIN_REDIS_URL": os.environ["TOCSIN_TEST_REDIS_URL"],
    "TOCSIN_SECRET_KEY": "0" * 63 + "1",
    "TOCSIN_JWT_SECRET": "x" * 64,
    "TOCSIN_LOG_LEVEL": "warn",
    "TOCSIN_ANONYMOUS_RATE": "1000000",
    "TOCSIN_CREDENTIAL_RATE": "100000000",
    "TOCSIN_RUN_GRACE": "60s",
}


def psql(url, *args):
    return subprocess.run(["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", *args, url], check=True, timeout=300,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


class Server:
    """A program that serves HTTP on a port of its own."""

    def __init__(self, name, argv, env, port):
        self.name, self.port = name, port
        self.log = os.path.join(SCRATCH, f"{name}.log")
        self.group = kit.Group(argv, env={**ENV, **env}, log=self.log)

    def is_up(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def wait(self):
        if not kit.wait_until(self.is_up, 30, 0.05):
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"{self.name} did not start: {log.read()[-500:]}")
        return self

    def get(self, path, token=None, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)


def tocsin(cache):
    port = random.randint(20000, 25999)
    return Server(f"tocsin-{'cached' if cache else 'plain'}", [os.path.join(kit.BUILD, "bin/tocsin-api")],
                  {"TOCSIN_API_PORT": str(port), "TOCSIN_API_LISTEN": "127.0.0.1",
                   **({} if cache else {"TOCSIN_CACHE_TTL": "0"})}, port).wait()


def fastapi(workers):
    port = random.randint(26000, 31999)
    at = urllib.parse.urlparse(DATABASE)
    words = dict(urllib.parse.parse_qsl(at.query))
    env = {"PEER_PGHOST": words.get("host", at.hostname or ""), "PEER_PGUSER": words.get("user", at.username or "postgres")}
    if words.get("port") or at.port:
        env["PEER_PGPORT"] = str(words.get("port") or at.port)
    return Server(f"fastapi-{workers}",
                  ["/usr/bin/python3", "-m", "uvicorn", "--app-dir", HERE, "peer:app", "--port", str(port), "--workers",
                   str(workers), "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"],
                  env, port).wait()


def wrk(server, token, script, path="/", seconds=SECONDS, ids=IDS):
    seen = kit.run_json(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", os.path.join(HERE, script), "-H",
         f"Authorization: Bearer {token}", f"http://127.0.0.1:{server.port}{path}"],
        env={"BENCH_IDS": ids}, timeout=seconds + 30)
    if seen["not_2xx"]:
        raise RuntimeError(f"{server.name}: {seen}")
    if seen["errors"]:
        print(f"          {server.name}: {seen['errors']} requests of {seen['requests']} came to nothing", flush=True)
    return {"rate": seen["requests"] / (seen["us"] / 1e6), "p50_ms": seen["p50_us"] / 1000,
            "p99_ms": seen["p99_us"] / 1000}


def prepare():
    psql(MAINTENANCE, "-c", "CREATE DATABASE bench")
    tool = os.path.join(kit.BUILD, "bin/tocsin")
    env = {**os.environ, **ENV, "TOCSIN_ADMIN_EMAIL": ADMIN["email"], "TOCSIN_ADMIN_PASSWORD": ADMIN["password"]}
    for command in ("migrate", "bootstrap"):
        subprocess.run([tool, command], env=env, check=True, timeout=60, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    org = psql(DATABASE, "-c", "SELECT id FROM organisations LIMIT 1")
    psql(DATABASE, "-v", f"count={CHECKS}", "-v", f"org={org}", "-f", os.path.join(HERE, "checks.sql"))
    ids = psql(DATABASE, "-c", "SELECT id FROM checks ORDER BY random() LIMIT 10000")
    with open(IDS, "w", encoding="ascii") as file:
        file.write(ids + "\n")
    return ids.split("\n")


def versions(server, token):
    first = server.get("/api/v1/health")
    del token
    print(f"tocsin    {first.get('version', '?')}; PostgreSQL {psql(DATABASE, '-c', 'SHOW server_version')}, "
          f"synchronous_commit {psql(DATABASE, '-c', 'SHOW synchronous_commit')}, fsync {psql(DATABASE, '-c', 'SHOW fsync')}")
    print("peers     " + ", ".join(
        f"{name} {kit.output_of('dpkg-query', '-W', '-f', '${Version}', name)}"
        for name in ("python3-fastapi", "uvicorn", "python3-uvloop", "python3-asyncpg", "python3-jwt", "wrk")))


def in_turns(sides, token):
    """The medians of each side over the rounds."""
    seen = {server.name: [] for server in sides}
    for server in sides:
        wrk(server, token, "ids.lua", seconds=2)
    for _ in range(ROUNDS):
        for server in sides:
            seen[server.name].append(wrk(server, token, "ids.lua"))
    return {name: {key: kit.median_of(rounds, key) for key in rounds[0]} for name, rounds in seen.items()}


LISTS = {
    "first": "",
    "page_2500": "page=2500&per_page=20",
    "page_4000": "page=4000&per_page=20",
    "last_by_offset": "limit=20&offset=99980",
    "per_page_100": "per_page=100",
    "tag": "tag=critical",
    "tag_of_most": "tag=normal",
    "group": "group=group%207",
    "state": "state=down",
    "state_of_most": "state=up",
    "enabled": "enabled=true&plugin_type=website&page=2500",
    "search": "q=abcde",
    "search_in_all": "q=shop",
    "search_2": "q=ab",
    "search_2_none": "q=zz",
    "search_1": "q=a",
    "by_name": "sort=name",
    "by_name_2500": "sort=-name&page=2500",
    "by_last_run": "sort=-last_run",
    "by_last_run_2500": "sort=-last_run&page=2500",
}


def lists(server, token):
    found = {}
    for name, query in LISTS.items():
        took = []
        for _ in range(200):
            began = time.perf_counter()
            server.get(f"/api/v1/checks?{query}", token)
            took.append((time.perf_counter() - began) * 1000)
        took.sort()
        found[name] = (kit.median(took), took[int(len(took) * 0.99)])
        print(f"lists     {name:16} p50 {found[name][0]:7.2f} ms   p99 {found[name][1]:7.2f} ms", flush=True)
    return found


def database_pids():
    """The backends of the bench's database."""
    folder = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(MAINTENANCE).query)).get("host", "")
    with open(os.path.join(folder, "pgdata/postmaster.pid"), encoding="ascii") as file:
        server = int(file.readline())
    with open(f"/proc/{server}/task/{server}/children", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]


def read_all(server, token):
    """Every list and summary of a grown installation; p99 of each, and whether all meet the target."""
    began = time.monotonic()
    org = psql(DATABASE, "-c", "SELECT id FROM organisations LIMIT 1")
    psql(DATABASE, "-v", f"org={org}", "-v", f"email={ADMIN['email']}", "-v", "deep=50000", "-v", "wide=150000",
         "-f", os.path.join(HERE, "history.sql"))
    print(f"reads     data after {time.monotonic() - began:.0f} s; {kit.wait_quiet():.0%} of the processors idle before",
          flush=True)
    caller = reads.Caller(server.port, token)
    names = reads.places(lambda sql: psql(DATABASE, "-c", sql), lambda path: json.loads(caller.get(path)))
    found = {}
    for name, path in reads.READS.items():
        p50, p99, spent = reads.measure(caller, path.format(**names), 50,
                                         lambda: server.group.pids() + database_pids())
        found[name] = p99
        print(f"reads     {name:24} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   CPU {spent:7.2f} ms", flush=True)
    slow = [name for name, p99 in found.items() if p99 > 20]
    print(f"reads     {len(found) - len(slow)} of {len(found)} below 20 ms; above: {', '.join(slow) or 'none'}")
    return found


async def park(server, token, ids, meanwhile):
    """Callers that wait; what `meanwhile` measures in a thread of its own."""
    async def one(check):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"POST /api/v1/checks/{check}/run HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
                     f"Content-Length: 0\r\n\r\n".encode())
        await writer.drain()
        return reader, writer

    waiting = await asyncio.gather(*[one(check) for check in ids[:PARKED]])
    await asyncio.sleep(2)
    answered = sum(1 for reader, _ in waiting if reader._buffer or reader.at_eof())
    seen = await asyncio.to_thread(meanwhile)
    still = PARKED - sum(1 for reader, _ in waiting if reader._buffer or reader.at_eof())
    for _, writer in waiting:
        writer.close()
    return seen, answered, still


def main():
    kit.begin()
    kit.machine()
    ids = prepare()
    plain = tocsin(cache=False)
    token = plain.get("/api/v1/auth/login", body=ADMIN)["access_token"]
    if os.environ.get("BENCH_ONLY") == "reads":
        found = read_all(plain, token)
        kit.finish({"bench": "api", "checks": CHECKS, "reads_p99_ms": {name: round(p99, 2) for name, p99 in found.items()}})
        return
    versions(plain, token)
    sides = [plain]
    for workers in (1, 2):
        try:
            sides.append(fastapi(workers))
        except RuntimeError as error:
            print(f"left out  FastAPI: {error}")
    mine = plain.get(f"/api/v1/checks/{ids[0]}", token)
    for peer in sides[1:]:
        theirs = peer.get(f"/api/v1/checks/{ids[0]}", token)
        wrong = [key for key in theirs if theirs[key] != mine.get(key) and not str(mine.get(key)).endswith("Z")]
        if wrong:
            raise RuntimeError(f"{peer.name} does not serve the same check: {wrong}")
    print(f"quiet     {kit.wait_quiet():.0%} of the processors idle before", flush=True)

    result = {"bench": "api", "checks": CHECKS, "connections": CONNECTIONS}
    one = in_turns(sides, token)
    for name, seen in one.items():
        print(f"one check {name:16} {seen['rate']:9,.0f}/s   p50 {seen['p50_ms']:6.2f} ms   p99 {seen['p99_ms']:6.2f} ms")
    result["tocsin_rps"] = round(one[plain.name]["rate"])
    result["tocsin_p99_ms"] = round(one[plain.name]["p99_ms"], 2)
    result["tocsin_rss_mb"] = round(plain.group.rss_mb(), 1)
    peers = [(name, seen["rate"]) for name, seen in one.items() if name != plain.name]
    for server in sides[1:]:
        result[f"{server.name.replace('-', '_')}_rps"] = round(one[server.name]["rate"])
        result[f"{server.name.replace('-', '_')}_rss_mb"] = round(server.group.rss_mb(), 1)
        server.group.stop()
    best = max((rate for _, rate in peers), default=0)
    single = one.get("fastapi-1", {}).get("rate", 0)

    found = lists(plain, token)
    result["lists_p99_ms"] = {name: round(p99, 2) for name, (_, p99) in found.items()}

    with_parked, answered, still = asyncio.run(park(plain, token, ids, lambda: wrk(plain, token, "ids.lua")))
    print(f"parked    {PARKED} callers wait ({answered} answered early, {still} still waiting after): "
          f"{with_parked['rate']:,.0f}/s, p99 {with_parked['p99_ms']:.2f} ms; RSS {plain.group.rss_mb():.1f} MB")
    result["parked"] = still
    result["parked_rps"] = round(with_parked["rate"])
    result["parked_p99_ms"] = round(with_parked["p99_ms"], 2)
    plain.group.stop()

    hot = IDS + ".hot"
    with open(hot, "w", encoding="ascii") as file:
        file.write("\n".join(ids[:HOT]) + "\n")
    cached = tocsin(cache=True)
    for name, script, path in (("check", "same.lua", f"/api/v1/checks/{ids[0]}"), ("checks", "ids.lua", "/"),
                               ("list", "same.lua", "/api/v1/checks?per_page=20"),
                               ("summary", "same.lua", "/api/v1/results/summary?period=day")):
        wrk(cached, token, script, path, seconds=1, ids=hot)
        rounds = [wrk(cached, token, script, path, ids=hot) for _ in range(ROUNDS)]
        seen = {key: kit.median_of(rounds, key) for key in rounds[0]}
        print(f"cached    {name:16} {seen['rate']:9,.0f}/s   p50 {seen['p50_ms']:6.2f} ms   p99 {seen['p99_ms']:6.2f} ms",
              flush=True)
        result[f"cached_{name}_rps"] = round(seen["rate"])
    cached.group.stop()
    found = read_all(tocsin(cache=False), token)
    result["reads_p99_ms"] = {name: round(p99, 2) for name, p99 in found.items()}
    result["vs_fastapi"] = round(result["tocsin_rps"] / best, 2) if best else None
    result["vs_fastapi_one_process"] = round(result["tocsin_rps"] / single, 2) if single else None
    result["cached_vs_fastapi"] = round(result["cached_check_rps"] / best, 2) if best else None
    kit.finish(result)


try:
    main()
finally:
    kit.end_all()
