#!/bin/sh
# SPDX-License-Identifier: MIT
#
# surefree top, driven in a terminal as a person would: keys, sizes, processes
# that grow, are refused memory and end; and the terminal is as it was after.
# usage: top.sh SUREFREE MAN-DIR HOLD
set -u
surefree=$(realpath "$1")
man=$2
hold=$3
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/hold.sh
. "$(dirname "$0")/hold.sh"
scratch=$(mktemp -d)
terminal="tmux -f /dev/null -S $scratch/tmux"
trap '$terminal kill-server 2>/dev/null; rm -rf "$scratch" "$out" "$err"' EXIT
limit=$(cat /proc/sys/vm/max_map_count)
environment=
nr_started=0
# Another run of this test may hold one at the same time.
own=sf-$$
# Or the terminal starts the user's own, and that of nobody is nologin.
export SHELL=/bin/sh

# One screen, as text and as JSON.
run env -u COLUMNS -u LINES "$surefree" top --once -d 1
expect_status 0 "--once"
[ "$(wc -l <"$out")" -le 23 ] || fail "more than a screen"
awk 'length > 80 { exit 1 }' "$out" || fail "wider than a screen"
head -n 1 "$out" | grep -Eq "processes  limit $limit  by (BPF|/proc)" ||
	fail "no head"
grep -q '^ *PID USER  *COMMAND  *MAPPINGS  *%  */MIN  *LEFT' "$out" ||
	fail "no titles"
run env COLUMNS=40 LINES=8 "$surefree" top --once -d 1
[ "$(wc -l <"$out")" -le 7 ] || fail "more than 8 lines"
awk 'length > 40 { exit 1 }' "$out" || fail "wider than 40 columns"
hold_start "$own"
run "$surefree" top --json -d 1 -p "$hold_pid"
expect_status 0 "--json"
documented "$man/surefree-top.1"
row='d["top"]["processes"][0]'
expect_json "[len(d['top']['processes']), ${row}['command'],
	${row}['mappings'], ${row}['growth_per_minute'],
	${row}['seconds_left']]" \
	"[1, '$own', $(lines "$hold_pid"), 0.0, None]"
counted=$(json "d['top']['no_refused'] is None")

# refused STATUS PATTERN ARGS...
refused() {
	wanted=$1 pattern=$2
	shift 2
	run "$surefree" top "$@"
	expect_status "$wanted" "$*"
	grep -q -- "$pattern" "$err" || fail "$*: not '$pattern'"
}
refused 3 "not a terminal; --once prints one screen"
refused 2 "--sort: 'size' is not mappings, growth" --sort size
refused 2 "--delay: '0' is out of range" --delay 0
refused 2 "is longer than 31 characters" --filter "$(printf '%050d' 0)"

command -v tmux >/dev/null || skip "the rest needs tmux"

# screen: what the terminal shows now.
screen() {
	$terminal capture-pane -p >"$out"
}

# shows PATTERN: wait until it does.
shows() {
	deadline=$(($(date +%s) + 30))
	until screen && grep -Eq -- "$1" "$out"; do
		$terminal has-session || fail "the terminal has ended"
		[ "$(date +%s)" -lt $deadline ] || fail "does not show '$1'"
		sleep 0.05
	done
}

keys() {
	$terminal send-keys "$@"
}

# wait_file NAME: until the shell in the terminal has written it.
wait_file() {
	deadline=$(($(date +%s) + 30))
	until [ -s "$scratch/$1" ]; do
		[ "$(date +%s)" -lt $deadline ] || fail "no end of top"
		sleep 0.05
	done
}

# start ARGS...: top in a terminal of 80x24, when it has shown something. Its
# number, its status and the terminal's settings after it are in files.
start() {
	rm -f "$scratch/status" "$scratch/after"
	cat >"$scratch/run" <<-END
		trap : INT
		stty -g >'$scratch/before'
		sh -c 'echo \$\$ >"\$0"; exec env "\$@"' '$scratch/pid' \
			$environment '$surefree' top $*
		echo \$? >'$scratch/code'
		stty -g >'$scratch/after'
		mv '$scratch/code' '$scratch/status'
		read -r line
	END
	# A new server: the old one takes its time to end.
	$terminal kill-server 2>/dev/null
	nr_started=$((nr_started + 1))
	terminal="tmux -f /dev/null -S $scratch/tmux$nr_started"
	# The held process ends with the last writer to it.
	$terminal new-session -d -x 80 -y 24 "sh '$scratch/run'" 7>&- 8<&- ||
		fail "no terminal"
	shows 'q leave  \? help'
}

# ends STATUS: top has ended with it, and the terminal is as it was.
ends() {
	wait_file status
	status=$(cat "$scratch/status")
	expect_status "$1" "the end"
	cmp -s "$scratch/before" "$scratch/after" ||
		fail "the terminal is not as it was"
}

# fits COLUMNS LINES: wait until the screen is full, from its head to its keys,
# and no line is cut by the terminal.
fits() {
	shows 'q leave  \? help'
	awk -v n="$1" 'length > n { exit 1 }' "$out" || fail "too wide"
	[ "$(wc -l <"$out")" -eq "$2" ] || fail "not $2 lines"
	head -n 1 "$out" | grep -q 'processes' || fail "no head"
}

# All of it fits 80x24; help is on the screen.
start -d 1
fits 80 24
shows '^ *PID USER'
shows 'R reverse *$'
keys '?'
shows 'Up Down +choose a process'
shows 'REFUSED  *memory calls'
keys Escape
shows '^ *PID USER'

# Sorting.
keys p
shows 'sort: pid'
keys R
shows 'sort: pid \(r\)'
keys R g
shows 'sort: growth$|sort: growth '

# A filter, as one types it, leaves what has it.
keys / "$own"
shows "^filter: ${own}_"
shows '1 of [0-9]* processes'
keys Enter
shows "^ *$hold_pid +[^ ]+ +$own +$(lines "$hold_pid") "

# It grows, is refused memory, and both are seen.
hold_do map 2000
hold_do torn 5
hold_do refused 7
shows "$own +$(lines "$hold_pid") +[0-9]+% +\+[0-9]+ +[0-9]+[smhd]"
if [ "$counted" = True ]; then
	shows "$own +[0-9]+ +[0-9]+% +[^ ]+ +[^ ]+ +7 "
	keys Enter
	shows '^refused +mmap 7'
else
	keys Enter
fi
shows "^process +$hold_pid, $own"
shows "^mappings +$(lines "$hold_pid") of $limit"
shows '^growth +\+[0-9]+ a minute'
hold_end
shows "^process $hold_pid has ended"
keys Escape
shows '0 of [0-9]* processes'
keys / Escape
shows ' ([1-9][0-9]*) of \1 processes'

# Any size.
for size in '40 10' '20 3' '1 1' '200 50' '80 24'; do
	$terminal resize-window -x "${size% *}" -y "${size#* }"
	keys Down
done
shows '^ *PID USER.*RSS *$'
fits 80 24
$terminal resize-window -x 140 -y 40
shows '^ *PID USER.*CONTAINER OR CGROUP'
fits 140 40
keys End
keys PPage
keys Home
keys Space
shows '^stopped'
keys Space

# The end, by a key and by signals.
keys q
ends 0
# signalled SIGNAL STATUS
signalled() {
	start
	kill -s "$1" "$(cat "$scratch/pid")"
	ends "$2"
}
signalled TERM 143
signalled HUP 129
start
keys C-c
ends 130

# A process that is close to the limit has a colour, but not with NO_COLOR.
[ "$limit" -le 200000 ] || exit 0
hold_start "$own"
hold_do map $((limit * 17 / 20))
escape=$(printf '\033')
start -p "$hold_pid"
$terminal capture-pane -ep >"$out"
grep -q "$escape\[.*33.*m.* $own " "$out" || fail "no colour"
environment=NO_COLOR=1
start -p "$hold_pid"
$terminal capture-pane -ep >"$out"
grep -q " $own " "$out" || fail "not shown"
! grep -q "$escape\[[0-9;]*3[13]" "$out" || fail "colour with NO_COLOR"
hold_end
exit 0
