# SPDX-License-Identifier: MIT
"""What bench/programs adds to the programs of malloc_real.py: redis as it comes,
git, and two more servers. The time of a server is what its client, which never
has the drop-in, needs for its requests; the CPU time is the server's.
"""
import glob
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time

from malloc_real import TIMEOUT, Failed, Program, Redis

NOBODY = 65534


def call(command, **more):
    """A client or a tool: its output; an exception when it fails."""
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=TIMEOUT, check=False, **more)
    if done.returncode:
        raise Failed(done.returncode, done.stderr or done.stdout)
    return done.stdout


class RedisAsItComes(Redis):
    """With the allocator that the distribution linked it with."""

    # Debian's redis-tools has the server under another name.
    other_name = "redis-check-rdb"

    def absent(self):
        if not shutil.which("redis-server") and shutil.which(self.other_name):
            self.tools = (self.other_name,) + self.tools[1:]
        return super().absent()

    def prepare(self, folder, options):
        if not shutil.which("redis-server"):
            os.mkdir(os.path.join(folder, "bin"))
            os.symlink(shutil.which(self.other_name),
                       os.path.join(folder, "bin", "redis-server"))
            os.environ["PATH"] += ":" + os.path.join(folder, "bin")
        super().prepare(folder, options)

    def glibc(self):
        return None


class Git(Program):
    name = "git"
    what = "git repacks a history of 2000 commits from nothing, one thread"
    tools = ("git",)
    env = {"GIT_CONFIG_NOSYSTEM": "1"}

    def history(self, nr):
        """Commits for git fast-import, each changes one of 40 files."""
        for i in range(nr):
            text = "".join("line %d of %d, %d\n" % (n, i % 40,
                                                    0 if n % 9 else i * n)
                           for n in range(300))
            yield ("commit refs/heads/main\n"
                   "committer C <c@example.org> %d +0000\n"
                   "data 1\nx\nM 644 inline folder%d/file%d\ndata %d\n%s\n" % (
                       1600000000 + i, i % 4, i % 40, len(text), text))

    def prepare(self, folder, options):
        super().prepare(folder, options)
        self.repository = os.path.join(folder, "git")
        env = {**os.environ, **self.env, "HOME": folder}
        call(["git", "init", "-q", "--bare", self.repository], env=env)
        call(["git", "-C", self.repository, "fast-import", "--quiet"],
             input="".join(self.history(self.scaled(2000))), env=env)

    def command(self):
        return ["git", "-C", self.repository, "-c", "pack.threads=1", "repack",
                "-q", "-a", "-d", "-f", "--depth=50", "--window=50"]


class Server(Program):
    """Runs until it is stopped; timed is work(), after until_ready()."""

    def server(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    def work(self):
        raise NotImplementedError

    def stop(self, server):
        raise NotImplementedError

    def until_ready(self, server):
        end = time.monotonic() + 30
        while not self.is_ready():
            if server.poll() is not None:
                raise Failed(server.returncode, server.communicate()[1])
            if time.monotonic() > end:
                raise Failed("none", "%s did not answer" % self.name)
            time.sleep(0.02)

    def run(self, preload):
        server = self.start(preload, self.server(), stdin=subprocess.DEVNULL,
                            start_new_session=True)
        try:
            self.until_ready(server)
            begin = time.monotonic()
            self.work()
            passed = time.monotonic() - begin
            self.stop(server)
            _, cpu, peak = self.finish(server)
            return passed, cpu, peak
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
                server.communicate()


class Nginx(Server):
    name = "nginx"
    what = ("nginx with one worker sends a file of 100 KiB, compressed on the "
            "way, 12000 times to ab over loopback, 8 at once")
    tools = ("nginx", "ab")

    settings = """
worker_processes 1;
daemon off;
pid %(folder)s/nginx.pid;
error_log /dev/null;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path %(folder)s/nginx.1;
	proxy_temp_path %(folder)s/nginx.2;
	fastcgi_temp_path %(folder)s/nginx.3;
	uwsgi_temp_path %(folder)s/nginx.4;
	scgi_temp_path %(folder)s/nginx.5;
	gzip on;
	gzip_types *;
	keepalive_requests 100000;
	server { listen 127.0.0.1:%(port)d; root %(folder)s; }
}
%(more)s
"""

    def prepare(self, folder, options):
        super().prepare(folder, options)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        text = "".join(hashlib.sha256(b"%d" % i).hexdigest() + " and a line\n"
                       for i in range(1350))
        with open(os.path.join(folder, "nginx.txt"), "w",
                  encoding="ascii") as file:
            file.write(text)
        self.conf = os.path.join(folder, "nginx.conf")
        with open(self.conf, "w", encoding="ascii") as file:
            file.write(self.settings % {
                "folder": folder, "port": self.port,
                "more": "user root;" if os.getuid() == 0 else ""})

    def server(self):
        return ["nginx", "-c", self.conf]

    def is_ready(self):
        with socket.socket() as try_it:
            return try_it.connect_ex(("127.0.0.1", self.port)) == 0

    def work(self):
        text = call(["ab", "-q", "-k", "-c", "8", "-n",
                     str(self.scaled(12000)), "-H", "Accept-Encoding: gzip",
                     "http://127.0.0.1:%d/nginx.txt" % self.port])
        if "Failed requests:        0" not in text or "Non-2xx" in text:
            raise Failed(0, text)

    def stop(self, server):
        with open(os.path.join(self.folder, "nginx.pid"),
                  encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGQUIT)


class PostgreSQL(Server):
    name = "postgresql"
    what = ("PostgreSQL by pgbench with 4 clients on a socket: 4000 "
            "transactions of its mixture, 40000 of one SELECT, fsync off")

    def __init__(self, build):
        super().__init__(build)
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        self.bin = folders[-1] if folders else None
        self.user = []
        if os.getuid() == 0:
            self.user = ["setpriv", "--reuid=%d" % NOBODY,
                         "--regid=%d" % NOBODY, "--clear-groups"]

    def absent(self):
        if self.bin is None or not shutil.which("pgbench"):
            return "no PostgreSQL"
        if self.user and subprocess.run(
                self.user + ["test", "-r", self.timed], check=False).returncode:
            return "an ordinary user can't read the build"
        return None

    def as_user(self, program, *words):
        path = os.path.join(self.bin, program)
        return self.user + [path if os.path.exists(path) else program, *words]

    def prepare(self, folder, options):
        super().prepare(folder, options)
        self.home = os.path.join(folder, "postgresql")
        os.mkdir(self.home)
        if self.user:
            os.chmod(folder, 0o711)
            os.chown(self.home, NOBODY, NOBODY)
        self.data = os.path.join(self.home, "data")
        self.where = {**os.environ, "PGHOST": self.home, "PGUSER": "owner",
                      "PGDATABASE": "postgres", "HOME": self.home}
        self.call("initdb", "-D", self.data, "-U", "owner", "--no-sync",
                  "--locale=C", "-A", "trust")
        server = subprocess.Popen(self.server(), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True,
                                  start_new_session=True)
        try:
            self.until_ready(server)
            self.call("pgbench", "-q", "-i", "-s", "5")
        finally:
            self.stop(server)
            server.communicate(timeout=TIMEOUT)

    def call(self, program, *words):
        return call(self.as_user(program, *words), env=self.where,
                    cwd=self.home)

    def server(self):
        return self.as_user(
            "postgres", "-D", self.data, "-c", "listen_addresses=", "-c",
            "unix_socket_directories=" + self.home, "-c", "fsync=off", "-c",
            "autovacuum=off", "-c", "log_min_messages=panic")

    def is_ready(self):
        return subprocess.run(self.as_user("pg_isready", "-q"), env=self.where,
                              check=False).returncode == 0

    def work(self):
        for nr, more in ((1000, []), (10000, ["-S", "-M", "prepared"])):
            self.call("pgbench", "-n", "-c", "4", "-j", "1", "-t",
                      str(self.scaled(nr)), "--random-seed=1", *more)

    def stop(self, server):
        self.call("pg_ctl", "-D", self.data, "-m", "fast", "stop")


def programs(build):
    return [kind(build) for kind in (PostgreSQL, RedisAsItComes, Nginx, Git)]
