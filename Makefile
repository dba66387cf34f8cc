# SPDX-License-Identifier: MIT
#
# The front door. meson and ninja do the work; the options of a build are
# meson's: meson configure build.

BUILD ?= build
PREFIX ?= /usr/local
# A newer compiler may warn of something new: no reason not to build.
MESON_ARGS ?= -Dwerror=false
# Arguments of meson test: make test TEST_ARGS='--suite unit'.
TEST_ARGS ?=
NINJA = ninja -C $(BUILD)

.DEFAULT_GOAL := all
.PHONY: all demo test bench install check-style clean help build-deps

## make           build the library and the command in build/
all: $(BUILD)/build.ninja
	@$(NINJA) --quiet

# A folder that was not configured to the end has no build.ninja.
$(BUILD)/build.ninja: | build-deps
	@meson setup $(BUILD) --prefix=$(PREFIX) $(MESON_ARGS) >$(BUILD).log 2>&1 || \
		{ cat $(BUILD).log; rm -f $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

build-deps:
	@scripts/deps.sh build

## make demo      see plain Linux fail to release memory, and surefree not
demo: all
	@scripts/demo.sh $(BUILD)/surefree

## make test      build and run all tests
test: all
	@scripts/deps.sh test
	@scripts/test.sh $(BUILD) $(TEST_ARGS)

## make bench     measure, against mmap and munmap and against other allocators
bench: all
	@scripts/deps.sh bench
	@$(NINJA) --quiet benches
	@bench/run $(BUILD)

## make install   DESTDIR= and PREFIX=/usr/local say where
install: all
	@meson configure $(BUILD) --prefix=$(PREFIX)
	@meson install -C $(BUILD) $(if $(DESTDIR),--destdir=$(abspath $(DESTDIR)))

## make check-style   format, clang-tidy, cppcheck, shellcheck, man pages
check-style: all
	@scripts/deps.sh ci
	@scripts/style.sh $(BUILD)

## make clean     remove build/
clean:
	rm -rf $(BUILD)

## make help      this list
help:
	@sed -n 's/^## //p' Makefile
