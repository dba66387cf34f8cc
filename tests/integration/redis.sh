#!/bin/bash
# SPDX-License-Identifier: MIT
#
# redis-server takes requests of many kinds, forks to save, frees in the
# background, and comes up again with what it had.
# usage: redis.sh DROP-IN
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
need redis-cli redis-benchmark
mkdir "$scratch/bin"
PATH=$PATH:$scratch/bin

# Debian's redis-tools has the server under another name; the package
# redis-server would start one.
if ! command -v redis-server >/dev/null; then
	need redis-check-rdb
	ln -s "$(command -v redis-check-rdb)" "$scratch/bin/redis-server"
fi
redis-server --version | grep -q '^Redis server' || skip "no redis-server"

arguments=(--port 0 --unixsocket socket --logfile log --save '')
if redis-server --version | grep -q 'v=\([7-9]\|[1-9][0-9]\)'; then
	arguments+=(--enable-debug-command local)
fi

cli() {
	redis-cli -s socket "$@"
}

# until_is WANTED COMMAND...: waits until it prints that.
until_is() {
	local end=$((SECONDS + 60))

	until [ "$("${@:2}" 2>/dev/null | tr -d '\r')" = "$1" ]; do
		if [ $SECONDS -gt $end ] || ! kill -0 "$server"; then
			tail log >&2
			return 1
		fi
		sleep 0.02
	done
}

start() {
	redis-server "${arguments[@]}" &
	server=$!
	trap 'kill "$server" 2>/dev/null && wait "$server"' EXIT
	until_is PONG cli ping
	[ -z "${LD_PRELOAD-}" ] || grep -q "$LD_PRELOAD" "/proc/$server/maps"
}

stop() {
	cli shutdown "$1"
	wait "$server"
}

saving() {
	cli info persistence | grep '^rdb_bgsave_in_progress'
}

digest() {
	cli debug digest
}

# load KEYS: the same ones each time.
load() {
	cli eval "
		local function text(n)
			return string.rep('text ' .. n .. ' ', n * 7 % 100)
		end
		for i = 1, tonumber(ARGV[1]) do
			redis.call('set', 'string' .. i, text(i))
			redis.call('append', 'string' .. i % 1000, text(i % 10))
			redis.call('rpush', 'list' .. i % 100, i, text(i))
			redis.call('hset', 'hash' .. i % 50, 'f' .. i, text(i))
			redis.call('sadd', 'set' .. i % 20, i, 'member' .. i)
			redis.call('zadd', 'sorted' .. i % 10, i % 777, 'm' .. i)
			redis.call('xadd', 'stream', i .. '-1', 'field', i)
			redis.call('pfadd', 'count', i)
			redis.call('setbit', 'bits', i * 31, 1)
			if i % 3 == 0 then
				redis.call('unlink', 'string' .. i - 1)
				redis.call('lpop', 'list' .. i % 100)
			end
		end
		return redis.call('dbsize')" 0 "$1"
}

# serve KEYS REQUESTS: in the end, digests and numbers of keys. Those of the
# benchmark are of chance, but must survive the restart.
serve() {
	local before after

	start
	load "$1"
	digest
	cli sort list1 alpha limit 0 5 get 'string*'
	redis-benchmark -s socket -q -n "$2" -r 5000 -c 20 -P 8 -d 500 \
		-t set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,lrange_100,mset \
		>/dev/null
	cli bgsave >/dev/null
	redis-benchmark -s socket -q -n "$2" -r 5000 -c 20 -P 8 -d 5000 \
		-t set,get >/dev/null
	until_is 'rdb_bgsave_in_progress:0' saving
	cli info memory | grep -c '^used_memory:'
	cli memory doctor >/dev/null
	cli memory purge
	before=$(digest)
	cli save
	stop nosave

	start
	after=$(digest)
	[ "$before" = "$after" ] || echo "$before saved, $after loaded"
	cli flushall async
	digest
	load "$1"
	stop save

	start
	digest
	stop nosave
}

in_use redis-server serve 100 100
same '' serve 20000 20000
same hardened serve 2000 2000
same fence serve 100 200
