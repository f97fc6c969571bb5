"""Celery's side of bench/queue, crash-safe as Tocsin is: late acknowledgement, JSON, no results.

    celery_peer.py URL JOBS [RATE]      the producer
    celery -A celery_peer worker …      the worker, with BENCH_REDIS_URL
"""

import json
import os
import sys
import time

from celery import Celery
from celery.signals import worker_shutdown

app = Celery("bench", broker=os.environ.get("BENCH_REDIS_URL") or sys.argv[1])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=4,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)
latency = []


@app.task(name="bench.noop")
def noop(at=0):
    if at:
        latency.append(time.time() - at)


@worker_shutdown.connect
def report(**_):
    if latency:
        latency.sort()
        n = len(latency)
        line = {
            "count": n,
            "p50_us": round(latency[n // 2] * 1e6),
            "p99_us": round(latency[n * 99 // 100] * 1e6),
        }
        print("LATENCY " + json.dumps(line), flush=True)


def produce(jobs, rate):
    began = time.time()
    for sent in range(jobs):
        if rate:
            wait = began + sent / rate - time.time()
            if wait > 0:
                time.sleep(wait)
        noop.apply_async((time.time(),) if rate else ())
    print(json.dumps({"began": began, "ended": time.time(), "jobs": jobs}))


if __name__ == "__main__":
    produce(int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0)
