# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
#
# Processes to look at, for tests of the command; see hold.c. To be sourced
# after lib.sh. $hold is the program, $scratch a folder.

# hold_start NAME: start one; its process number is in hold_pid. NAME is also
# its command name, and it has that when this returns. One at a time can be told
# something.
hold_start() {
	cp "$hold" "$scratch/$1"
	mkfifo "$scratch/$1.in" "$scratch/$1.out"
	"$scratch/$1" <"$scratch/$1.in" >"$scratch/$1.out" 2>/dev/null 9>&- &
	hold_pid=$!
	exec 7>"$scratch/$1.in" 8<"$scratch/$1.out"
	rm "$scratch/$1.in" "$scratch/$1.out"
	read -r answer <&8 || answer=
	[ "$answer" = ready ] || fail "$hold: not a process to look at"
}

# hold_do WORDS: have it done by the one that was started last.
hold_do() {
	echo "$*" >&7
	read -r answer <&8
	[ "${answer%% *}" = "done" ] || fail "hold: $*: $answer"
}

# hold_end: end it, and wait for that.
hold_end() {
	exec 7>&- 8<&-
	wait "$hold_pid" || :
}

# lines PID: its mappings as the kernel lists them.
lines() {
	grep -vc '\[vsyscall\]$' "/proc/$1/maps"
}
