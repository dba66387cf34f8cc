# SPDX-License-Identifier: MIT
"""Makes objects in threads and forked processes, and frees them in others.

usage: workers.py OBJECTS
"""
import concurrent.futures
import hashlib
import multiprocessing
import queue
import sys
import threading

WORKERS = 4


def make(first, nr):
    """Objects of many sizes, always the same."""
    return {i: ["%d" % i * (i % 40), bytes(i * 7919 % 3000), (i, float(i))]
            for i in range(first, first + nr)}


def digest(objects):
    return hashlib.sha256(repr(sorted(objects.items())).encode()).hexdigest()


def hand_over(nr):
    """One thread makes, another one frees; both at once, in pairs."""
    results = [None] * WORKERS

    def consume(worker, source):
        found = hashlib.sha256()
        while True:
            objects = source.get()
            if objects is None:
                break
            found.update(digest(objects).encode())
        results[worker] = found.hexdigest()

    def produce(sink):
        for first in range(0, nr, 100):
            sink.put(make(first, 100))
        sink.put(None)

    threads = []
    for worker in range(WORKERS):
        between = queue.Queue(maxsize=8)
        threads += [threading.Thread(target=consume, args=(worker, between)),
                    threading.Thread(target=produce, args=(between,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def work(arguments):
    """In a forked process: its objects, and what it had of its parent's."""
    first, nr = arguments
    held = len(INHERITED)
    INHERITED.clear()
    return held, make(first, nr)


INHERITED = make(0, 1000)


def main():
    nr = int(sys.argv[1])
    print("threads", *hand_over(nr))

    # Short-lived threads, all freeing what this one made.
    objects = [make(i, 20) for i in range(0, nr, 20)]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        print("pool", hashlib.sha256(
            "".join(pool.map(digest, objects)).encode()).hexdigest())
    del objects

    # Forked by a process that has had threads; each process does one task.
    context = multiprocessing.get_context("fork")
    with context.Pool(WORKERS, maxtasksperchild=1) as pool:
        tasks = [(first, nr // 8) for first in range(0, nr, nr // 8)]
        for held, made in pool.imap(work, tasks, chunksize=1):
            print("process", held, digest(made))


main()
