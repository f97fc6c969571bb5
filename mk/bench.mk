# Benchmarks: by hand, never in CI, on private servers, each ends with one line of JSON.
# They install the peers they compare with; what cannot be had is left out with a line saying so.

BENCHES := $(BENCH_SRC:%.c=$(B)/%)

## bench-build: build the programs of the benchmarks
.PHONY: bench-build
bench-build: $(BENCHES)

# $(call bench_target,name): a release build, whatever MODE says.
define bench_target
.PHONY: bench-$(1)
bench-$(1):
	$$(Q)scripts/deps.sh build run test
	$$(Q)$$(MAKE) $$(JOBS) MODE=release all bench-build
	@env BENCH_BUILD=$$(abspath $$(O))/release bench/$(1)/run.sh
endef

## bench-queue: no-op jobs, side by side with Celery, RQ, Sidekiq, BullMQ and a bare loop (4 minutes)
## bench-scheduler: a million checks: loading, lag, takeover, kills (6 minutes)
## bench-idle: memory and processor time of all five daemons with nothing to do (1 minute)
## bench-api: one check over HTTP beside FastAPI, lists of 100,000 checks and of a year's history, a thousand parked runs (6 minutes)
$(foreach b,queue scheduler idle api,$(eval $(call bench_target,$(b))))
