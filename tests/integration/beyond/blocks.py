# SPDX-License-Identifier: MIT
"""Fills every mapping with shared ones, as a program with many files has, and
then frees large strings, which python has from malloc().

Prints what is resident of them afterwards, in KiB.
usage: blocks.py BLOCKS
"""
import mmap
import sys


def resident():
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    return 0


def fill():
    maps = []
    try:
        while len(maps) < 300000:
            maps.append(mmap.mmap(-1, mmap.PAGESIZE))
    except OSError:
        pass
    return maps


def main():
    before = resident()
    blocks = [b"x" * (128 << 10) for _ in range(int(sys.argv[1]))]
    maps = fill()
    del blocks[::2]
    half = resident()
    del blocks
    print(resident() - before, half - before, len(maps))


main()
