# What a developer runs by hand and CI runs again: format, analysis, checks, editor support.

CLANG_FORMAT ?= clang-format-14
C_FILES = $(strip $(foreach d,libshared services cli agent tests bench,$(call rwildcard,$(d),%.c %.h)))

## format: rewrite every C file as .clang-format says
.PHONY: format
format:
	$(Q)$(if $(C_FILES),$(CLANG_FORMAT) -i $(C_FILES),:)

## format-check: fail if `make format` would change anything
.PHONY: format-check
format-check:
	$(Q)$(if $(C_FILES),$(CLANG_FORMAT) --dry-run -Werror $(C_FILES),:)

## analyze: gcc -fanalyzer over every source, warnings are errors
.PHONY: analyze analyze-objects
analyze:
	$(Q)$(MAKE) MODE=analyze analyze-objects
analyze-objects: $(call objs_of,$(SHARED_SRC) $(foreach p,$(PARTS),$(call part_src,$(p)))) $(GEN_OBJS)

## fuzzers: build every fuzz target with clang's libFuzzer
.PHONY: fuzzers fuzz-programs
fuzzers:
	$(Q)$(MAKE) MODE=fuzz fuzz-programs
fuzz-programs: $(FUZZERS)

## fuzz: run every fuzz target for SECONDS (20) each, two at a time; a finding fails
.PHONY: fuzz
fuzz:
	$(Q)scripts/deps.sh build fuzz
	$(Q)$(MAKE) fuzzers
	$(Q)tests/fuzz/run.sh $(O)/fuzz $(or $(SECONDS),20) $(FUZZ_SRC)

## compile-commands: write compile_commands.json for editors and clang tools
.PHONY: compile-commands
compile-commands: $(GEN_HEADERS)
	$(Q){ printf '['; sep=; \
	    for f in $(ALL_SRC); do \
	        printf '%s\n{"directory":"%s","file":"%s","command":"%s -c %s"}' \
	            "$$sep" '$(CURDIR)' "$$f" '$(CC) $(CFLAGS_ALL)' "$$f"; sep=,; \
	    done; printf '\n]\n'; } > compile_commands.json

## deps: install the Debian packages for building, running and testing (root or sudo)
.PHONY: deps
deps:
	$(Q)scripts/deps.sh build run test

## check: every check that runs no test: format, layering, hygiene, drift, unused code (make all first)
.PHONY: check
check: format-check
	$(Q)scripts/check/layering.sh
	$(Q)scripts/check/hygiene.sh
	$(Q)scripts/check/drift.sh $(B)/bin/tocsin
	$(Q)scripts/check/unused.sh $(B)/obj

## docs: write the pages that are generated: docs/configuration.md, errors.md, api.md
.PHONY: docs
docs: bins
	$(Q)$(B)/bin/tocsin docs-config >docs/configuration.md
	$(Q)$(B)/bin/tocsin docs-errors >docs/errors.md
	$(Q)scripts/docs-api.sh $(B)/bin >docs/api.md
