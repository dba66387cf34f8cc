#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nginx serves files, compressed and in ranges, over a socket of its own, and is
# told to read its settings again meanwhile: each answer is the same.
# usage: nginx.sh DROP-IN
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
PATH=$PATH:/usr/sbin
need nginx curl

settings() {
	cat <<END
worker_processes 2;
daemon off;
pid $PWD/pid;
error_log $PWD/log notice;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path $PWD/t1;
	proxy_temp_path $PWD/t2;
	fastcgi_temp_path $PWD/t3;
	uwsgi_temp_path $PWD/t4;
	scgi_temp_path $PWD/t5;
	gzip on;
	gzip_types *;
	server {
		listen unix:$PWD/socket;
		root $PWD/files;
		location /through/ { proxy_pass http://unix:$PWD/socket:/; }
	}
}
END
	[ "$(id -u)" -ne 0 ] || echo "user root;"
}

get() {
	curl -sS --unix-socket socket "$@"
}

until_up() {
	local end=$((SECONDS + 30))

	until get -o /dev/null http://x/1 2>/dev/null; do
		if [ $SECONDS -gt $end ] || ! kill -0 "$server"; then
			tail log >&2
			return 1
		fi
		sleep 0.02
	done
}

# serve FILES: each in four ways, then all at once.
serve() {
	local i urls=()

	mkdir files
	for ((i = 1; i <= $1; i++)); do
		seq $((i * i)) $((i * i + i * 200)) >files/$i
		urls+=("http://x/$i" "http://x/through/$i")
	done
	settings >conf
	nginx -c "$PWD/conf" 2>/dev/null &
	server=$!
	trap 'kill "$server" 2>/dev/null && wait "$server"' EXIT
	until_up
	for ((i = 1; i <= $1; i++)); do
		get "http://x/$i" | sha256sum
		get --compressed "http://x/through/$i" | sha256sum
		get -r 100-1099 "http://x/$i" | sha256sum
		get -r -500 "http://x/through/$i" | sha256sum
		[ $((i % 20)) -ne 0 ] || kill -HUP "$server"
	done
	get --parallel --parallel-max 20 --compressed -o 'got#1' \
		"http://x/through/[1-$1]" 2>/dev/null
	cat got* | sha256sum
	get "${urls[@]}" | sha256sum
	get -o /dev/null -w '%{http_code}\n' http://x/none
	kill -QUIT "$server"
	wait "$server"
	# What went to standard error is there.
	sed -n '/\[\(alert\|emerg\|crit\)\]/p' log
	sed -n '/^surefree/,$p' log >&2
}

in_use nginx: serve 3
same '' serve 60
same hardened serve 20
same fence serve 5
