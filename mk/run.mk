# Running Tocsin from the tree: see scripts/run.sh.

RUNNER = env BIN_DIR=$(abspath $(O))/release/bin scripts/run.sh

# All cores unless the caller chose.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: run-prepare
run-prepare:
	@$(RUNNER) check
	@scripts/deps.sh build run
	@scripts/deps.sh web || echo 'web: going on without Node.js' >&2
	$(Q)$(MAKE) $(JOBS) MODE=release bins web-if-possible

## run: install, build and run a whole Tocsin here; Ctrl-C drains and stops it
.PHONY: run
run: run-prepare
	@exec $(RUNNER) run

## up: the same in the background
.PHONY: up
up:
	@$(RUNNER) check 2>/dev/null || { $(RUNNER) up; exit; }; \
	    $(MAKE) run-prepare && exec $(RUNNER) up

## down: drain and stop what `make up` or `make run` started
.PHONY: down
down:
	@exec $(RUNNER) down

## status: processes, readiness, ports and memory
.PHONY: status
status:
	@exec $(RUNNER) status

## logs: follow the logs of all processes
.PHONY: logs
logs:
	@exec $(RUNNER) logs

## reset: stop, and remove all data
.PHONY: reset
reset:
	@exec $(RUNNER) reset
