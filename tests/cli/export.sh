#!/bin/sh
# SPDX-License-Identifier: MIT
#
# surefree export tells what the kernel counts, in a file and by HTTP, in groups
# that are few; and a Prometheus that asks it raises the alarm in time.
# usage: export.sh SUREFREE MAN-DIR HOLD PACKAGING-DIR
set -u
surefree=$(realpath "$1")
man=$(realpath "$2")
hold=$(realpath "$3")
packaging=$(realpath "$4")
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/hold.sh
. "$(dirname "$0")/hold.sh"
scratch=$(mktemp -d) || exit 1
chmod 755 "$scratch"
# What runs beside us must not have the descriptors 7 and 8, by which a held
# process is told to end.
pids=
# shellcheck disable=SC2086 # a list
trap 'exec 7>&- 8<&-
	kill $pids 2>/dev/null
	wait
	rm -rf "${scratch:?}" "$out" "$err"' EXIT
limit=$(cat /proc/sys/vm/max_map_count)
cd "$scratch" || exit 1
own=sf-$$
brief=sf-b$$

# look ARGS...: the text of one look is in $out.
look() {
	run "$surefree" export --textfile - "$@"
	expect_status 0 "export --textfile - $*"
}

# value NAME: of the one line of $out that begins so.
value() {
	name=$1 awk '{
		at = length(ENVIRON["name"])
		if (substr($0, 1, at + 1) != ENVIRON["name"] " ")
			next
		print substr($0, at + 2)
		nr++
	}
	END { exit nr != 1 }' "$out" || fail "not one $1"
}

# expect_value NAME WANTED
expect_value() {
	got=$(value "$1") || exit 1
	[ "$got" = "$2" ] || fail "$1 is $got, not $2"
}

# within SECONDS COMMAND...: tried until it is true.
within() {
	end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt $end ] || return 1
	done
}

# refused STATUS PATTERN ARGS...: one line on stderr.
refused() {
	wanted=$1 pattern=$2
	shift 2
	run timeout 20 "$surefree" export "$@"
	expect_status "$wanted" "$*"
	[ "$(wc -l <"$err")" -eq 1 ] || fail "$*: not one line"
	grep -q -- "$pattern" "$err" || fail "$*: not '$pattern'"
}

#
# The command line
#

refused 2 "--listen: 'localhost:80' is not ADDRESS:PORT" -l localhost:80
refused 2 "--listen: '127.0.0.1' is not ADDRESS:PORT" -l 127.0.0.1
refused 2 "--listen: '::1:80' is not ADDRESS:PORT" -l ::1:80
refused 2 "--listen: '127.0.0.1:70000' is not" -l 127.0.0.1:70000
refused 2 "--listen: other machines reach '0.0.0.0:0'; give --allow-remote" \
	-l 0.0.0.0:0
refused 2 "--listen: other machines reach '\[::\]:0'" -l '[::]:0'
refused 2 "--group-by: 'user' is not comm or cgroup" -g user
refused 2 "--group: 'x': is not NAME=REGEX" --group x
refused 2 "--group: '=x': is not NAME=REGEX" --group '=x'
refused 2 "--group: 'x=(': " --group 'x=('
refused 2 "--group and --group-by exclude" --group x=y -g comm
refused 2 "--max-groups: '0' is out of range" --max-groups 0
refused 2 "--refused: 'some' is not free, always or never" --refused some
refused 2 "--source: 'magic' is not bpf or proc" --source magic
refused 2 "--interval is for --textfile" -i 3
refused 2 "--textfile and --listen exclude" -o x -l 127.0.0.1:0
refused 2 "--json prints once" --json -o x
refused 3 "cannot write 'no/such/file': No such file" -o no/such/file

#
# What is told, in one look
#

run "$surefree" export --source bpf --textfile -
sources=proc
if [ "$status" -eq 0 ]; then
	sources='bpf proc'
else
	expect_status 3 "--source bpf"
	echo "${0##*/}: without BPF: $(cat "$err")" >&2
fi

# field NAME: a number of the held process's status.
field() {
	sed -n "s/^$1:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$hold_pid/status"
}

hold_start "$own"
hold_do map 3000
mappings=$(lines "$hold_pid")
group="{group=\"$own\"}"
for source in $sources; do
	look --source "$source"
	expect_value surefree_mappings_limit "$limit"
	expect_value "surefree_processes$group" 1
	expect_value "surefree_mappings$group" "$mappings"
	expect_value "surefree_process_mappings_max$group" "$mappings"
	expect_value "surefree_mappings_headroom$group" $((limit - mappings))
	expect_value "surefree_page_table_bytes$group" \
		$((1024 * $(field VmPTE)))
	[ "$(value "surefree_resident_memory_bytes$group")" -gt 100000 ] ||
		fail "$source: too little resident memory"
	expect_value "surefree_source_info{source=\"$source\"}" 1
	expect_value 'surefree_processes{group="other"}' 0
	# One look counts no refused calls, and does not say 0.
	grep -q surefree_refused "$out" && fail "refused calls by one look"
	if command -v promtool >/dev/null; then
		promtool check metrics <"$out" >"$err" 2>&1 ||
			fail "promtool finds something"
	fi
done

# A sum counts all of a group, the largest is one.
sleep 1000 7>&- 8<&- &
pids="$pids $!"
sleep 1000 7>&- 8<&- &
pids="$pids $!"
sleep 1000 7>&- 8<&- &
pids="$pids $!"
asleep() {
	for pid in $pids; do
		grep -q sleep "/proc/$pid/comm" || return 1
	done
}
within 20 asleep || fail "sleep does not run"
look --group 'sleep \ "or" rest=^sleep$' --group hold="^$own\$" --group all=.
group='{group="sleep \\ \"or\" rest"}'
[ "$(value "surefree_processes$group")" -ge 3 ] || fail "not 3 of sleep"
[ "$(value "surefree_mappings$group")" -ge \
	$((3 * $(value "surefree_process_mappings_max$group") / 2)) ] ||
	fail "sum and largest"
expect_value 'surefree_process_mappings_max{group="hold"}' "$mappings"
expect_value 'surefree_processes{group="other"}' 0
[ "$(grep -c '^surefree_mappings{' "$out")" -eq 4 ] || fail "not four groups"

# However many there are, names are few; the largest has one.
look --max-groups 1 --group 'sleep=^sleep$' --group hold="^$own\$"
[ "$(grep -c '^surefree_mappings{' "$out")" -eq 2 ] || fail "not two groups"
expect_value surefree_folded_groups 1
expect_value 'surefree_process_mappings_max{group="hold"}' "$mappings"
[ "$(value 'surefree_processes{group="other"}')" -ge 3 ] || fail "not folded"

# By cgroup, where the kernel has them.
cgroup=$("$surefree" ps --json -p "$hold_pid" |
	sed -n 's/^ *"cgroup": "\(.*\)",*$/\1/p')
if [ -n "$cgroup" ]; then
	look --group-by cgroup --max-groups 1000
	[ "$(value "surefree_process_mappings_max{group=\"$cgroup\"}")" -ge \
		"$mappings" ] || fail "not in its cgroup"
fi

run "$surefree" export --json
expect_status 0 "export --json"
documented "$man/surefree-export.1"
expect_json "[g['mappings_max'] for g in d['export']['groups'] \
	if g['group'] == '$own']" "[$mappings]"

#
# In a file
#

run "$surefree" export -o "$scratch/s.prom"
expect_status 0 "export -o"
[ ! -s "$out$err" ] || fail "export -o: says something"
[ "$(ls -- *.prom*)" = s.prom ] || fail "leaves a file behind"
umask=$(umask)
[ "$(stat -c %a s.prom)" = "$(printf %o $((0666 & ~0$umask)))" ] ||
	fail "others may not read it"
grep -q '^surefree_build_info{version="[0-9.]*"} 1$' s.prom ||
	fail "the file is not whole"

# What is there and no file stays.
mkfifo pipe && ln -s s.prom link && mkdir folder || exit 1
for other in pipe link folder; do
	refused 3 "'$other' is there and is no regular file; give" -o $other
done
if [ ! -p pipe ] || [ ! -h link ]; then
	fail "takes the place of what is no file"
fi
rm -r pipe link folder

# Nothing is left of a file that is not finished: it may not be so large, or
# we are terminated before it is renamed, which comes after fsync().
run sh -c 'ulimit -f 1 && exec "$@"' sh "$surefree" export -o "$scratch/s.prom"
expect_status 3 "a file that may not be so large"
grep -q "cannot write .*: File too large" "$err" || fail "not said"
[ "$(ls -- *.prom*)" = s.prom ] || fail "leaves a file that is too large"
if strace -qq -o /dev/null -e inject=fchmod:delay_enter=1 true 2>/dev/null
then
	strace -D -qq -o calls -e trace=fchmod,fsync,/^rename \
		-e inject=fchmod:delay_enter=2000000 \
		"$surefree" export -o "$scratch/s.prom" 2>"$err" 7>&- 8<&- &
	exporter=$!
	within 30 grep -qs ^fchmod calls || fail "its mode is not set"
	kill $exporter
	status=0
	wait $exporter || status=$?
	[ "$(ls -- *.prom*)" = s.prom ] || fail "leaves a file when terminated"
	[ "$(sed -n 's/^\(fsync\|rename\).*/\1/p' calls | head -n 1)" = \
		fsync ] || fail "no fsync()"
	rm calls
fi

"$surefree" export -o "$scratch/s.prom" -i 1 2>"$err" 7>&- 8<&- &
exporter=$!
pids="$pids $exporter"
within 30 grep -q '^surefree_scrapes_total [^1]' s.prom ||
	fail "the file is written once"
# A write that fails is not the end.
rm s.prom && mkdir s.prom || exit 1
within 30 grep -q 'is no regular file' "$err" || fail "no word of a failure"
rmdir s.prom
within 30 test -f s.prom || fail "does not try again"
kill $exporter
status=0
wait $exporter || status=$?
expect_status 0 "a terminated export -i"
[ "$(ls -- *.prom*)" = s.prom ] || fail "leaves a file behind when it ends"

#
# By HTTP
#

"$surefree" export -l 127.0.0.1:0 2>"$err" 7>&- 8<&- &
exporter=$!
pids="$pids $exporter"
within 30 grep -q -e listening -e libmicrohttpd "$err" || fail "does not listen"
! grep -q libmicrohttpd "$err" || skip "built without libmicrohttpd"
command -v curl >/dev/null || skip "the rest needs curl"

# serve ARGS...: start one more; where it listens is in url, its number in
# exporter, what it says in $scratch/log.
serve() {
	rm -f "$scratch/log"
	"$@" 2>"$scratch/log" 7>&- 8<&- &
	exporter=$!
	pids="$pids $exporter"
	within 30 grep -qs 'listening on http' "$scratch/log" ||
		fail "does not listen: $(cat "$scratch/log")"
	url=$(sed -n 's/^.*listening on //p' "$scratch/log")
	url=${url%/metrics}
}

# stop: end that, which must end well.
stop() {
	kill "$exporter"
	status=0
	wait "$exporter" || status=$?
	expect_status 0 "a terminated export"
}

# get PATH ARGS...: by curl; the status of HTTP is in got.
get() {
	path=$1
	shift
	got=$(curl -s --max-time 30 -o "$out" -w '%{http_code}' "$@" \
		"$url$path") || fail "no answer from $url$path"
}

stop
serve "$surefree" export -l 127.0.0.1:0 --refused always
get /metrics
[ "$got" = 200 ] || fail "/metrics: $got"
expect_value "surefree_process_mappings_max{group=\"$own\"}" "$mappings"
get /
[ "$got" = 200 ] || fail "/: $got"
grep -q 'href="/metrics"' "$out" || fail "/ has no link"
get /other
[ "$got" = 404 ] || fail "/other: $got"
get /metrics -X POST -d x
[ "$got" = 405 ] || fail "POST: $got"
get /metrics -X GET -d x
[ "$got" = 200 ] || fail "GET with a body: $got"
get /metrics -I
[ "$got" = 200 ] || fail "HEAD: $got"
refused 3 "cannot listen on ${url#http://}: Address already in use; --listen" \
	-l "${url#http://}"

# Many who ask cost one look in a second.
get /metrics
before=$(value surefree_scrapes_total)
start=$(date +%s)
i=0
while [ $((i += 1)) -le 100 ]; do
	get /metrics
done
looks=$(($(value surefree_scrapes_total) - before))
[ $looks -le $(($(date +%s) - start + 1)) ] ||
	fail "$looks looks for 100 requests"

# It answers while more connections than it has room for are open, and when
# they are gone; and when each sends a byte now and then. Such a request has
# time, but not for ever.
if command -v python3 >/dev/null; then
	python3 - "${url##*:}" 2>"$err" <<'EOF' || fail "70 connections"
import socket, sys, time
def connect():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
def answered(s, request=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
    s.sendall(request)
    return s.recv(9) == b"HTTP/1.1 "
def drip(s):
    try:
        s.sendall(b"x")
        return True
    except OSError:
        return False
taken = [connect() for i in range(70)]
assert answered(taken[-1])
for s in taken:
    s.close()
assert answered(connect())
slow = [connect() for i in range(70)]
begin = time.time()
for s in slow:
    drip(s)
assert answered(connect())
assert time.time() - begin < 5, time.time() - begin
for s in slow[1:]:
    s.close()
one = connect()
begin = time.time()
one.sendall(b"GET / HTTP/1.1\r\nX: ")
one.settimeout(0.5)
while time.time() - begin < 60 and drip(one):
    try:
        if not one.recv(1):
            break
    except socket.timeout:
        pass
    except OSError:
        break
assert 9 < time.time() - begin < 30, time.time() - begin
EOF
	get /
	[ "$got" = 200 ] || fail "after 70 connections: $got"
fi

# Rights are gone, and it goes on.
if [ "${sources%% *}" = bpf ]; then
	sed -n 's/^CapPrm:[^0-9a-f]*//p' "/proc/$exporter/status" |
		grep -Eqx '0{16}|0{6}8000000000' || fail "keeps capabilities"
	get /metrics
	[ "$got" = 200 ] || fail "without rights: $got"
fi

# number CALL ERRNO GROUP: refused calls.
number() {
	get /metrics
	value "surefree_refused_calls_total{group=\"$3\",call=\"$1\",errno=\"$2\"}" \
		2>"$scratch/none"
}
if ! grep -q 'refused calls are not counted' "$scratch/log" &&
	[ "${sources%% *}" = bpf ]; then
	[ "$(number mmap ENOMEM "$own")" = 0 ] || fail "refused before"
	is() { [ "$(number mmap ENOMEM "$1")" = "$2" ]; }
	hold_do torn 5
	hold_do refused 7
	within 20 is "$own" 7 || fail "does not count 7 refused calls"
	[ "$(number madvise ENOMEM "$own")" = 0 ] || fail "counts a hole"
	# Of one that has ended, and of one that came and went unseen.
	hold_do refused 2
	hold_end
	within 20 is "$own" 9 || fail "does not count what has ended"
	hold_start "$brief"
	hold_do refused 3
	hold_end
	within 20 is "$brief" 3 || fail "does not count what was never seen"
	hold_start "$own"
	hold_do refused 1
	within 20 is "$own" 10 || fail "a new process does not go on"
else
	get /metrics
	grep -q surefree_refused "$out" && fail "tells of what it does not know"
fi
stop

# Other loopback addresses, and others when it is told so.
if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
	serve "$surefree" export -l '[::1]:0' --refused never
	get /metrics -g
	[ "$got" = 200 ] || fail "[::1]: $got"
	stop
fi
serve "$surefree" export -l 0.0.0.0:0 --allow-remote --refused never
stop

# An ordinary user counts processes of his own, and says what is left out; with
# two rights he counts all.
if [ "$(id -u)" -eq 0 ] &&
	setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
	nobody='setpriv --reuid 65534 --regid 65534 --clear-groups'
	# shellcheck disable=SC2086 # words
	serve $nobody --inh-caps=-all "$surefree" export -l 127.0.0.1:0
	grep -q 'counting by reading /proc: ' "$scratch/log" || fail "no word"
	get /metrics
	expect_value 'surefree_source_info{source="proc"}' 1
	# It sees itself; others may be at work beside this test.
	[ "$(value 'surefree_processes{group="surefree"}')" -ge 1 ] ||
		fail "does not see itself"
	[ "$(value surefree_unreadable_processes)" -gt 0 ] ||
		fail "reads all as nobody"
	grep -q surefree_refused "$out" && fail "tells of what it does not know"
	stop
	caps=-all,+bpf,+perfmon
	if [ "${sources%% *}" = bpf ] && $nobody --inh-caps=$caps \
		--ambient-caps=$caps true 2>/dev/null; then
		# shellcheck disable=SC2086 # words
		serve $nobody --inh-caps=$caps --ambient-caps=$caps \
			"$surefree" export -l 127.0.0.1:0 --refused always
		! grep -q 'not counted' "$scratch/log" ||
			fail "two capabilities are not enough"
		get /metrics
		expect_value 'surefree_source_info{source="bpf"}' 1
		expect_value "surefree_processes{group=\"$own\"}" 1
		stop
	fi
fi

#
# With Prometheus
#

rules=$packaging/prometheus
command -v prometheus >/dev/null || skip "the rest needs prometheus"
promtool test rules "$rules/surefree.rules.test.yml" >"$out" 2>&1 ||
	fail "rules do not pass their tests"
[ "$limit" -le 1100000 ] || skip "the limit, $limit, is too high to be reached"

hold_do map $((limit * 96 / 100 - $(lines "$hold_pid")))
mappings=$(lines "$hold_pid")
serve "$surefree" export -l 127.0.0.1:0 --refused never
sed 's/^\( *for:\).*/\1 0s/' "$rules/surefree.rules.yml" >rules.yml
cat >prometheus.yml <<EOF
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: surefree
    static_configs: [{targets: ['${url#http://}']}]
EOF
port=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])') || skip "the rest needs python3"
prometheus --config.file=prometheus.yml --storage.tsdb.path=data \
	--web.listen-address="127.0.0.1:$port" >prometheus.log 2>&1 7>&- 8<&- &
prometheus=$!
pids="$pids $prometheus"

# alarm NAME: it is fired for the held process.
alarm() {
	curl -s --max-time 10 "http://127.0.0.1:$port/api/v1/alerts" >"$out" &&
		python3 -c 'import json, sys
alerts = json.load(open(sys.argv[1]))["data"]["alerts"]
sys.exit(not any(a["state"] == "firing" and
	a["labels"]["alertname"] == sys.argv[2] and
	a["labels"]["group"] == sys.argv[3] for a in alerts))' \
			"$out" "$1" "$own" 2>/dev/null
}
within 60 alarm MappingsOver95Percent ||
	fail "no alarm: $(tail -n 5 prometheus.log)"
within 60 alarm MappingsOver80Percent || fail "no early alarm"
curl -sG "http://127.0.0.1:$port/api/v1/query" --data-urlencode \
	"query=surefree_process_mappings_max{group=\"$own\"}" >"$out"
expect_json "d['data']['result'][0]['value'][1]" "$mappings"
# The dashboard asks for what there is.
python3 - "$packaging/grafana/surefree.json" "$port" >"$out" 2>"$err" <<'EOF' ||
import json, re, sys, urllib.parse, urllib.request
board = json.load(open(sys.argv[1]))
names = json.load(urllib.request.urlopen("http://127.0.0.1:%s"
    "/api/v1/label/__name__/values" % sys.argv[2], timeout=10))["data"]
ids = [panel["id"] for panel in board["panels"]]
assert len(set(ids)) == len(ids) > 4
assert all(v["type"] == "datasource" or v["datasource"]["uid"] ==
    "${datasource}" for v in board["templating"]["list"])
for target in (t for p in board["panels"] for t in p["targets"]):
    expr = target["expr"].replace("$__rate_interval", "1m")
    expr = re.sub(r"\$(job|instance|group)", ".*", expr)
    for name in re.findall(r"surefree_\w+", expr):
        assert name in names + ["surefree_refused_calls_total"], name
    query = urllib.parse.urlencode({"query": expr})
    json.load(urllib.request.urlopen("http://127.0.0.1:%s"
        "/api/v1/query?%s" % (sys.argv[2], query), timeout=10))
EOF
	fail "the dashboard"
# It ends when the process does.
hold_end
calm() { ! alarm MappingsOver95Percent && grep -q success "$out"; }
within 60 calm || fail "the alarm goes on"
kill $prometheus
wait $prometheus
stop
