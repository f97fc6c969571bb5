# Tocsin's build: one make process sees everything, sources are found by
# wildcard, and each MODE has its own tree below build/. `make help` lists what can be asked for.

MODE ?= debug
O ?= build
B := $(O)/$(MODE)

MODES := debug release asan tsan cov fuzz analyze
ifeq ($(filter $(MODE),$(MODES)),)
$(error MODE=$(MODE) is not one of: $(MODES))
endif

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

ifeq ($(V),1)
say = @:
Q :=
else
say = @printf '  %-6s %s\n'
Q := @
endif

include mk/flags.mk
include mk/gen.mk
include mk/build.mk
include mk/web.mk
include mk/dev.mk
include mk/test.mk
include mk/run.mk
include mk/bench.mk

## all: build the libraries, the daemons and the tools (MODE=debug|release|asan|tsan|cov)
.PHONY: all
all: libs bins $(if $(filter debug release,$(MODE)),web-if-possible)

## release: the same with MODE=release
.PHONY: release
release:
	$(Q)$(MAKE) MODE=release all

## clean: remove every build tree
.PHONY: clean
clean:
	$(Q)rm -rf $(O) compile_commands.json

## help: this list
.PHONY: help
help:
	@sed -n 's/^## \([a-z0-9|-]*\): /\1\t/p' $(MAKEFILE_LIST) | \
	    awk -F '\t' '{ printf "  %-18s %s\n", $$1, $$2 }'
	@echo
	@echo "  Variables: MODE=$(MODE) of $(MODES); O=$(O) (build root); V=1 shows commands;"
	@echo "             T=pattern picks tests, as in: make test-unit T=base/buf"

FORCE:
.PHONY: FORCE
