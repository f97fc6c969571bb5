"""RQ's side of bench/queue: rq_peer.py URL JOBS, the producer; the worker is `rq worker`.

Results are not kept; jobs are added in pipelines of 100.
"""

import json
import sys
import time

import redis
from rq import Queue


def noop():
    pass


def produce(url, jobs):
    queue = Queue("bench", connection=redis.Redis.from_url(url))
    began = time.time()
    sent = 0
    while sent < jobs:
        count = min(100, jobs - sent)
        queue.enqueue_many(
            [Queue.prepare_data("rq_peer.noop", result_ttl=0) for _ in range(count)]
        )
        sent += count
    print(json.dumps({"began": began, "ended": time.time(), "jobs": jobs}))


if __name__ == "__main__":
    produce(sys.argv[1], int(sys.argv[2]))
