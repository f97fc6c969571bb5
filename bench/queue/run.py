"""bench/queue: the no-op job, enqueued, run and acknowledged, side by side in one run.

Each worker is started, warmed up and then measured with the same three questions:

    enqueue     its producer alone: the worker is stopped (SIGSTOP)
    drain       its worker alone, with that backlog: from SIGCONT until nothing is left
    both        producer and worker at once: from the first job on until nothing is left
    latency     from enqueue to the start of the handler, at half the rate of `both`

Three rounds of all peers in turn, as far as BENCH_SECONDS (360) allow; the median counts. What is left is read from Redis by the driver, every 5 ms, so
that no peer pays for counting. Run through run.sh.
"""

import json
import os
import re
import signal
import sys
import time
from urllib.parse import urlsplit

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import kit  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "peers")
NODE = os.path.join(HERE, "node")
URL = os.environ["TOCSIN_TEST_REDIS_TCP_URL"]
HOST, PORT = urlsplit(URL).hostname, urlsplit(URL).port
ENV = {"BENCH_REDIS_URL": URL, "PYTHONPATH": PEERS, "PYTHONDONTWRITEBYTECODE": "1", "C_FORCE_ROOT": "1"}
SCRATCH = os.environ["TOCSIN_TEST_DIR"]

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
IDLE_SECONDS = 4
LATENCY_SECONDS = 2
SECONDS = int(os.environ.get("BENCH_SECONDS", "360"))
SINGLE_JOBS = 20000
redis = kit.Redis(HOST, PORT)


class Peer:
    def __init__(self, name, jobs, worker, producer, left, version, safety, **more):
        self.name, self.jobs = name, jobs
        self.worker, self.producer = worker, producer
        self.left_commands = left
        self.version, self.safety = version, safety
        self.processes = more.get("processes", 1)
        self.has_latency = more.get("has_latency", True)
        self.single = more.get("single")  # its producer when it makes a call a job
        self.groups = []
        self.figures = {}
        self.failure = "" if version else "it cannot be installed here"

    def left(self):
        """Jobs not done yet."""
        replies = redis.pipeline(*self.left_commands)
        return sum(reply for reply in replies if isinstance(reply, int))

    def start(self):
        redis("FLUSHALL")
        self.log = os.path.join(SCRATCH, f"{self.name}.log")
        for _ in range(self.processes):
            self.groups.append(kit.Group(self.worker, env=ENV, cwd=SCRATCH, log=self.log))

    def stop(self):
        for group in self.groups:
            group.stop()
        self.groups = []

    def signal(self, number):
        for group in self.groups:
            group.signal(number)

    def enqueue(self, jobs, rate=0):
        argv = [*self.producer, str(jobs)] + ([str(rate)] if rate else [])
        return kit.run_json(argv, env=ENV, cwd=SCRATCH)

    def enqueue_single(self):
        """Jobs a second of a producer that waits for each."""
        sent = kit.run_json([*self.single, str(SINGLE_JOBS)], env=ENV, cwd=SCRATCH)
        return SINGLE_JOBS / (sent["ended"] - sent["began"])

    def wait_done(self, seconds):
        """When the last job was done, by the wall clock."""
        last = time.time()
        deadline = time.monotonic() + seconds
        while self.left() > 0:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.left()} jobs left after {seconds} s")
            if not all(group.is_running() for group in self.groups):
                raise RuntimeError("the worker ended")
            time.sleep(0.005)
            last = time.time()
        return last

    def end_of_log(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return " | ".join(file.read().strip().splitlines()[-3:])
        except OSError:
            return ""


def enqueue_then_drain(peer):
    peer.signal(signal.SIGSTOP)
    sent = peer.enqueue(peer.jobs)
    began = time.time()
    peer.signal(signal.SIGCONT)
    ended = peer.wait_done(60)
    figures = {
        "enqueue": peer.jobs / (sent["ended"] - sent["began"]),
        "drain": peer.jobs / (ended - began),
    }
    if peer.single:
        peer.signal(signal.SIGSTOP)
        figures["single"] = peer.enqueue_single()
        peer.signal(signal.SIGCONT)
        peer.wait_done(60)
    return figures


def both_at_once(peer):
    producer_log = os.path.join(SCRATCH, "producer.log")
    if os.path.exists(producer_log):
        os.unlink(producer_log)
    producer = kit.Group([*peer.producer, str(peer.jobs)], env=ENV, cwd=SCRATCH, log=producer_log)
    last = time.time()
    deadline = time.monotonic() + 60
    while producer.is_running() or peer.left() > 0:
        if time.monotonic() > deadline:
            raise RuntimeError("not done after 60 s")
        if peer.left() > 0:
            last = time.time()
        time.sleep(0.005)
    producer.stop()
    with open(producer_log, encoding="utf-8") as file:
        sent = json.loads(file.read().strip().splitlines()[-1])
    return peer.jobs / (max(last, sent["ended"]) - sent["began"])


def idle(peer):
    time.sleep(1)
    before, began = sum(group.cpu_ns() for group in peer.groups), time.monotonic()
    time.sleep(IDLE_SECONDS)
    spent = sum(group.cpu_ns() for group in peer.groups) - before
    return {
        "idle_cpu_pct": spent / 1e7 / (time.monotonic() - began),
        "rss_mb": sum(group.rss_mb() for group in peer.groups),
    }


def latency(peer, rate):
    """Enqueue to start at the given rate, as the worker saw it; it says so when it ends."""
    peer.enqueue(int(rate * LATENCY_SECONDS), rate=max(int(rate), 1))
    peer.wait_done(30)
    peer.stop()
    with open(peer.log, encoding="utf-8", errors="replace") as file:
        found = re.findall(r"LATENCY (\{.*\})", file.read())
    return json.loads(found[-1]) if found else {}


def warm_up(peer):
    peer.start()
    peer.enqueue(max(peer.jobs // 4, 50))
    peer.wait_done(30)


def one_round(peer, number):
    """One round of one peer, its worker started anew; the first one asks for more."""
    warm_up(peer)
    quiet = 100 * kit.wait_quiet(3)
    if number == 0:
        peer.figures = {"rounds": []} | idle(peer)
    figures = enqueue_then_drain(peer)
    figures["both"] = both_at_once(peer)
    figures["quiet_pct"] = quiet
    peer.figures["rss_after_mb"] = sum(group.rss_mb() for group in peer.groups)
    if peer.has_latency:
        figures |= {key: value for key, value in latency(peer, figures["both"] / 2).items() if key.endswith("_us")}
    peer.figures["rounds"].append(figures)


def medians(peer):
    for key in ("enqueue", "drain", "both", "single", "p50_us", "p99_us", "quiet_pct"):
        values = [figures[key] for figures in peer.figures["rounds"] if key in figures]
        if values:
            peer.figures[key] = kit.median(values)


def debian(package):
    return kit.output_of("dpkg-query", "-W", "-f", "${Version}", package)


def npm(package):
    try:
        with open(os.path.join(NODE, "node_modules", package, "package.json"), encoding="utf-8") as file:
            return json.load(file)["version"]
    except OSError:
        return ""


def go_module(name):
    """Its version, when the peer was built."""
    if not os.path.exists(os.path.join(kit.BUILD, "bench/queue/asynq_peer")):
        return ""
    with open(os.path.join(HERE, "go/go.mod"), encoding="utf-8") as file:
        found = re.search(re.escape(name) + r" (v\S+)", file.read())
    return f"{found[1] if found else '?'}, {kit.output_of('go', 'env', 'GOVERSION')}"


def celery_worker(pool, count):
    return ["/usr/bin/python3", "-m", "celery", "-A", "celery_peer", "worker", "-P", pool, "-c", str(count), "-l", "error",
            "--without-gossip", "--without-mingle"]


def peers():
    program = os.path.join(kit.BUILD, "bench/queue")
    tocsin = os.path.join(program, "tocsin")
    bare = os.path.join(program, "bare")
    streams = [("XLEN", f"{{q:default:0}}:p{p}") for p in range(4)]
    celery_left = [("LLEN", "celery"), ("HLEN", "unacked")]
    rq_left = [("LLEN", "rq:queue:bench"), ("ZCARD", "rq:wip:bench")]
    bull_left = [("LLEN", "bull:bench:wait"), ("LLEN", "bull:bench:active")]
    # Debian's packages are those of its own Python, whatever the path finds first.
    celery = ["/usr/bin/python3", os.path.join(PEERS, "celery_peer.py"), URL]
    rq = ["/usr/bin/python3", os.path.join(PEERS, "rq_peer.py"), URL]
    ruby = os.path.join(PEERS, "sidekiq_peer.rb")
    bull = os.path.join(NODE, "bullmq_peer.mjs")
    asynq = os.path.join(program, "asynq_peer")
    asynq_left = [("LLEN", "asynq:{bench}:pending"), ("LLEN", "asynq:{bench}:active")]
    late = "late acknowledgement, redelivered after a crash"
    tree = kit.output_of("git", "-C", kit.ROOT, "describe", "--always", "--dirty") or "this tree"
    return [
        Peer("tocsin", 300000, [tocsin, "work", URL], [tocsin, "enqueue", URL],
             [*streams, ("ZCARD", "{q:default:0}:delayed")], tree,
             "lease with heartbeat, handler by task, late acknowledgement in batches, reaper",
             single=[tocsin, "single", URL]),
        Peer("bare-100", 300000, [bare, "work", HOST, str(PORT), "100"],
             [bare, "enqueue", HOST, str(PORT)], [("XLEN", "bare")], "hiredis " + debian("libhiredis0.14"),
             "no lease, nothing redelivers"),
        Peer("bare-500", 300000, [bare, "work", HOST, str(PORT), "500"],
             [bare, "enqueue", HOST, str(PORT)], [("XLEN", "bare")], "hiredis " + debian("libhiredis0.14"),
             "no lease, nothing redelivers", single=[bare, "single", HOST, str(PORT)]),
        Peer("asynq", 16000, [asynq, "work", URL], [asynq, "enqueue", URL], asynq_left, go_module("github.com/hibiken/asynq"),
             "lease a task, redelivered when it ends; concurrency 200, 16 senders: no bulk enqueue"),
        Peer("bullmq", 24000, ["node", bull, "work", URL], ["node", bull, "enqueue", URL], bull_left,
             npm("bullmq") and f"{npm('bullmq')}, ioredis {npm('ioredis')}, node {kit.output_of('node', '-v')}",
             "lock a job, redelivered when it stalls; concurrency 200, bulk enqueue of 500"),
        Peer("sidekiq", 20000, ["sidekiq", "-r", ruby, "-c", "10", "-q", "bench", "-e", "production"],
             ["ruby", ruby], [("LLEN", "queue:bench")], debian("ruby-sidekiq"),
             "NOT crash-safe: plain BRPOP, a dead worker's jobs are lost; 10 threads, bulk enqueue of 1,000"),
        Peer("celery-prefork", 1500, celery_worker("prefork", 2), celery, celery_left, debian("python3-celery"),
             late + "; prefork × 2", has_latency=False),
        Peer("celery-threads", 1500, celery_worker("threads", 8), celery, celery_left, debian("python3-celery"),
             late + "; threads × 8"),
        Peer("rq", 300, ["rq", "worker", "-u", URL, "-q", "--path", PEERS, "bench"], rq, rq_left,
             debian("python3-rq"), "a fork a job; 2 workers, bulk enqueue of 100", processes=2, has_latency=False),
        Peer("rq-simple", 1000, ["rq", "worker", "-u", URL, "-q", "--path", PEERS, "-w", "rq.SimpleWorker", "bench"],
             rq, rq_left, debian("python3-rq"), "no fork; 2 workers, bulk enqueue of 100", processes=2,
             has_latency=False),
    ]


def show(peer, figures):
    line = f"{peer.name:<15}"
    for key, width in (("enqueue", 11), ("drain", 11), ("both", 11)):
        line += f"{figures[key]:>{width},.0f}"
    for key in ("p50_us", "p99_us"):
        line += f"{figures[key]:>10,.0f}" if key in figures else f"{'–':>10}"
    line += f"{figures['idle_cpu_pct']:>9.2f}{figures['rss_mb']:>8.1f}{figures['rss_after_mb']:>8.1f}{figures['quiet_pct']:>8.0f}"
    print(line + "   drains: " + " ".join(f"{one['drain']:,.0f}" for one in figures["rounds"]), flush=True)


def best(seen, prefix, key):
    return max((figures[key] for name, figures in seen.items() if name.startswith(prefix)), default=None)


def summary(seen):
    ours = seen.get("tocsin", {})
    line = {"bench": "queue"}
    for name, figures in seen.items():
        short = name.replace("-", "_")
        line[f"{short}_jobs_s"] = round(figures["drain"])
        line[f"{short}_enqueue_s"] = round(figures["enqueue"])
        line[f"{short}_both_s"] = round(figures["both"])
        line[f"{short}_rss_mb"] = round(figures["rss_mb"], 1)
        line[f"{short}_idle_cpu_pct"] = round(figures["idle_cpu_pct"], 3)
        line[f"{short}_quiet_pct"] = round(figures["quiet_pct"])
        line[f"{short}_rounds"] = len(figures["rounds"])
        for key in ("p50_us", "p99_us"):
            if key in figures:
                line[f"{short}_{key}"] = round(figures[key])
        if "single" in figures:
            line[f"{short}_single_s"] = round(figures["single"])
    for against in ("celery", "bullmq", "sidekiq", "rq", "asynq", "bare"):
        for key, suffix in (("drain", ""), ("both", "_both"), ("enqueue", "_enqueue")):
            theirs = best(seen, against, key)
            line[f"vs_{against}{suffix}"] = round(ours[key] / theirs, 2) if ours and theirs else None
    return line


def print_settings():
    info = dict(line.split(":", 1) for line in redis("INFO", "server").splitlines() if ":" in line)
    settings = {name: redis("CONFIG", "GET", name)[1] for name in ("appendonly", "appendfsync", "maxmemory-policy")}
    kit.machine()
    print(f"redis     {info['redis_version']}, loopback TCP; " +
          ", ".join(f"{name} {value}" for name, value in settings.items()))


def try_round(peer, number):
    if peer.failure:
        return
    try:
        one_round(peer, number)
    except (RuntimeError, OSError, ValueError, kit.subprocess.TimeoutExpired) as error:
        peer.failure = f"{error} {peer.end_of_log()}".strip().splitlines()[-1]
    finally:
        peer.stop()


def main():
    kit.begin()
    print_settings()
    wanted = [name for name in os.environ.get("BENCH_PEERS", "").split(",") if name]
    chosen = [peer for peer in peers() if not wanted or any(peer.name.startswith(name) for name in wanted)]
    for peer in chosen:
        if peer.version:
            print(f"{peer.name:<15}{peer.version}: {peer.safety}")
    print(f"\n{'jobs/s':<15}{'enqueue':>11}{'drain':>11}{'both':>11}{'p50 µs':>10}{'p99 µs':>10}"
          f"{'idle %':>9}{'RSS MB':>8}{'after':>8}{'quiet %':>8}", flush=True)
    # A round of everybody, then the next: what else the machine does meets all of them alike.
    began = time.monotonic()
    for number in range(ROUNDS):
        for peer in chosen:
            if number == 0 or time.monotonic() - began < SECONDS:
                try_round(peer, number)
    seen = {}
    for peer in chosen:
        if peer.failure:
            print(f"{peer.name:<15}left out: {peer.failure}")
            continue
        medians(peer)
        show(peer, peer.figures)
        seen[peer.name] = peer.figures
    singles = [f"{name} {figures['single']:,.0f}/s" for name, figures in seen.items() if "single" in figures]
    print(f"\na call a job, one after the other: {', '.join(singles)}")
    print(f"load average after: {' '.join(f'{value:.2f}' for value in os.getloadavg())}")
    kit.finish(summary(seen))


if __name__ == "__main__":
    try:
        main()
    finally:
        kit.end_all()
