#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Sees to it that the tools of the groups named are there: build, test, bench,
# ci, kernels. Installs what is missing with apt where that needs no password;
# otherwise says what to install and exits 3. Quick when nothing is missing.
# What is optional is installed the same way, but nobody fails for lack of it.
set -eu

usage() {
	echo "usage: scripts/deps.sh build|test|bench|ci|kernels ..." >&2
	exit 2
}

# package:what shows that it is there (a command, or a file by its path)
build='
meson:meson
ninja-build:ninja
pkg-config:pkg-config
gcc:gcc
binutils:objcopy
libc6-dev:/usr/include/stdio.h
libjansson-dev:/usr/include/jansson.h
'
# Optional: what the command uses of BPF, of the terminal and of HTTP.
features='
bpftool:/usr/sbin/bpftool
clang:clang
libbpf-dev:/usr/include/bpf/libbpf.h
libmicrohttpd-dev:/usr/include/microhttpd.h
libncurses-dev:/usr/include/ncurses.h
'
testing='
g++:g++
'
bench='
gnuplot-nox:gnuplot
'
# Optional: programs that tests run, allocators that bench/malloc
# compares with. Not redis-server or prometheus, which would start one.
programs='
curl:curl
git:git
php-cli:php
python3:python3
redis-tools:redis-benchmark
sqlite3:sqlite3
tmux:tmux
zsh:zsh
libpython3.11-testsuite:/usr/lib/python3*/test/test_list.py
'
# Optional, for ci: its package would start a server.
server='
prometheus:promtool
'
allocators='
libjemalloc2:/usr/lib/*/libjemalloc.so.2
libmimalloc2.0:/usr/lib/*/libmimalloc.so.2
libtcmalloc-minimal4:/usr/lib/*/libtcmalloc_minimal.so.4
libtbbmalloc2:/usr/lib/*/libtbbmalloc_proxy.so.2
'
kernels='
qemu-system-x86:qemu-system-x86_64
ca-certificates:/etc/ssl/certs/ca-certificates.crt
'
ci='
clang:clang
clang-format:clang-format
clang-tidy:clang-tidy
libclang-rt-14-dev:/usr/lib/llvm-14/lib/clang/14*/lib/linux/libclang_rt.fuzzer-x86_64.a
llvm:llvm-symbolizer
cppcheck:cppcheck
shellcheck:shellcheck
mandoc:mandoc
gcc-aarch64-linux-gnu:aarch64-linux-gnu-gcc
libc6-dev-arm64-cross:/usr/aarch64-linux-gnu/include/stdio.h
qemu-user:qemu-aarch64
util-linux:setpriv
git:git
'

# present WHAT: a command, or a path that may hold wildcards.
present() {
	case $1 in
	/*) # shellcheck disable=SC2086 # the wildcards are meant
		set -- $1
		[ -e "$1" ] ;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}

# Whether installing a package starts none of its servers, as in containers.
nothing_starts() {
	[ -x /usr/sbin/policy-rc.d ] || return 1
	status=0
	/usr/sbin/policy-rc.d any start >/dev/null 2>&1 || status=$?
	[ $status -eq 101 ]
}

[ $# -gt 0 ] || usage
wanted='' optional=''
for group; do
	case $group in
	build)
		wanted="$wanted $build"
		optional="$optional $features"
		;;
	test)
		wanted="$wanted $build $testing"
		optional="$optional $features $programs"
		;;
	bench)
		wanted="$wanted $build $bench"
		optional="$optional $allocators"
		;;
	kernels) wanted="$wanted $build $kernels" ;;
	ci)
		wanted="$wanted $build $testing $kernels $ci"
		optional="$optional $features $programs $allocators"
		! nothing_starts || optional="$optional $server"
		;;
	*) usage ;;
	esac
done

# absent ITEMS: the packages of those that are not there.
absent() {
	for item in $1; do
		present "${item#*:}" || printf ' %s' "${item%%:*}"
	done
}

missing=$(absent "$wanted")
lacking=$(absent "$optional")
[ -n "$missing$lacking" ] || exit 0

if [ "$(id -u)" = 0 ]; then
	as_root=
elif sudo -n true 2>/dev/null; then
	as_root='sudo -n'
else
	as_root=no
fi

if [ "$as_root" = no ] || ! command -v apt-get >/dev/null; then
	[ -z "$lacking" ] || echo "Not installed, optional:$lacking"
	[ -n "$missing" ] || exit 0
	echo "Missing:$missing" >&2
	echo "Install them and try again, on Debian and Ubuntu with" >&2
	echo "    sudo apt-get install --no-install-recommends$missing" >&2
	exit 3
fi

echo "Installing:$missing$lacking"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# apt ARGS...: quiet; what it said is shown only when it fails.
apt() {
	# shellcheck disable=SC2086 # empty or two words
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@" \
		>"$log" 2>&1 </dev/null
}

# install PACKAGES: the lists may be missing or old; they are fetched when the
# first try fails.
install() {
	# shellcheck disable=SC2086 # a list of packages
	apt install --no-install-recommends $1 ||
		{ apt update && apt install --no-install-recommends $1; }
}

if [ -n "$missing" ] && ! install "$missing"; then
	cat "$log" >&2
	echo "Could not install:$missing" >&2
	exit 3
fi

for item in $wanted; do
	if ! present "${item#*:}"; then
		echo "Still missing after installing ${item%%:*}: ${item#*:}" >&2
		exit 3
	fi
done

# One by one: a distribution may not have them all.
[ -z "$lacking" ] || install "$lacking" ||
	for package in $lacking; do
		apt install --no-install-recommends "$package" ||
			echo "Not installed, optional: $package"
	done
