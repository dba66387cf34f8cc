# SPDX-License-Identifier: MIT
"""Allocates much, of all kinds that Python has: objects.py PERCENT."""
import json
import random
import sys


class Node:
    """An object with a dict of its own."""

    def __init__(self, key, left, right):
        self.key, self.left, self.right = key, left, right


def tree(depth, counter):
    if depth == 0:
        return None
    left, right = tree(depth - 1, counter), tree(depth - 1, counter)
    counter[0] += 1
    return Node(counter[0], left, right)


def words(nr):
    return ["%x" % random.getrandbits(random.randrange(8, 400))
            for _ in range(nr)]


def index(texts):
    found = {}
    for number, text in enumerate(texts):
        found.setdefault(text[:2], []).append((number, text))
    return found


def documents(nr):
    text = json.dumps([{"id": i, "tags": words(5), "size": [i, i * 2, i / 3]}
                       for i in range(nr)])
    return sum(len(d["tags"]) for d in json.loads(text))


def buffers(nr):
    held = [b""] * 200
    for _ in range(nr):
        size = int(2 ** random.uniform(9, 18))
        held[random.randrange(200)] = bytearray(size)
    return sum(map(len, held))


def lines(nr):
    text = ""
    for i in range(nr):
        text += "line %d of the text\n" % i
    return len(sorted(set(text.split("\n"))))


random.seed(1)
for _ in range(max(1, 6 * int(sys.argv[1]) // 100)):
    counted = [0]
    kept = tree(14, counted)
    print(counted, len(index(words(40000))), documents(5000), buffers(15000),
          lines(60000))
    print(sum(len(w) for w in sorted(words(40000))))
