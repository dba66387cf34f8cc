# SPDX-License-Identifier: MIT
"""Programs that people use, as workloads of bench/malloc: time passed, CPU
seconds and peak memory of the program under test, which bench-timed reads.

The time of redis-server is what its client, with its own malloc, needs for its
requests; of the others, from start to end.
"""
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "real")
TIMEOUT = 180  # seconds, of one run


class Failed(Exception):
    """A run ended badly; says how."""

    def __init__(self, status, text):
        text = (text or "").strip()[-400:]
        super().__init__("exit status %s%s" % (status,
                                               ": " + text if text else ""))


class Program:
    """A command that runs to its end. Others override what differs."""

    unit = "s"
    tools = ()
    env = {}

    def __init__(self, build):
        self.timed = os.path.abspath(
            os.path.join(build, "bench", "bench-timed"))

    def absent(self):
        """Why it can't be run here, or None."""
        for tool in self.tools:
            if not shutil.which(tool):
                return "no " + tool
        return None

    def prepare(self, folder, options):
        """Once, before the first run."""
        self.folder = folder
        self.percent = options.work
        self.out = os.path.join(folder, "timed")

    def scaled(self, number):
        return max(1, number * self.percent // 100)

    def glibc(self):
        """What to preload so that glibc's malloc is used, if anything."""
        return None

    def start(self, preload, command, **more):
        """The command under bench-timed."""
        return subprocess.Popen(
            [self.timed, self.out, preload or self.glibc() or "-"] + command,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            cwd=self.folder, env={**os.environ, **self.env}, **more)

    def finish(self, process):
        """(seconds, CPU seconds, peak in KiB) when it has ended."""
        try:
            errors = process.communicate(timeout=TIMEOUT)[1]
        except subprocess.TimeoutExpired:
            # bench-timed leads a group of its own, with all that it started.
            os.killpg(process.pid, 9)
            process.communicate()
            raise
        if process.returncode:
            raise Failed(process.returncode, errors)
        with open(self.out, encoding="ascii") as file:
            passed, cpu, peak = file.read().split()
        return float(passed), float(cpu), int(peak)

    def command(self):
        raise NotImplementedError

    def stdin(self):
        return os.devnull

    def run(self, preload):
        with open(self.stdin(), encoding="utf-8") as file:
            return self.finish(self.start(preload, self.command(), stdin=file,
                                          start_new_session=True))


class Gcc(Program):
    name = "gcc"
    what = "gcc -O2 compiles a generated file of 120 functions"
    tools = ("gcc",)

    def prepare(self, folder, options):
        super().prepare(folder, options)
        with open(os.path.join(folder, "gcc.c"), "w", encoding="ascii") as out:
            subprocess.run(
                [sys.executable, os.path.join(HERE, "generate_c.py"),
                 str(self.scaled(120))], stdout=out, check=True)

    def command(self):
        return ["gcc", "-O2", "-g", "-c", "-o", "gcc.o", "gcc.c"]


class Sqlite(Program):
    name = "sqlite3"
    what = ("sqlite3 builds a table of 200000 rows with two indexes in memory, "
            "and queries it")
    tools = ("sqlite3",)

    def prepare(self, folder, options):
        super().prepare(folder, options)
        with open(os.path.join(HERE, "table.sql"), encoding="ascii") as file:
            text = file.read().replace("ROWS", str(self.scaled(200000)))
        with open(self.stdin(), "w", encoding="ascii") as file:
            file.write(text)

    def stdin(self):
        return os.path.join(self.folder, "table.sql")

    def command(self):
        return ["sqlite3", ":memory:"]


def find_python():
    """The system's; a wrapper that is a script would be measured with it."""
    if os.path.exists("/usr/bin/python3"):
        return "/usr/bin/python3"
    return os.path.realpath(sys.executable)


class Python(Program):
    name = "python3"
    what = ("python3 with dicts, lists, strings, JSON and objects; its own "
            "allocator asks for what is over 512 bytes")
    tools = (find_python(),)

    def command(self):
        return [find_python(), "-S", "-E" if not self.env else "-s",
                os.path.join(HERE, "objects.py"), str(self.scaled(100))]


class PythonMalloc(Python):
    name = "python3-malloc"
    what = "the same with PYTHONMALLOC=malloc: every object is a malloc"
    env = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}


class Redis(Program):
    name = "redis"
    what = ("redis-server, time of redis-benchmark: 8 kinds of requests with "
            "values of 64 and of 2000 bytes")
    tools = ("redis-server", "redis-benchmark", "redis-cli")

    def prepare(self, folder, options):
        super().prepare(folder, options)
        self.socket = os.path.join(folder, "redis")
        self.preload_glibc = None
        # Debian's is linked with jemalloc; the first library is the one used.
        libraries = subprocess.run(
            ["ldd", shutil.which("redis-server")], capture_output=True,
            text=True, check=False).stdout
        if "jemalloc" in libraries:
            self.preload_glibc = "libc.so.6"

    def glibc(self):
        return self.preload_glibc

    def cli(self, *words):
        return subprocess.run(
            ["redis-cli", "-s", self.socket, *words], capture_output=True,
            text=True, timeout=10, check=False).stdout.strip()

    def wait_for_server(self, server):
        end = time.monotonic() + 20
        while self.cli("ping") != "PONG":
            if server.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def requests(self, nr, length):
        done = subprocess.run(
            ["redis-benchmark", "-s", self.socket, "-q", "-n",
             str(self.scaled(nr)), "-r", "50000", "-c", "20", "-P", "16", "-d",
             str(length), "-t", "set,get,incr,rpush,lpop,sadd,hset,zadd"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            timeout=TIMEOUT, check=False)
        if done.returncode:
            raise Failed(done.returncode, done.stderr)

    def run(self, preload):
        server = self.start(
            preload, ["redis-server", "--port", "0", "--unixsocket",
                      self.socket, "--save", "", "--appendonly", "no",
                      "--logfile", "/dev/null"],
            stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            if not self.wait_for_server(server):
                if server.poll() is not None:
                    raise Failed(server.returncode, server.communicate()[1])
                raise Failed("none", "redis-server did not answer")
            begin = time.monotonic()
            self.requests(100000, 64)
            self.requests(100000, 2000)
            passed = time.monotonic() - begin
            self.cli("shutdown", "nosave")
            _, cpu, peak = self.finish(server)
            return passed, cpu, peak
        finally:
            if server.poll() is None:
                os.killpg(server.pid, 9)
                server.communicate()


def programs(build):
    return [kind(build) for kind in (Redis, Gcc, Sqlite, Python, PythonMalloc)]
