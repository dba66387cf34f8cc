#!/bin/sh
# SPDX-License-Identifier: MIT
#
# surefree trace tells of every memory call that the kernel refuses, with its
# stack and what was not released; of one program, one process or all; by BPF,
# and as an ordinary user by ptrace. A program with the drop-in has none.
# usage: trace.sh SUREFREE MAN-DIR VICTIM
set -u
surefree=$1
man=$2
victim=$3
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
scratch=$(mktemp -d) || exit 1
tracer=
trap '[ -z "$tracer" ] || kill "$tracer" 2>/dev/null
	rm -rf "${scratch:?}" "$out" "$err"' EXIT
report=$scratch/report
limit=$(cat /proc/sys/vm/max_map_count)
examples=$(dirname "$surefree")/examples
[ "$limit" -le 262144 ] ||
	skip "a limit of $limit is used up many times: that takes long"
chmod 777 "$scratch"

# Usage, and what cannot be.
for words in '-p 1 true' '--ptrace' '--ptrace --splits true' '-f true'; do
	# shellcheck disable=SC2086 # words
	run "$surefree" trace $words
	expect_status 2 "trace $words"
	[ "$(wc -l <"$err")" -eq 1 ] || fail "$words: not one line"
done
run "$surefree" trace -- not-there
expect_status 3 "not-there"
run "$surefree" trace -o "$scratch/no/file" -- true
expect_status 3 "-o into no folder"

# As an ordinary user, also when we are root.
ordinary=
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null &&
	setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$surefree" --version >/dev/null 2>&1; then
	ordinary='setpriv --reuid=65534 --regid=65534 --clear-groups'
fi

# trace STATUS ARGS...: what the program prints is in $said, the report in $out.
trace() {
	wanted=$1
	shift
	rm -f "$report"
	# shellcheck disable=SC2086 # words
	run $as "$surefree" trace -o "$report" -t 100 "$@" </dev/null
	could_not && return 1
	expect_status "$wanted" "$*"
	said=$(cat "$out")
	cp "$report" "$out"
}

# As one document: the lines of single calls, and what follows them.
gather() {
	python3 -c 'import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
print(json.dumps(dict(lines[-1], refused_calls=lines[:-1]), indent=2))' "$out" \
		>"$scratch/all" || fail "not JSON by lines"
	cp "$scratch/all" "$out"
}

# Streams that are closed stay so: the report is the report, and the program's
# own is nowhere.
closed_streams() {
	for closed in '>&-' '<&- >&-' '<&- >&- 2>&-'; do
		rm -f "$report"
		status=0
		# shellcheck disable=SC2016 # for that shell
		eval '$as "$surefree" trace $how --json -s -o "$report" -- \
			sh -c '\''[ ! -e /proc/$$/fd/1 ] && exit 43'\' "$closed" \
			|| status=$?
		expect_status 0 "trace $closed"
		cp "$report" "$out"
		expect_json 'd["trace"]["ended"]' 'with status 43'
	done
}

# Who reads the report goes away: the program runs on, and is told nothing.
gone_reader() {
	rm -f "$scratch/gone" "$scratch/done"
	# shellcheck disable=SC2016,SC2086 # for that shell; words
	{
		status=0
		$as "$surefree" trace $how -- sh -c '"$1" refused 1
			until [ -e "$2" ]; do :; done
			"$1" refused 50
			echo >"$3"' sh "$victim" "$scratch/gone" \
			"$scratch/done" 2>&1 >/dev/null </dev/null || status=$?
		echo $status >"$scratch/status"
	} | {
		head -n 1 >"$out"
		exec <&-
		echo >"$scratch/gone"
	}
	[ -e "$scratch/done" ] || fail "the program ends with the reader"
	status=$(cat "$scratch/status")
	expect_status 3 "nobody reads it"
	# shellcheck disable=SC2016 # for that shell
	signal='kill -PIPE $$; exit 5'
	status=0
	sh -c "$signal" || status=$?
	[ $status -eq 5 ] && end='with status 5' || end='by SIGPIPE'
	# shellcheck disable=SC2086 # words
	trace 0 $how --json -s -- sh -c "$signal"
	expect_json 'd["trace"]["ended"]' "$end"
}

# Names are of any bytes.
odd_name() {
	name='a
b'
	cp "$victim" "$scratch/$name"
	# shellcheck disable=SC2086 # words
	trace 1 $how --json -- "$scratch/$name" refused 1
	gather
	expect_json '[c["command"] for c in d["refused_calls"]]' "['a?b']"
}

# The two examples, by $how.
trace_examples() {
	# shellcheck disable=SC2086 # words
	trace 1 $how --json -- "$examples/example-munmap_limit" || return 1
	gather
	documented "$man/surefree-trace.1"
	failed=$(echo "$said" | sed -n 's/^of these failed: *//p')
	[ "$failed" -gt 0 ] || fail "nothing failed, or its output is lost"
	expect_json 'd["trace"]["refused"] == len(d["refused_calls"])' True
	expect_json 'd["trace"]["lost"]' 0
	expect_json 'd["trace"]["ended"]' normally
	expect_json 'len([c for c in d["refused_calls"] if c["size"] == 4096])' \
		"$failed"
	kib=$(echo "$said" | sed -n 's/^still resident: *\([0-9]*\) KiB.*/\1/p')
	expect_json 'sum(c["leaked_size"] for c in d["refused_calls"]
		if c["size"] == 4096)' "$((kib * 1024))"
	expect_json "all(c['call'] == 'munmap' and c['error'] == 'ENOMEM' and
		c['limit'] == $limit and $limit - c['mappings'] < 2 and
		c['pid'] == c['tid'] and c['time'].endswith('Z') and
		c['command'].startswith('example-munmap')
		for c in d['refused_calls'])" True
	expect_json "all('example-munmap_limit' in c['where'] and
		'libc' in c['stack'].split(' < ')[0] for c in d['refused_calls'])" True

	# Two places that call free(): told apart, although it is soon over.
	# shellcheck disable=SC2086 # words
	trace 1 $how --json --summary -- "$examples/example-malloc_limit"
	documented "$man/surefree-trace.1"
	expect_json 'all("example-malloc_limit" in c["where"]
		for c in d["trace"]["refused_calls"])' True
	expect_json 'len([c for c in d["trace"]["refused_calls"]
		if c["call"] == "munmap" and c["times"] > 400])' 2
	expect_json 'd["trace"]["leaked_size"] > 100 << 20' True

	# With the drop-in nothing is refused but what the example provokes.
	library=$(dirname "$(realpath "$surefree")")/libsurefree-preload.so
	[ -f "$library" ] || return 0
	# shellcheck disable=SC2086 # words
	trace 1 $how --json --summary -- env LD_PRELOAD="$library" \
		"$examples/example-malloc_limit"
	expect_json '[c["call"] for c in d["trace"]["refused_calls"]]' \
		"['mmap']"
	expect_json 'd["trace"]["leaked_size"]' 0
}

# A language's fibers, at the true limit.
cat >"$scratch/fibers.php" <<END
<?php
for (\$i = 0; \$i < $limit; \$i++) {
	\$fibers[\$i] = new Fiber(function () { Fiber::suspend(); });
	\$fibers[\$i]->start();
}
END
trace_php() {
	command -v php >/dev/null &&
		php -r 'exit(class_exists("Fiber") ? 0 : 1);' 2>/dev/null ||
		return 0
	# shellcheck disable=SC2086 # words
	trace 1 $how --json -- php -d memory_limit=-1 "$scratch/fibers.php"
	gather
	expect_json '[(c["call"], c["error"], c["command"], c["leaked_size"])
		for c in d["refused_calls"]]' "[('mprotect', 'ENOMEM', 'php', None)]"
	expect_json 'd["trace"]["ended"]' 'with status 255'
}

# What a program makes of the names of its files hangs nobody.
hide() {
	rm -rf "$scratch/hidden"
	mkdir -m 777 "$scratch/hidden"
	cp "$victim" "$scratch/hidden/victim"
}
trace_hidden() {
	hide
	user=$as
	as="timeout -s KILL 60 $as"
	# shellcheck disable=SC2086 # words
	trace 1 $how --json -s -- "$scratch/hidden/victim" hidden 3
	as=$user
	expect_json '[(c["times"], "victim" in c["where"])
		for c in d["trace"]["refused_calls"]]' '[(3, True)]'
}

# ENOMEM for a range with a hole is no refusal, and is not hidden.
trace_torn() {
	# shellcheck disable=SC2086 # words
	trace 0 $how --json -- "$victim" torn 100
	documented "$man/surefree-trace.1"
	expect_json '[d["trace"]["refused"], d["trace"]["far_from_limit"],
		d["finding"]]' '[0, 101, False]'
}

# What is left by a thread that outlives the first.
trace_unled() {
	# shellcheck disable=SC2086 # words
	trace 1 $how --json -s -- "$victim" unled "$limit"
	expect_json 'd["trace"]["leaked_size"]' 16384
}

# By ptrace.
as=$ordinary
how=--ptrace
if trace 0 --ptrace -- true; then
	closed_streams
	odd_name
	gone_reader
	[ ! -x "$examples/example-munmap_limit" ] || trace_examples
	trace_php
	trace_hidden
	trace_torn
	trace_unled
	expect_json 'd["trace"]["leaked_at_most"]' False
else
	echo "${0##*/}: not by ptrace: $(cat "$err")" >&2
fi
if [ -n "$ordinary" ] || [ "$(id -u)" -ne 0 ]; then
	# shellcheck disable=SC2086 # words
	run $ordinary "$surefree" trace -- true
	expect_status 3 "without rights"
	[ "$(wc -l <"$err")" -eq 1 ] || fail "not one line: why no BPF"
	grep -q -- --ptrace "$err" || fail "--ptrace is not offered"
fi

# By BPF.
as=
how=
trace 0 -- true || skip "BPF: $(cat "$err")"
closed_streams
odd_name
gone_reader
[ ! -x "$examples/example-munmap_limit" ] || trace_examples
trace_php
trace_hidden
trace_torn
trace_unled

# A clean program; its streams, arguments and status are its own.
[ "$(echo word | "$surefree" trace -o "$report" -- cat)" = word ] ||
	fail "no standard input"
# shellcheck disable=SC2016 # for that shell
trace 0 --json -- sh -c 'echo "$1"; exit 42' sh 'a b'
[ "$said" = 'a b' ] || fail "arguments: $said"
expect_json 'd["trace"]["ended"]' 'with status 42'
expect_json 'd["finding"]' False

# So is its limit on open files, which we raise for BPF; where that can't be
# done it is what is wrong.
run sh -c 'ulimit -Sn 8; exec "$@"' sh "$surefree" trace -o "$report" -- \
	sh -c 'ulimit -Sn'
expect_status 0 "with 8 files"
[ "$(cat "$out")" = 8 ] || fail "the limit on open files is another"
run sh -c 'ulimit -n 8; exec "$@"' sh "$surefree" trace -- true
expect_status 3 "with no more than 8 files"
grep -q 'raise the limit on them (ulimit -n); or give --ptrace' "$err" ||
	fail "too few open files: no remedy"

# A storm: each one counts, where it came from, and for all that it leaves.
trace 1 --json -s -- "$victim" refused 100000
expect_json '[c["times"] for c in d["trace"]["refused_calls"]]' '[100000]'
expect_json '[d["trace"]["refused"], d["trace"]["lost"]]' '[100000, 0]'

# One that does not end, until -t ends it.
run timeout -s KILL 60 "$surefree" trace -t 1 -s --json -o "$report" -- \
	"$victim" refused 1000000000
expect_status 1 "-t in a storm"
cp "$report" "$out"
expect_json '[d["trace"]["ended"], len(d["trace"]["refused_calls"])]' \
	"['not in time', 1]"

# Threads, in a child of a child; whose tracer we don't mind.
run "$surefree" squeeze -n 12 -- "$victim" threads 30 </dev/null
if [ "$status" -ne 3 ]; then
	trace 1 --json -s -- "$surefree" squeeze -o /dev/null -n 12 -- \
		"$victim" threads 30
	expect_json '[(c["call"], c["where"].split()[1])
		for c in d["trace"]["refused_calls"]]' \
		"[('mprotect', '(cli-victim)')]"
fi

# Who makes mappings.
trace 0 --json --splits -- "$victim" holes 1000
documented "$man/surefree-trace.1"
expect_json 'd["trace"]["splits"][0]["call"]' munmap
# The last block's end may touch another mapping.
expect_json '498 <= d["trace"]["splits"][0]["mappings"] <= 500' True
expect_json '"cli-victim" in d["trace"]["splits"][0]["where"]' True
trace 0 --splits -- "$victim" holes 1000
grep -q '^Stack of munmap, [0-9]* mappings' "$out" || fail "no stacks"

# Programs that are over before anybody looks at them: their stacks have names.
# shellcheck disable=SC2016 # for that shell
often='i=0; while [ $i -lt 40 ]; do "$@"; i=$((i + 1)); done'
trace 1 --json -s -- sh -c "$often" sh "$victim" refused 2
expect_json '[(c["times"], "cli-victim" in c["where"])
	for c in d["trace"]["refused_calls"]]' '[(80, True)]'
trace 0 --json --splits -- sh -c "$often" sh "$victim" fibers 3
expect_json 'None in [c["where"] for c in d["trace"]["splits"]]' False
expect_json 'sum(c["mappings"] for c in d["trace"]["splits"]
	if c["call"] == "mprotect" and "cli-victim" in c["where"]) >= 120' True

# watch ARGS...: begin to trace what runs, in the background.
watch() {
	rm -f "$report" "$scratch/words"
	mkfifo "$scratch/words"
	"$surefree" trace --json -o "$report" "$@" 2>"$scratch/words" &
	tracer=$!
	# Its line tells that it sees.
	IFS= read -r line <"$scratch/words"
	case $line in
	*': tracing'*) ;;
	*) fail "$*: $line" ;;
	esac
}

# seen STATUS: the tracer ends; what it has seen is in $out.
seen() {
	status=0
	wait "$tracer" || status=$?
	tracer=
	cp "$report" "$out"
	expect_status "$1" "tracer"
	gather
}

# One process, from when it is watched; its children if asked for.
if [ -x "$examples/example-munmap_limit" ]; then
	for words in '' -f; do
		mkfifo "$scratch/go"
		# shellcheck disable=SC2016 # for that shell
		sh -c 'read -r line; "$1" >/dev/null; exec "$1"' sh \
			"$examples/example-munmap_limit" \
			<"$scratch/go" >"$scratch/said" &
		pid=$!
		exec 9>"$scratch/go"
		# shellcheck disable=SC2086 # words
		watch -p $pid $words
		echo go >&9
		exec 9>&-
		seen 1
		rm "$scratch/go"
		expect_json "$pid in [c['pid'] for c in d['refused_calls']]" True
		expect_json "len({c['pid'] for c in d['refused_calls']})" \
			"$((${#words} / 2 + 1))"
		expect_json "all('example' in c['where'] for c in d['refused_calls'])" \
			True
	done

	# hidden COUNT: one that waits for a line to come from 9, and for no more
	# to come: nobody else may have that.
	hidden() {
		hide
		mkfifo "$scratch/hidden/go" "$scratch/hidden/said"
		"$scratch/hidden/victim" hidden "$1" <"$scratch/hidden/go" \
			>"$scratch/hidden/said" &
		pid=$!
		exec 9>"$scratch/hidden/go" 8<"$scratch/hidden/said"
		read -r line <&8
		[ "$line" = hidden ] || fail "not hidden: $line"
	}
	hidden 3
	watch -p $pid -t 30 9>&- 8<&-
	echo go >&9
	exec 9>&- 8<&-
	seen 1
	expect_json 'len(d["refused_calls"])' 3
	expect_json 'd["trace"]["ended"]' None

	# More than there is room for, while surefree does not look: all count.
	hidden 20000
	watch -p $pid -t 30 9>&- 8<&-
	kill -STOP "$tracer"
	echo go >&9
	exec 9>&-
	while read -r line <&8 && [ "$line" != ready ]; do :; done
	exec 8<&-
	kill -CONT "$tracer"
	seen 1
	expect_json 'd["trace"]["refused"]' 20000
	expect_json 'len(d["refused_calls"]) + d["trace"]["lost"]' 20000
	expect_json 'd["trace"]["lost"] > 0' True

	# All.
	watch
	"$examples/example-munmap_limit" >"$scratch/said"
	kill -INT "$tracer"
	seen 1
	expect_json '"example-munmap_" in [c["command"] for c in d["refused_calls"]]' \
		True
fi
# Without the /proc of its own pid namespace it would name the code of others.
if unshare -pf true 2>/dev/null; then
	for command in trace squeeze; do
		run unshare -pf "$surefree" $command -- true
		expect_status 3 "$command and the /proc of before"
		grep -q 'another pid namespace .* (unshare --mount-proc)$' \
			"$err" || fail "$command: no remedy"
	done
	run unshare -pf --mount-proc "$surefree" trace -o "$report" -- true
	expect_status 0 "trace in a pid namespace of its own"
fi
run "$surefree" trace -t 1
could_not && fail "all: cannot"
grep -q '^traced all processes' "$out" || fail "-t: no end"
# A thread is not a process.
if command -v python3 >/dev/null; then
	run python3 -c 'import subprocess, sys, threading
end = threading.Event()
thread = threading.Thread(target=end.wait)
thread.start()
status = subprocess.call([sys.argv[1], "trace", "-t", "1", "-p",
    str(thread.native_id)])
end.set()
sys.exit(status)' "$surefree"
	expect_status 3 "trace -p of a thread"
	grep -q 'No such process' "$err" || fail "-p of a thread: not said"
fi
exit 0
