#!/bin/sh
# SPDX-License-Identifier: MIT
#
# surefree ps counts what the kernel counts, by BPF and by reading /proc; it
# selects, sorts, warns, and says what it could not do.
# usage: ps.sh SUREFREE MAN-DIR HOLD
set -u
surefree=$1
man=$2
hold=$3
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/hold.sh
. "$(dirname "$0")/hold.sh"
scratch=$(mktemp -d)
chmod 755 "$scratch"
trap 'rm -rf "$scratch" "$out" "$err"' EXIT
limit=$(cat /proc/sys/vm/max_map_count)

# ps ARGS...: the document of those is in $out.
ps() {
	run "$surefree" ps --json "$@"
}

# field NAME: a number of the held process's status.
field() {
	sed -n "s/^$1:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$hold_pid/status"
}

# What CPUs may hold back of three counters.
cpus=$(getconf _NPROCESSORS_CONF)
batch=$((cpus > 16 ? 2 * cpus : 32))
held_back=$((3 * cpus * batch * $(getconf PAGESIZE)))

p='d["ps"]["processes"]'
only="${p}[0]"

run "$surefree" ps --source bpf
sources=proc
if [ "$status" -eq 0 ]; then
	sources='bpf proc'
else
	expect_status 3 "--source bpf"
	grep -q '; --source proc does without$' "$err" || fail "no remedy"
	echo "${0##*/}: without BPF: $(cat "$err")" >&2
fi

# The best way is taken, and named.
ps
[ "$status" -eq 0 ] || fail "ps: status $status"
expect_json 'd["ps"]["source"]' "${sources%% *}"
expect_json 'd["ps"]["no_bpf"] is None' \
	"$([ "$sources" = proc ] && echo False || echo True)"
expect_json 'd["ps"]["limit"]' "$limit"
documented "$man/surefree-ps.1"
run "$surefree" ps
how='counted by BPF$'
[ "$sources" != proc ] || how='counted by reading /proc (.*)$'
head -n 1 "$out" | grep -q "^[0-9]* of [0-9]* processes, $how" ||
	fail "does not say how it counted"

# What is counted, by every source, is what the kernel lists.
hold_start sf-hold
for nr in 0 3000 30000; do
	[ $nr -gt 0 ] && hold_do map $nr
	for source in $sources; do
		ps -p "$hold_pid" --source "$source"
		expect_status 0 "ps of $nr by $source"
		expect_json "[len($p), d['ps']['source'], ${only}['mappings'],
			${only}['headroom'], round(${only}['share'] * $limit),
			${only}['command'], ${only}['user'],
			${only}['page_tables']]" \
			"[1, '$source', $(lines "$hold_pid"),\
 $((limit - $(lines "$hold_pid"))), $(lines "$hold_pid"),\
 'sf-hold', '$(id -un)', $((1024 * $(field VmPTE)))]"
		expect_json "abs(${only}['rss'] - $((1024 * \
			$(field VmRSS)))) <= $held_back" True
		expect_json "${only}['cgroup'] in [line.rstrip().split(':', 2)[2] \
			for line in open('/proc/$hold_pid/cgroup')]" True
	done
done

# A process is one line, with threads, and without its first.
hold_do threads 20
for source in $sources; do
	ps --source "$source"
	expect_json "[x['pid'] for x in $p].count($hold_pid)" 1
done

# A process whose first thread has ended is still one, with the name of that
# thread, which may be of any bytes.
python3 -c 'import ctypes, os, threading, time
libc = ctypes.CDLL(None)
def other():
    libc.prctl(15, b"other")
    time.sleep(10)
threading.Thread(target=other).start()
libc.prctl(15, b"\x1b[31m\"\\\n\xc3\xa4\xff{}")
nr = {"x86_64": 60, "aarch64": 93}.get(os.uname().machine)
nr and libc.syscall(nr, 0)' &
headless=$!
end=$(($(date +%s) + 5))
until grep -q '^State:.Z' "/proc/$headless/status" ||
	[ "$(date +%s)" -ge $end ]; do
	:
done
if grep -q '^State:.Z' "/proc/$headless/status"; then
	for source in $sources; do
		ps -p "$headless" --source "$source"
		expect_status 0 "no first thread, by $source"
		expect_json "${only}['mappings'] > 10" True
		expect_json "${only}['command']" '?[31m"\????{}'
		# Its first thread is in no cgroup any more (version 1).
		cgroup=$(json "${only}['cgroup']") || exit 1
		ps -p $$ --source "$source"
		expect_json "${only}['cgroup']" "$cgroup"
	done
fi
kill -KILL "$headless" 2>/dev/null
wait "$headless"

# Where it may open few files it says so, or does with them.
nr=4
while [ $((nr += 1)) -le 16 ]; do
	for source in $sources; do
		run sh -c 'ulimit -n "$0"; exec "$@"' $nr "$surefree" ps \
			--source "$source" 7>&- 8<&-
		[ "$status" -eq 0 ] && continue
		expect_status 3 "$nr files by $source"
		grep -q '(ulimit -n)' "$err" || fail "$nr files: no remedy"
	done
done

# Sorting and selecting.
ps
expect_json "[x['mappings'] for x in $p] == \
	sorted([x['mappings'] for x in $p], reverse=True)" True
ps --sort rss
expect_json "[x['rss'] for x in $p] == \
	sorted([x['rss'] for x in $p], reverse=True)" True
ps --sort pid --reverse
expect_json "[x['pid'] for x in $p] == \
	sorted([x['pid'] for x in $p], reverse=True)" True
ps --sort command
expect_json "[x['command'] for x in $p] == \
	sorted([x['command'] for x in $p])" True
ps -n 1
expect_json "len($p)" 1
ps -u "$(id -un)"
expect_json "{x['user'] for x in $p} == {'$(id -un)'}" True
percent=$((100 * $(lines "$hold_pid") / limit))
ps --min-percent $percent
expect_json "$hold_pid in [x['pid'] for x in $p]" True
expect_json "min(x['share'] for x in $p) * 100 >= $percent" True
ps -p "$hold_pid" --min-percent $((percent + 1))
expect_status 0 "--min-percent"
expect_json "$p" '[]'

# One that is over is a finding.
for how in '' --json; do
	run "$surefree" ps -p "$hold_pid" --warn $percent $how
	expect_status 1 "--warn $percent $how"
	run "$surefree" ps -p "$hold_pid" --warn $((percent + 1)) $how
	expect_status 0 "--warn $((percent + 1)) $how"
done

# What ends its first thread goes on; BPF sees it.
hold_do leave
while ! grep -q '^State:.*Z' "/proc/$hold_pid/status"; do :; done
if [ "$sources" != proc ]; then
	ps -p "$hold_pid" --source bpf
	other=$(find "/proc/$hold_pid/task" -maxdepth 1 -name '[0-9]*' \
		! -name "$hold_pid" | head -n 1)
	expect_json "${only}['mappings']" \
		"$(grep -vc '\[vsyscall\]$' "$other/maps")"
	expect_json "${only}['rss'] > 0" True
	ps
	expect_json "[x['pid'] for x in $p].count($hold_pid)" 1
fi
hold_end

# refused STATUS PATTERN ARGS...: one line on stderr.
refused() {
	wanted=$1 pattern=$2
	shift 2
	run "$surefree" ps "$@"
	expect_status "$wanted" "$*"
	[ "$(wc -l <"$err")" -eq 1 ] || fail "$*: not one line"
	grep -q -- "$pattern" "$err" || fail "$*: not '$pattern'"
}
refused 3 "there is no process $hold_pid$" -p "$hold_pid" --source "${sources%% *}"
refused 3 "has no mappings: it is a thread, of the kernel" -p 2 --source proc
refused 2 "--pid: 'x' is not a process number; see" -p 1,x
refused 2 "--pid: '' is not a process number" -p 1,
refused 2 "--user: 'no-such-user' is not a user" -u no-such-user
refused 2 "--sort: 'size' is not mappings, percent" --sort size
refused 2 "--source: 'magic' is not bpf or proc" --source magic
refused 2 "--warn: '0' is out of range" --warn 0

# The rest takes root: to be somebody else, and to hide things.
[ "$(id -u)" -eq 0 ] || exit 0
if setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
	run setpriv --reuid 65534 --regid 65534 --clear-groups \
		--inh-caps=-all "$surefree" ps -u 65534
	expect_status 0 "ps as nobody"
	head -n 1 "$out" | grep -q 'counted by reading /proc (' ||
		fail "nobody counts by BPF"
	grep -q ' surefree ' "$out" || fail "nobody does not see itself"
	hold_start sf-hold
	run setpriv --reuid 65534 --regid 65534 --clear-groups \
		--inh-caps=-all "$surefree" ps -p "$hold_pid"
	expect_status 3 "another's process"
	grep -q "may not be read; run as root" "$err" || fail "no remedy"
	run setpriv --reuid 65534 --regid 65534 --clear-groups \
		--inh-caps=-all "$surefree" ps --source bpf
	expect_status 3 "nobody by BPF"
	hold_end
fi
# In a namespace of its own a process has other numbers.
if unshare -pf --mount-proc true 2>/dev/null; then
	for source in $sources; do
		run unshare -pf --mount-proc "$surefree" ps --json \
			--source "$source"
		expect_json "[(x['pid'], x['command']) for x in $p]" \
			"[(1, 'surefree')]"
	done
fi
# There, where /proc is still the one of before, BPF counts the same, and the
# cgroup is its own: that of another has the same number in /proc.
if [ "$sources" != proc ] && unshare -pf true 2>/dev/null; then
	ps -p $$ --source bpf
	cgroup=$(json "${only}['cgroup']") || exit 1
	run unshare -pf unshare -pf "$surefree" ps --json --source bpf
	expect_json "[(x['pid'], x['command'], x['cgroup']) for x in $p]" \
		"[(1, 'surefree', '$cgroup')]"
fi
caps=-all,+bpf,+perfmon
if [ "$sources" != proc ] && setpriv --reuid 65534 --clear-groups \
	--inh-caps=$caps --ambient-caps=$caps true 2>/dev/null; then
	run setpriv --reuid 65534 --regid 65534 --clear-groups \
		--inh-caps=$caps --ambient-caps=$caps \
		"$surefree" ps --source bpf
	expect_status 0 "CAP_BPF and CAP_PERFMON"
fi
if [ "$sources" != proc ] && unshare -m sh -c \
	'mount -t tmpfs none /sys/kernel/btf' 2>/dev/null; then
	# shellcheck disable=SC2016 # for the inner shell
	run unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf &&
		"$0" ps --json' "$surefree"
	expect_status 0 "ps without BTF"
	expect_json 'd["ps"]["source"]' proc
	expect_json '"/sys/kernel/btf/vmlinux" in d["ps"]["no_bpf"]' True
fi
exit 0
