#!/bin/bash
# SPDX-License-Identifier: MIT
#
# PostgreSQL makes a database, takes many small transactions at once and sorts,
# joins and sums with parallel workers: results and balances are the same. It
# refuses to be run by root, who lets an ordinary user do it.
# usage: postgresql.sh DROP-IN
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
shopt -s nullglob
folders=(/usr/lib/postgresql/*/bin)
[ ${#folders[@]} -gt 0 ] || skip "no PostgreSQL"
PATH=$PATH:${folders[-1]}
need initdb postgres pg_ctl psql pgbench

as_user=()
if [ "$(id -u)" -eq 0 ]; then
	need setpriv
	as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	chmod 711 "$scratch"
	"${as_user[@]}" test -r "$drop_in" ||
		skip "an ordinary user can't read $drop_in"
fi

queries() {
	cat <<'END'
SET max_parallel_workers_per_gather = 2;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SELECT count(*), sum(abalance), md5(string_agg(abalance::text, ',' ORDER BY aid))
	FROM pgbench_accounts;
SELECT sum(tbalance) FROM pgbench_tellers;
SELECT sum(bbalance) FROM pgbench_branches;
SELECT count(*), sum(delta) FROM pgbench_history;
SELECT a.bid, count(*), sum(a.abalance), max(t.tid) FROM pgbench_accounts a
	JOIN pgbench_tellers t ON t.bid = a.bid GROUP BY a.bid ORDER BY a.bid;
CREATE TABLE made AS SELECT i, md5(i::text) AS text, repeat(md5(i::text), i % 90)
	AS long FROM generate_series(1, 60000) i;
CREATE INDEX made_text ON made (text);
SELECT md5(string_agg(text, '' ORDER BY text)), sum(length(long)) FROM made;
SELECT count(*) FROM made a JOIN made b ON a.text = reverse(b.text);
SET work_mem = '256MB';
SELECT count(DISTINCT left(text, 4)) FROM made;
SELECT md5(string_agg(j::text, '')) FROM (SELECT json_agg(made ORDER BY i) AS j
	FROM made WHERE i < 5000 GROUP BY i % 50 ORDER BY i % 50) x;
END
}

# work SCALE TRANSACTIONS: by clients at once; of chance, but of the same chance.
work() {
	local options="-c listen_addresses= -c unix_socket_directories=$PWD"

	options="$options -c max_connections=30 -c fsync=off"
	export PGHOST=$PWD PGUSER=owner PGDATABASE=postgres
	initdb -D data -U owner --no-sync --locale=C -E UTF8 -A trust >log
	trap 'pg_ctl -D data -m immediate stop >/dev/null 2>&1' EXIT
	pg_ctl -D data -l log -o "$options" -w start >/dev/null
	pgbench -q -i -s "$1" 2>/dev/null >/dev/null
	pgbench -n -c 6 -j 2 -t "$2" --random-seed=1 >/dev/null 2>pgbench.log ||
		cat pgbench.log
	pgbench -n -c 6 -j 2 -t "$2" -S -M prepared --random-seed=2 \
		>/dev/null 2>pgbench.log || cat pgbench.log
	queries | psql -qAt -v ON_ERROR_STOP=1
	pg_ctl -D data -m fast -w stop >/dev/null
	trap - EXIT
	! grep -E 'PANIC|terminated by signal' log
}

# user WORKLOAD ARGS...
user() {
	export -f work queries
	[ ${#as_user[@]} -eq 0 ] || chown 65534:65534 .
	"${as_user[@]}" bash -e -o pipefail -c '"$@"' bash "$@"
}

in_use 'postgres' user work 1 10
same '' user work 2 400
