"""What the benchmarks' drivers share: processes in groups, a small Redis client, figures."""

import glob
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("BENCH_BUILD", os.path.join(ROOT, "build/release"))
groups = []


class Redis:
    """RESP over a socket, enough to look and to flush: no peer's client is needed for it."""

    def __init__(self, host, port):
        self.sock = socket.create_connection((host, port), timeout=30)
        self.file = self.sock.makefile("rb")

    def pipeline(self, *commands):
        out = b""
        for command in commands:
            words = [str(word).encode() for word in command]
            out += b"*%d\r\n" % len(words)
            out += b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        self.sock.sendall(out)
        return [self.reply() for _ in commands]

    def __call__(self, *command):
        return self.pipeline(command)[0]

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.file.read(size + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return rest.decode()


class Group:
    """A program and whatever it starts, in a session of its own; gone when the driver is."""

    def __init__(self, argv, env=None, cwd=None, log=None):
        self.log = log
        with open(log or os.devnull, "ab") as out:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                env={**os.environ, **(env or {})},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.pid = self.process.pid
        groups.append(self)

    def signal(self, number):
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def is_running(self):
        return self.process.poll() is None

    def pids(self):
        found = []
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(stat, encoding="utf-8", errors="replace") as file:
                    words = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(words[3]) == self.pid:
                found.append(int(stat.split("/")[2]))
        return found

    def cpu_ns(self):
        """Time on a processor of all its threads, by the scheduler's own account."""
        total = 0
        for pid in self.pids():
            for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
                try:
                    with open(path, encoding="ascii") as file:
                        total += int(file.read().split()[0])
                except OSError:
                    pass
        return total

    def rss_mb(self):
        total = 0
        for pid in self.pids():
            total += memory_kb(pid, "VmRSS")
        return total / 1024

    def stop(self, seconds=5):
        """Asks, then kills; what it said is in the log."""
        self.signal(signal.SIGCONT)
        if self.is_running():
            try:
                os.kill(self.pid, signal.SIGTERM)
                self.process.wait(seconds)
            except (subprocess.TimeoutExpired, ProcessLookupError):
                pass
        self.signal(signal.SIGKILL)
        self.process.wait(10)
        if self in groups:
            groups.remove(self)


def memory_kb(pid, key):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def begin():
    """Signals end the driver in the usual way, so that nothing it started stays."""

    def end(number, _frame):
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)


def end_all():
    for group in list(groups):
        group.stop(1)


def wait_until(condition, seconds, pause=0.005):
    """Whether the condition came true in that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(pause)
    return False


def idle_share(seconds=1.0):
    """The part of the machine that nobody used for a moment."""

    def read():
        with open("/proc/stat", encoding="ascii") as file:
            words = [int(word) for word in file.readline().split()[1:]]
        return words[3] + words[4], sum(words[:8])

    idle, total = read()
    time.sleep(seconds)
    idle_now, total_now = read()
    return (idle_now - idle) / max(total_now - total, 1)


def wait_quiet(seconds=None):
    """Waits until others leave the machine alone, for at most BENCH_QUIET seconds; the share of the
    processors that was idle last: what is measured in between somebody else's work is worth less."""
    limit = seconds if seconds is not None else int(os.environ.get("BENCH_QUIET", "30"))
    deadline = time.monotonic() + limit
    share = idle_share()
    while share < 0.9 and time.monotonic() < deadline:
        share = idle_share()
    return share


def run_json(argv, env=None, cwd=None, timeout=60):
    """A program whose last line is JSON."""
    done = subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", "--", *argv],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError((done.stderr or done.stdout).strip()[-300:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def output_of(*argv):
    """What a program prints, or '' without it."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def median(values):
    return statistics.median(values) if values else 0


def median_of(values, key):
    return median([value[key] for value in values])


def machine():
    model = output_of("sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2").strip()
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    memory = output_of("sh", "-c", "awk '/MemTotal/ { print int($2 / 1048576) }' /proc/meminfo")
    with open("/etc/os-release", encoding="utf-8") as file:
        names = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
    system = names.get("PRETTY_NAME", "?").strip('"')
    print(f"machine   {os.cpu_count()} × {model or '?'}, {memory} GiB; Linux {platform.release()}, {system}")
    print(f"          load average before: {load}")


def finish(line):
    print(json.dumps(line, separators=(",", ":")))
