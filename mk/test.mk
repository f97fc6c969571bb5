# Tests. T=pattern picks those whose path holds the pattern (and builds only those).

picked = $(if $(T),$(foreach t,$(1),$(if $(findstring $(T),$(t)),$(t))),$(1))

## test: everything: deps, build, unit, integration, end to end; ends with `N passed, N failed`
.PHONY: test
test:
	$(Q)scripts/deps.sh build run test
	$(Q)$(MAKE) $(JOBS) all test-programs
	@tests/kit/test.sh $(B) unit integration e2e chaos contract

## test-programs: build every unit, integration and chaos test program
.PHONY: test-programs
test-programs: $(UNIT_TESTS) $(INTEGRATION_TESTS) $(CHAOS_TESTS)

## test-unit: build and run the unit tests
.PHONY: test-unit
test-unit: $(call picked,$(UNIT_TESTS))
	@tests/kit/test.sh $(B) unit

## test-integration: build and run the integration tests with a private PostgreSQL and Redis
.PHONY: test-integration
test-integration: all $(call picked,$(INTEGRATION_TESTS))
	@tests/kit/test.sh $(B) integration contract

## test-e2e: build everything and run the end to end tests
.PHONY: test-e2e
test-e2e: all
	@tests/kit/test.sh $(B) e2e contract

## coverage: line coverage per folder of the unit and integration tests
.PHONY: coverage
coverage:
	$(Q)scripts/deps.sh build run test
	$(Q)$(MAKE) $(JOBS) MODE=cov all test-programs
	@find $(O)/cov -name '*.gcda' -delete
	@tests/kit/test.sh $(O)/cov unit integration || echo 'coverage: of tests that failed, too' >&2
	@scripts/coverage.py $(O)/cov

## test-chaos: kill daemons and stores under load, 1000 times (CHAOS_KILLS; CHAOS_SEED repeats an order of events)
.PHONY: test-chaos
test-chaos: all $(call picked,$(CHAOS_TESTS))
	@CHAOS_KILLS=$${CHAOS_KILLS:-1000} CHAOS_SECONDS=3600 tests/kit/test.sh $(B) chaos

## test-contract: look for replies that the API's description does not foresee (schemathesis; minutes)
.PHONY: test-contract
test-contract: all
	@tests/contract/run.sh $(B) $(ST)
