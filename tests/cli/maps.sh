#!/bin/sh
# SPDX-License-Identifier: MIT
#
# surefree maps names what uses up the mappings of real programs, and why; its
# picture is well-formed XML without scripts.
# usage: maps.sh SUREFREE MAN-DIR VICTIM
set -u
surefree=$1
man=$2
victim=$3
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
scratch=$(mktemp -d)
pid=
# shellcheck disable=SC2317 # called by the trap
clean() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	rm -rf "$scratch" "$out" "$err"
}
trap clean EXIT
mkfifo "$scratch/input"

# begin COMMAND ARGS...: start it and wait until it says that it is ready.
begin() {
	: >"$scratch/said"
	"$@" <"$scratch/input" >"$scratch/said" 2>"$scratch/words" &
	pid=$!
	exec 9>"$scratch/input"
	until grep -q ready "$scratch/said"; do
		kill -0 "$pid" 2>/dev/null ||
			skip "$* cannot run here: $(cat "$scratch/words")"
	done
}

end() {
	exec 9>&-
	wait "$pid"
	pid=
}

# kind NAME: how many mappings it has.
kind() {
	json "sum(k['mappings'] for k in d['maps']['kinds'] if k['kind'] == '$1')"
}

# advises CAUSE
advises() {
	expect_json "'$1' in [a['cause'] for a in d['maps']['advice']]" True
}

# explained WAY COUNT CAUSE KIND LEAST
explained() {
	begin "$victim" "$1" "$2"
	run "$surefree" maps --json "$pid"
	expect_status 0 "maps $1"
	expect_json 'd["maps"]["mappings"]' \
		"$(grep -vc vsyscall "/proc/$pid/maps")"
	expect_json 'd["maps"]["limit"]' "$(cat /proc/sys/vm/max_map_count)"
	advises "$3"
	[ "$(kind "$4")" -ge "$5" ] || fail "$1: $(kind "$4") of $4, not $5"
	documented "$man/surefree-maps.1"
	end
}

# Names do not steer a terminal, and JSON is JSON.
name=$(printf 'b\303\244\033]0;x\007\377')
cp "$victim" "$scratch/$name"
begin "$scratch/$name" threads 1
run "$surefree" maps "$pid"
expect_status 0 "maps of an odd name"
LC_ALL=C grep -q '[[:cntrl:]]' "$out" && fail "a control character in text"
grep -q "$(printf 'b\303\244?]0;x??')" "$out" || fail "not its name in text"
run "$surefree" maps --json "$pid"
expect_json 'd["maps"]["command"][0]' b
end

# A newline ends neither.
name='a
b'
cp "$victim" "$scratch/$name"
begin "$scratch/$name" threads 1
run "$surefree" maps --json "$pid"
expect_json '[d["maps"]["command"]]' "['a\\nb']"
end

explained threads 100 thread_guards thread_stack 100
explained fibers 1000 fiber_guards fiber_stack 1000
explained commit 500 commit_pattern reserved 490
explained views 400 file_views file 400
begin "$victim" holes 1000
run "$surefree" maps --json "$pid"
advises holes
expect_json "[n['pairs'] for n in d['maps']['neighbours']
	if n['cause'] == 'hole'][0] >= 499" True

# In words; and with what smaps tells.
run "$surefree" maps --smaps "$pid"
expect_status 0 "maps --smaps"
grep -q '^Advice' "$out" || fail "no advice"
grep -q 'mappings: Memory was released in pieces' "$out" ||
	fail "not told of the holes"
run "$surefree" maps --smaps --json "$pid"
expect_json "[k['resident'] > 30 << 20 for k in d['maps']['kinds']
	if k['kind'] == 'anonymous']" '[True]'

# The picture.
run "$surefree" maps --svg "$scratch/picture.svg" "$pid"
expect_status 0 "maps --svg"
python3 - "$scratch/picture.svg" <<'END' || fail "the picture is not right"
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
names = {e.tag.split('}')[1] for e in root.iter()}
texts = ' '.join(e.text or '' for e in root.iter())
assert 'script' not in names and 'image' not in names
assert {'rect', 'title', 'text', 'pattern', 'line'} <= names
assert 'anonymous' in texts and 'mappings begin there' in texts
END
run "$surefree" maps --svg "$scratch/no/picture.svg" "$pid"
expect_status 3 "maps --svg into no folder"
run "$surefree" maps --svg /dev/full "$pid"
expect_status 3 "maps --svg /dev/full"

# Near the limit, which is a finding.
end
if [ "$(cat /proc/sys/vm/max_map_count)" -eq 65530 ]; then
	begin "$victim" commit 32000
	run timeout 20 "$surefree" maps --svg "$scratch/full.svg" --json "$pid"
	expect_status 1 "64000 mappings"
	advises limit
	advises commit_pattern
	end
fi
begin "$victim" views 100

# A bound that is passed is a finding.
run "$surefree" maps --warn 0 --json "$pid"
expect_status 1 "maps --warn 0"
expect_json 'd["finding"]' True
end

# Names of any bytes.
odd=$scratch/$(printf 'a\377<&"b')
cp "$victim" "$odd"
begin "$odd" threads 1
run "$surefree" maps --json --svg "$scratch/odd.svg" "$pid"
expect_status 0 "odd names"
expect_json 'any("?<&\"b" in f["name"] for f in d["maps"]["files"])' True
python3 -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' \
	"$scratch/odd.svg" || fail "odd names spoil the picture"
end

# A language's fibers.
if command -v php >/dev/null &&
	php -r 'exit(class_exists("Fiber") ? 0 : 1);' 2>/dev/null; then
	cat >"$scratch/fibers.php" <<'END'
<?php
for ($i = 0; $i < 2000; $i++) {
	$fibers[$i] = new Fiber(function () { Fiber::suspend(); });
	$fibers[$i]->start();
}
echo "ready\n";
fgets(STDIN);
END
	begin php "$scratch/fibers.php"
	run "$surefree" maps --json "$pid"
	advises fiber_guards
	[ "$(kind fiber_stack)" -eq 2000 ] || fail "php: not 2000 fibers"
	end
fi

# The drop-in's regions are nothing of the program's.
library=$(dirname "$(realpath "$surefree")")/libsurefree-preload.so
if [ -f "$library" ]; then
	begin env LD_PRELOAD="$library" "$victim" threads 3
	run "$surefree" maps --json "$pid"
	expect_json 'd["maps"]["allocator"]' surefree
	[ "$(kind surefree)" -ge 5 ] || fail "no region is known"
	end
fi

# A process whose first thread has ended is looked at by way of another.
begin "$victim" headless 5
until grep -q '^State:.*Z' "/proc/$pid/status"; do :; done
for how in '' --smaps; do
	run "$surefree" maps --json $how "$pid"
	expect_status 0 "maps of one without its first thread"
	expect_json 'd["maps"]["command"]' cli-victim
	[ "$(kind thread_stack)" -ge 5 ] || fail "its threads have no stacks"
done
end

# What cannot be.
run "$surefree" maps
expect_status 2 "no process"
run "$surefree" maps x
expect_status 2 "process x"
run "$surefree" maps $$ --json
expect_status 2 "an option behind the process"
grep -q "'--json' comes behind the process" "$err" || fail "not said"
run "$surefree" maps 999999999
expect_status 3 "no such process"
[ "$(wc -l <"$err")" -eq 1 ] || fail "not one line"
if [ "$(id -u)" -ne 0 ]; then
	run "$surefree" maps 1
	expect_status 3 "process 1"
	grep -q 'as that user or as root' "$err" || fail "no remedy"
fi
exit 0
