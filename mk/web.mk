# The pages that show the API's description, the same for every MODE.

WEB := $(O)/web

## web: fetch and make the documentation pages (Swagger UI, ReDoc); offline it says so and goes on
.PHONY: web
web: $(B)/bin/tocsin-ingest
	$(Q)rm -f $(WEB).tried
	$(Q)scripts/web.sh $(WEB) $<

# As a part of a build: quiet while nothing changed, and not tried again within an hour of failing.
.PHONY: web-if-possible
web-if-possible: $(B)/bin/tocsin-ingest
	$(Q)scripts/web.sh $(WEB) $<
