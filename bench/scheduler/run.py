"""bench/scheduler: a million checks, each every minute: 16,700 due checks a second.

    load       from starting a scheduler until every check is in its memory and it is ready
    lag        from a slot's time to its entry in the stream, by Redis's clock
    takeover   three schedulers share the shards; one is killed (SIGKILL) again and again, and
               replaced when the others have taken over: the longest silence of any shard is the gap
    hand-over  the same when the newcomer is given its share, and when one leaves by SIGTERM
    flush      after all that, FLUSHALL of Redis: the longest silence of a shard while the schedulers find
               out what has results
    ledger     every slot of every check, read from the stream by a consumer that drains it:
               missed and doubled slots over the whole run, kills included

No worker runs: results do not exist, so recording absent ones (TOCSIN_MISSED_GRACE) is put off.
Run through run.sh.
"""

import json
import os
import random
import re
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import kit  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKS = int(os.environ.get("BENCH_CHECKS", "1000000"))
STEADY = int(os.environ.get("BENCH_STEADY", "30"))
KILLS = int(os.environ.get("BENCH_KILLS", "100"))
SCHEDULERS = 3
SHARDS = 16
MAINTENANCE = os.environ["TOCSIN_TEST_DATABASE_URL"]
DATABASE = MAINTENANCE.replace("/postgres?", "/bench?")
REDIS = os.environ["TOCSIN_TEST_REDIS_URL"]
SCRATCH = os.environ["TOCSIN_TEST_DIR"]
ENV = {
    "TOCSIN_DATABASE_URL": DATABASE,
    "TOCSIN_REDIS_URL": REDIS,
    "TOCSIN_SECRET_KEY": "0" * 63 + "1",
    "TOCSIN_JWT_SECRET": "x" * 64,
    "TOCSIN_MISSED_GRACE": "1h",
    "TOCSIN_LOG_FORMAT": "json",
}
OWED_S = 45  # what was overslept while the checks were inserted is spread over half of the interval
SETTLE_S = 62  # a minute, so that the ledger has seen every check


class Scheduler:
    started = 0

    def __init__(self):
        Scheduler.started += 1
        self.port = random.randint(20000, 31999)
        self.began = time.monotonic()
        self.group = kit.Group(
            [os.path.join(kit.BUILD, "bin/tocsin-scheduler")],
            env={**ENV, "TOCSIN_HEALTH_PORT": str(self.port)},
            log=os.path.join(SCRATCH, f"scheduler-{Scheduler.started}.log"),
        )

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as reply:
                return reply.read().decode()
        except OSError:
            return ""

    def metric(self, name):
        found = re.search(rf"^{name} (\S+)$", self.get("/metrics"), re.M)
        return float(found[1]) if found else -1

    def shards(self):
        return self.metric("tocsin_scheduler_shards_owned")

    def checks(self):
        return self.metric("tocsin_scheduler_checks")

    def rss_mb(self, key="VmRSS"):
        return kit.memory_kb(self.group.pid, key) / 1024

    def kill(self):
        os.kill(self.group.pid, 9)
        self.group.stop()


class Ledger:
    def __init__(self):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--",
             os.path.join(kit.BUILD, "bench/scheduler/ledger"), REDIS, str(CHECKS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def mark(self):
        self.say("mark")

    def show(self):
        self.say("show")
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


def psql(url, *args):
    subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", *args, url], check=True, timeout=300,
                   stdout=subprocess.DEVNULL)


def prepare():
    began = time.monotonic()
    psql(MAINTENANCE, "-c", "CREATE DATABASE bench")
    subprocess.run([os.path.join(kit.BUILD, "bin/tocsin"), "migrate"], env={**os.environ, **ENV},
                   check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    psql(DATABASE, "-v", f"count={CHECKS}", "-f", os.path.join(HERE, "checks.sql"))
    print(f"inserted  {CHECKS:,} checks in {time.monotonic() - began:.1f} s", flush=True)


def load(scheduler):
    """Seconds until every check is in memory."""
    if not kit.wait_until(lambda: scheduler.checks() >= CHECKS and scheduler.get("/readyz"), 120, 0.02):
        raise RuntimeError(f"not loaded after 120 s: {scheduler.checks():.0f} checks")
    return time.monotonic() - scheduler.began


def steady(scheduler, ledger):
    time.sleep(OWED_S)
    ledger.mark()
    cpu, began = scheduler.group.cpu_ns(), time.monotonic()
    time.sleep(STEADY)
    seconds = time.monotonic() - began
    seen = ledger.show()
    seen["cpu_pct"] = (scheduler.group.cpu_ns() - cpu) / 1e7 / seconds
    seen["rate"] = seen["window"] / seconds
    return seen


def owned_by(fleet):
    """All shards run, and each scheduler has at least the least share that all others leave."""
    least = SHARDS - (len(fleet) - 1) * -(-SHARDS // len(fleet))
    return lambda: (sum(s.shards() for s in fleet) == SHARDS and min(s.shards() for s in fleet) >= least
                    and sum(s.checks() for s in fleet) >= CHECKS)


def silence(fleet, ledger, what):
    """Waits until the fleet owns everything; what the ledger saw since the last mark."""
    if not kit.wait_until(owned_by(fleet), 60, 0.02):
        raise RuntimeError(f"{what}: the shards are not owned: {[s.shards() for s in fleet]}")
    time.sleep(0.3)  # what is published now ends the silence
    seen = ledger.show()
    ledger.mark()
    return seen


def kill_owners(first, ledger):
    """One owner after the other; the gap of each kill is the longest silence of a shard."""
    fleet = [first] + [Scheduler() for _ in range(SCHEDULERS - 1)]
    gaps, lags, shared = [], [], []
    silence(fleet, ledger, "start")
    for kill in range(KILLS):
        # At any moment of a lease's third; the ring is whole since the last one's silence was read.
        time.sleep(random.uniform(0, 0.4))
        ledger.mark()
        fleet.pop(random.randrange(len(fleet))).kill()
        taken = silence(fleet, ledger, "takeover")
        gaps.append(taken["silence_ms"])
        lags.append(taken["lag_max_ms"])
        fleet.append(Scheduler())
        shared.append(silence(fleet, ledger, "newcomer")["silence_ms"])
        print(f"kill {kill + 1:>3}  silence {gaps[-1]:>6,} ms, lag max {lags[-1]:>6,} ms, newcomer "
              f"{shared[-1]:>5,} ms, missed {taken['missed']}, doubled {taken['doubled']}", flush=True)
    rss = max(s.rss_mb() for s in fleet)
    fleet.pop().group.stop()
    leave = silence(fleet, ledger, "leave")["silence_ms"]
    return fleet, {"gaps": gaps, "lags": lags, "shared": shared, "leave_ms": leave, "rss_mb": rss}


def flush(fleet, ledger):
    """The longest silence of a shard after Redis forgot everything. Whatever has no result comes again."""
    ledger.mark()
    subprocess.run(["redis-cli", "-s", REDIS.removeprefix("unix://"), "flushall"], check=True, timeout=30,
                   stdout=subprocess.DEVNULL)
    if not kit.wait_until(lambda: sum(s.checks() for s in fleet) < CHECKS, 10, 0.005):
        raise RuntimeError("flush: nobody noticed")
    return silence(fleet, ledger, "flush")["silence_ms"]


def run():
    ledger = Ledger()
    scheduler = Scheduler()
    cold = load(scheduler)
    rss, peak = scheduler.rss_mb(), scheduler.rss_mb("VmHWM")
    print(f"load      {cold:.2f} s; RSS {rss:.1f} MB, peak {peak:.1f} MB", flush=True)
    began = time.monotonic()
    calm = steady(scheduler, ledger)
    print(f"lag       p50 {calm['lag_p50_ms']} ms, p99 {calm['lag_p99_ms']} ms, max {calm['lag_max_ms']} ms at "
          f"{calm['rate']:,.0f} checks/s over {STEADY} s; {calm['cpu_pct']:.1f} % of a core, "
          f"RSS {scheduler.rss_mb():.1f} MB", flush=True)
    kills_began = time.monotonic()
    fleet, kills = kill_owners(scheduler, ledger)
    kills_s = time.monotonic() - kills_began
    time.sleep(max(0, SETTLE_S - (time.monotonic() - began)))
    end = ledger.show()
    pause_ms = flush(fleet, ledger)
    ledger.stop()
    gaps, shared = kills["gaps"], kills["shared"]
    over = sum(1 for gap in gaps if gap >= 2000)
    print(f"takeover  silence of a shard: median {kit.median(gaps):,.0f} ms, max {max(gaps, default=0):,} ms through "
          f"{KILLS} kills of {SCHEDULERS} schedulers, {over} of 2 s and more, in {kills_s:.0f} s; RSS {kills['rss_mb']:.1f} MB")
    print(f"hand-over newcomer: median {kit.median(shared):,.0f} ms, max {max(shared, default=0):,} ms; one that "
          f"leaves: {kills['leave_ms']} ms")
    print(f"flush     a shard is silent for up to {pause_ms:,} ms")
    print(f"ledger    {end['dispatched']:,} dispatched of {end['seen']:,} checks; missed {end['missed']}, "
          f"overdue {end['overdue']}, doubled {end['doubled']}, off their grid {end['odd']}\n")
    kit.finish({
        "bench": "scheduler", "checks": CHECKS, "cold_load_s": round(cold, 2), "rss_mb": round(rss, 1),
        "rss_peak_mb": round(peak, 1), "rss_kills_mb": round(kills["rss_mb"], 1), "rate_s": round(calm["rate"]),
        "lag_p50_ms": calm["lag_p50_ms"], "lag_p99_ms": calm["lag_p99_ms"], "lag_max_ms": calm["lag_max_ms"],
        "cpu_pct": round(calm["cpu_pct"], 1), "kills": KILLS, "takeover_median_ms": kit.median(gaps),
        "takeover_max_ms": max(gaps, default=None), "takeover_over_2s": over,
        "hand_over_median_ms": kit.median(shared), "hand_over_max_ms": max(shared, default=None),
        "leave_ms": kills["leave_ms"], "kills_s": round(kills_s), "flush_ms": pause_ms, "seen": end["seen"], "dispatched": end["dispatched"],
        "missed": end["missed"] + end["overdue"], "doubled": end["doubled"],
    })


def main():
    kit.begin()
    kit.machine()
    print(f"servers   {kit.output_of('redis-server', '--version').split()[2]}, AOF everysec; "
          f"{kit.output_of('psql', '--version')}, fsync off, shared_buffers 64 MB; unix sockets")
    prepare()
    print(f"quiet     {100 * kit.wait_quiet():.0f} % of the processors idle before the start", flush=True)
    run()


if __name__ == "__main__":
    try:
        main()
    finally:
        kit.end_all()
