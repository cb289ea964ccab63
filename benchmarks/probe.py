"""A client of Redis that sends PING after PING, and keeps the longest answer.

usage: python -m benchmarks.probe URL
Prints a line when it begins. Ends with a line on standard input; prints the longest answer and the 99.9th percentile, in ms.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import redis

PAUSE = 0.0005


def probe(url: str) -> None:
    """Send PINGs until a line comes on standard input; print the longest answer and the 99.9th percentile, in ms."""
    client, waits, over = redis.Redis.from_url(url), list[float](), threading.Event()
    client.ping()
    print("begun", flush=True)
    threading.Thread(target=lambda: (sys.stdin.readline(), over.set()), daemon=True).start()
    while not (over.is_set() and waits):
        began = time.perf_counter()
        client.ping()
        waits.append((time.perf_counter() - began) * 1000)
        time.sleep(PAUSE)
    waits.sort()
    print(json.dumps([waits[-1], waits[int(len(waits) * 0.999)]]))


if __name__ == "__main__":
    probe(sys.argv[1])
