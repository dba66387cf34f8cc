# SPDX-License-Identifier: MIT
"""The allocators that are compared, and where their libraries are."""
import datetime
import glob
import os
import platform
import subprocess
import sys

LIBRARIES = {
    "glibc": None,
    "jemalloc": "libjemalloc.so.2",
    "mimalloc": "libmimalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
    "tbbmalloc": "libtbbmalloc_proxy.so.2",
    "surefree": "libsurefree-preload.so",
}


def find_library(name, build):
    """The path of a library file, or None."""
    if name == LIBRARIES["surefree"]:
        places = [build]
    else:
        places = glob.glob("/usr/lib/*-linux-gnu") + ["/usr/lib64", "/usr/lib",
                                                      "/usr/local/lib"]
    for place in places:
        path = os.path.join(place, name)
        if os.path.exists(path):
            return os.path.abspath(path)
    return None


def find_allocators(text, build, program):
    """{name: path or None for glibc}, and what is not here."""
    found, missing = {}, []
    for item in text.split(","):
        name, _, path = item.partition("=")
        if not path and name not in LIBRARIES:
            sys.exit("%s: no allocator '%s'; give %s=PATH" % (
                program, name, name))
        if not path and LIBRARIES[name] is None:
            found[name] = None
            continue
        file = path or LIBRARIES[name]
        path = path or find_library(file, build)
        if path and os.path.exists(path):
            found[name] = os.path.abspath(path)
        else:
            missing.append("%s: no %s" % (name, file))
    return found, missing


def read_first(path, key=""):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(key):
                    return line[len(key):].strip(" \t:\n")
    except OSError:
        pass
    return "unknown"


def version_of(path):
    """The Debian package that a library came in, if it came in one."""
    try:
        owner = subprocess.run(
            ["dpkg-query", "-S", path], capture_output=True, text=True,
            check=False).stdout.split(": ")[0]
        if not owner:
            return ""
        return subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", owner],
            capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def versions(allocators):
    """A line that says which ones these are."""
    libc = " ".join(platform.libc_ver())
    return "allocators: " + ", ".join(
        libc if path is None else ("%s %s" % (name, version_of(path))).strip()
        for name, path in allocators.items())


def machine_facts():
    """Lines: when and on what this was measured."""
    return [
        "date: " + datetime.date.today().isoformat(),
        "kernel: %s %s" % (platform.release(), platform.machine()),
        "cpus: %d, %s" % (os.cpu_count(),
                          read_first("/proc/cpuinfo", "model name")),
    ]
