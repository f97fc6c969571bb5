"""bench/idle: memory and processor time of a Tocsin that has nothing to do but its own check.

    run.py STATUS LOG    what `run.sh status` and `run.sh up` printed

The processor time is the scheduler's account of every thread, over the window.
"""

import glob
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import kit  # noqa: E402

SECONDS = int(os.environ.get("BENCH_IDLE_S", "30"))
SETTLE_S = 5
SERVERS = ("postgres", "redis")


def cpu_ns(pids):
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            try:
                with open(path, encoding="ascii") as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass
    return total


def pss_mb(pid):
    """Its share of what it shares, too: what it really adds to the machine."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M)[1]) / 1024
    except (OSError, TypeError):
        return 0


def with_children(pid):
    found = [pid]
    for parent in found:
        for path in glob.glob(f"/proc/{parent}/task/*/children"):
            with open(path, encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    return found


def main():
    kit.begin()
    kit.machine()
    with open(sys.argv[2], encoding="utf-8") as file:
        started = re.search(r"started in ([\d.]+) s", file.read())
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = [line.split() for line in file]
    pids = {row[0]: with_children(int(row[1])) for row in rows if len(row) > 2 and row[1].isdigit()}
    time.sleep(SETTLE_S)
    before, began = {name: cpu_ns(pids[name]) for name in pids}, time.monotonic()
    time.sleep(SECONDS)
    seconds = time.monotonic() - began
    print(f"\n{'process':<12}{'RSS MB':>8}{'PSS MB':>8}{'peak MB':>9}{'CPU s':>8}{'CPU %':>8}   over {seconds:.0f} s")
    line = {"bench": "idle", "seconds": SECONDS, "start_s": float(started[1]) if started else None}
    rss = cpu = pss = 0
    for name, group in sorted(pids.items(), key=lambda item: item[0] in SERVERS):
        used = (cpu_ns(group) - before[name]) / 1e7 / seconds
        mine = sum(kit.memory_kb(pid, "VmRSS") for pid in group) / 1024
        share = sum(pss_mb(pid) for pid in group)
        peak = sum(kit.memory_kb(pid, "VmHWM") for pid in group) / 1024
        print(f"{name:<12}{mine:>8.1f}{share:>8.1f}{peak:>9.1f}{used * seconds / 100:>8.3f}{used:>8.3f}")
        line[f"{name}_rss_mb"], line[f"{name}_cpu_pct"] = round(mine, 1), round(used, 3)
        if name not in SERVERS:
            rss, pss, cpu = rss + mine, pss + share, cpu + used
    print(f"{'the daemons':<12}{rss:>8.1f}{pss:>8.1f}{'':>9}{cpu * seconds / 100:>8.3f}{cpu:>8.3f}\n")
    line |= {"daemons_rss_mb": round(rss, 1), "daemons_pss_mb": round(pss, 1), "daemons_cpu_pct": round(cpu, 3)}
    kit.finish(line)


if __name__ == "__main__":
    main()
