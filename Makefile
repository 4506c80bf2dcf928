# SPDX-License-Identifier: GPL-2.0-or-later
# The commands of the README. meson does the building; this only saves typing.

BUILD ?= build

.PHONY: all run test test-vm mutate lint bench install clean dependencies

all: dependencies
	@scripts/build $(BUILD)

run: all
	@scripts/as-root $(BUILD)/src/cli/memhint demo

test: dependencies
	@scripts/test

test-vm:
	@scripts/dependencies vm
	@scripts/test-vm

mutate: dependencies
	@scripts/mutate

lint: dependencies
	@scripts/lint

bench: all
	@scripts/bench $(BUILD)

install: all
	$(if $(DESTDIR),,scripts/as-root) meson install -C $(BUILD) --no-rebuild
	$(if $(DESTDIR),,scripts/as-root /sbin/ldconfig)

clean:
	rm -rf build build-*

dependencies:
	@scripts/dependencies
