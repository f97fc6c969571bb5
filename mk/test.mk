# Tests: unit, integration, end to end. T=pattern picks those whose path holds the pattern.

picked = $(if $(T),$(foreach t,$(1),$(if $(findstring $(T),$(t)),$(t))),$(1))

## test-programs: build every unit and integration test program
.PHONY: test-programs
test-programs: $(UNIT_TESTS) $(INTEGRATION_TESTS)
