#!/bin/sh
# SPDX-License-Identifier: MIT
#
# surefree squeeze leaves a program exactly the mappings asked for, tells what
# the kernel then refuses it and what leaks, and changes nothing for one that
# needs none. Static programs, threads, children and exec() are squeezed too.
# usage: squeeze.sh SUREFREE MAN-DIR VICTIM
set -u
surefree=$1
man=$2
victim=$3
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch" "$out" "$err"' EXIT
report=$scratch/report
limit=$(cat /proc/sys/vm/max_map_count)
examples=$(dirname "$surefree")/examples
[ "$limit" -le 262144 ] ||
	skip "a limit of $limit is used up a hundred times: that takes long"

# squeeze STATUS ARGS...: what the program prints is in $said, the report,
# which is JSON, in $out.
squeeze() {
	wanted=$1
	shift
	run "$surefree" squeeze --json -o "$report" -t 60 "$@" </dev/null
	could_not && skip "$(cat "$err")"
	expect_status "$wanted" "$*"
	said=$(cat "$out")
	cp "$report" "$out"
}

# refuses CALL ERROR: a call among those refused.
refuses() {
	expect_json "('$1', '$2') in [(c['call'], c['error'])
		for c in d['squeeze']['refused_calls']]" True
}

# Exactly as many are left as asked for.
for spare in 0 1 2 3 50; do
	squeeze 0 -n $spare -- "$victim" spare "$limit"
	[ "$said" = "spare $spare
ready" ] || fail "$said, not $spare"
	expect_json 'd["squeeze"]["ended"]' normally
	expect_json 'd["squeeze"]["refused"]' 0
	expect_json 'd["finding"]' False
done

# A clean program; its streams and arguments are its own.
[ "$(echo word | "$surefree" squeeze -o "$report" -n 64 -- cat)" = word ] ||
	fail "no standard input"
# shellcheck disable=SC2016 # for that shell
squeeze 0 -n 64 -- sh -c 'echo "$1"; exit 42' sh 'a b'
[ "$said" = 'a b' ] || fail "arguments: $said"
expect_json 'd["squeeze"]["exit_status"]' 42

# Threads: pthread_create() fails, and is the caller that is named.
squeeze 1 -n 12 -- "$victim" threads 30
refuses mprotect ENOMEM
expect_json 'd["squeeze"]["exit_status"]' 3
expect_json "'cli-victim' in d['squeeze']['refused_calls'][0]['where']" True
expect_json 'd["squeeze"]["leaked_size"]' 0
documented "$man/surefree-squeeze.1"

# Fibers with guards, and holes that can't be made.
squeeze 1 -n 20 -- "$victim" fibers 30
refuses mprotect ENOMEM
squeeze 1 -n 20 -- "$victim" holes 100
refuses munmap ENOMEM
expect_json 'd["squeeze"]["unmap_refused_size"]' 65536
expect_json 'd["squeeze"]["leaked_size"]' 65536

# A range with a hole is no matter of the limit, but for near it.
squeeze 0 -n 2000 -- "$victim" torn 1000
expect_json '[d["squeeze"]["refused"], d["squeeze"]["failed_otherwise"]]' \
	'[0, 1001]'
squeeze 1 -n 3 -- "$victim" torn 10
refuses madvise ENOMEM
run "$surefree" squeeze --json -o "$report" --sweep 30..31 -- "$victim" torn 10
cp "$report" "$out"
expect_json 'd["sweep"]["needed_clean"]' 30

# Terabytes that are not released, and of which nothing is there.
start=$(date +%s)
squeeze 1 -n 1 -- "$victim" vast 43
[ $(($(date +%s) - start)) -lt 15 ] || fail "looks at each page of 8 TiB"
if [ "$(json 'd["squeeze"]["exit_status"]')" != 77 ]; then
	refuses munmap ENOMEM
	expect_json 'd["squeeze"]["leaked_at_most"] or
		d["squeeze"]["leaked_size"] == 0' True
fi

# What is left by a thread that outlives the first.
squeeze 1 -n 100 -- "$victim" unled "$limit"
expect_json '[d["squeeze"][key] for key in ("exit_status", "unmap_refused_size",
	"leaked_size")]' '[0, 16384, 16384]'

# The examples: each leaks what it can't release.
if [ -x "$examples/example-munmap_limit" ]; then
	squeeze 1 -n 100 -- "$examples/example-munmap_limit"
	refuses munmap ENOMEM
	kib=$(echo "$said" | sed -n 's/^still resident: *\([0-9]*\) KiB.*/\1/p')
	expect_json 'd["squeeze"]["leaked_size"]' "$((kib * 1024))"
	squeeze 1 -n 20 -- "$examples/example-malloc_limit"
	refuses munmap ENOMEM
	expect_json 'd["squeeze"]["leaked_size"] > 100 << 20' True
	library=$(dirname "$(realpath "$surefree")")/libsurefree-preload.so
	if [ -f "$library" ]; then
		squeeze 1 -n 20 -- env LD_PRELOAD="$library" \
			"$examples/example-malloc_limit"
		expect_json 'd["squeeze"]["leaked_size"]' 0
	fi
fi

# Later: at a call, after some time.
squeeze 1 -n 0 --at-call 1 -- "$victim" spare "$limit"
expect_json 'd["squeeze"]["exit_status"]' 127
squeeze 1 -n 4 --after 0 -- "$victim" threads 3
expect_json 'd["squeeze"]["when"]' 'after 0 s'
run "$surefree" squeeze --at-call 1000000 -- true
expect_status 3 "--at-call that is never reached"

# What is executed is squeezed anew; what is forked stays so.
squeeze 0 -n 9 -- sh -c "'$victim' spare $limit; exec '$victim' spare $limit"
[ "$said" = "spare 9
ready
spare 9
ready" ] || fail "exec: $said"
expect_json 'd["squeeze"]["squeezed"]' 3
squeeze 1 -n 3 -- sh -c "('$victim' threads 3)"

# A signal is a finding.
# shellcheck disable=SC2016 # for that shell
squeeze 1 -n 64 -- sh -c 'kill -SEGV $$'
expect_json 'd["squeeze"]["signal"]' 11
expect_json 'd["squeeze"]["exit_status"]' None
run "$surefree" squeeze -t 1 -- sleep 60
expect_status 1 "-t"
grep -q 'ended *not in time' "$err" || fail "no word of the time"

# Linked statically.
printf '#include <stdlib.h>\nint main(void) { %s }\n' \
	'return malloc(1 << 20) && malloc(1 << 21) ? 0 : 7;' >"$scratch/a.c"
if gcc -O0 -static -o "$scratch/static" "$scratch/a.c" 2>/dev/null; then
	squeeze 0 -n 20 -- "$scratch/static"
	expect_json 'd["squeeze"]["exit_status"]' 0
	squeeze 1 -n 0 --at-call 1 -- "$scratch/static"
	expect_json 'd["squeeze"]["refused"] > 0' True
fi

# A language's fibers.
if command -v php >/dev/null &&
	php -r 'exit(class_exists("Fiber") ? 0 : 1);' 2>/dev/null; then
	cat >"$scratch/fibers.php" <<'END'
<?php
for ($i = 0; $i < 500; $i++) {
	$fibers[$i] = new Fiber(function () { Fiber::suspend(); });
	$fibers[$i]->start();
}
END
	squeeze 1 -n 600 -- php "$scratch/fibers.php"
	refuses mprotect ENOMEM
	expect_json 'd["squeeze"]["exit_status"]' 255
fi

# Sweep: two threads need more than none and fewer than 12.
run "$surefree" squeeze --json -o "$report" --sweep 0..11 -- "$victim" threads 2
expect_status 1 "--sweep"
[ ! -s "$out" ] || fail "--sweep: what the program says is seen"
cp "$report" "$out"
expect_json 'd["sweep"]["ended"]' normally
expect_json '0 < d["sweep"]["needed"] <= d["sweep"]["needed_clean"] < 12' True
expect_json 'sum(s["to"] - s["from"] + 1 for s in d["sweep"]["steps"])' 12
documented "$man/surefree-squeeze.1"
run "$surefree" squeeze --sweep 0..2 -- "$victim" spare "$limit"
expect_status 0 "--sweep of a clean program"
grep -q 'ends the same from  *0$' "$err" || fail "--sweep: not from 0"

# The report goes to stderr without -o.
run "$surefree" squeeze -n 12 -- "$victim" threads 30 </dev/null
expect_status 1 "the report in words"
grep -q '^Refused calls' "$err" || fail "no report on stderr"
[ ! -s "$out" ] || fail "a report on stdout"

# Closed streams stay so.
status=0
"$surefree" squeeze -o "$report" -n 12 -- "$victim" threads 30 <&- >&- ||
	status=$?
expect_status 1 "with closed streams"
grep -q '^Refused calls' "$report" || fail "no report with closed streams"

# Children that the shell had before it became us are not waited for.
start=$(date +%s)
# shellcheck disable=SC2016 # for that shell
run sh -c 'sleep 30 >/dev/null 2>&1 & echo $! >"$1"; exec "$2" squeeze -- true' \
	sh "$scratch/child" "$surefree"
kill "$(cat "$scratch/child")"
[ $(($(date +%s) - start)) -lt 25 ] || fail "waits for the child of a shell"

# So many seconds are no fewer, and who was killed did not end.
run "$surefree" squeeze --after 1 -- "$victim" spare "$limit"
expect_status 3 "--after 1 of a short program"
run "$surefree" squeeze --after 20 -t 1 -- sleep 30
expect_status 3 "-t 1"
grep -q 'was killed by --timeout' "$err" || fail "-t 1: no word of it"

# Usage, and what cannot be.
for words in '' '--sweep 5 true' '--sweep 5..1 true' '--sweep 1..2 -n 3 true' \
	'--after 1 --at-call 2 true'; do
	# shellcheck disable=SC2086 # words
	run "$surefree" squeeze $words
	expect_status 2 "squeeze $words"
	[ "$(wc -l <"$err")" -eq 1 ] || fail "$words: not one line"
done
run "$surefree" squeeze -- not-there
expect_status 3 "not-there"
run "$surefree" squeeze -o "$scratch/no/file" -- true
expect_status 3 "-o into no folder"
exit 0
