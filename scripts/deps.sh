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
# Optional: what the command uses of BPF, symbols, the terminal and HTTP.
features='
bpftool:/usr/sbin/bpftool
clang:clang
libbpf-dev:/usr/include/bpf/libbpf.h
libdw-dev:/usr/include/elfutils/libdwfl.h
libmicrohttpd-dev:/usr/include/microhttpd.h
libncurses-dev:/usr/include/ncurses.h
'
testing='
g++:g++
'
bench='
gnuplot-nox:gnuplot
'
# Optional: programs that tests and bench/programs run, allocators that
# bench/malloc compares with. Servers, and what is large, for ci only.
programs='
apache2-utils:ab
curl:curl
duma:/usr/lib/libduma.so.0
electric-fence:/usr/lib/libefence.so.0
git:git
libboost-context-dev:/usr/include/boost/context/fiber.hpp
php-cli:php
python3:python3
redis-tools:redis-benchmark
ruby:ruby
sqlite3:sqlite3
strace:strace
tmux:tmux
zsh:zsh
libpython3.11-testsuite:/usr/lib/python3*/test/test_list.py
'
ci_programs='
crystal:crystal
gdc:gdc
nginx:/usr/sbin/nginx
postgresql:/usr/lib/postgresql/*/bin/initdb
prometheus:promtool
tarantool:tarantool
valgrind:valgrind
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
		optional="$optional $programs $allocators"
		;;
	kernels) wanted="$wanted $build $kernels" ;;
	ci)
		wanted="$wanted $build $testing $kernels $ci"
		optional="$optional $features $programs $ci_programs $allocators"
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
log=$(mktemp) || exit 3
policy=

clean_up() {
	rm -f "$log"
	# shellcheck disable=SC2086 # empty or two words
	[ -z "$policy" ] || $as_root rm -f "$policy"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# Some of what ci wants are servers: no package starts one. Debian's way to say
# so is a file, which somebody may have put there for himself.
if [ ! -e /usr/sbin/policy-rc.d ] && [ -d /usr/sbin ]; then
	policy=/usr/sbin/policy-rc.d
	# shellcheck disable=SC2086 # empty or two words
	printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >"$log" &&
		$as_root chmod 755 $policy
fi

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
