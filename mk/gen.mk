# Generated sources: named SQL queries, Redis scripts and migrations become C tables in
# build/$(MODE)/gen. A header is only touched when its content changes, so editing one query does
# not recompile every store.

GEN := $(B)/gen

SQL_IN := $(sort $(wildcard libshared/store/sql/*.sql libshared/*/sql/*.sql services/*/sql/*.sql))
LUA_IN := $(sort $(wildcard libshared/scripts/*.lua libshared/*/scripts/*.lua))
MIGRATION_IN := $(sort $(wildcard migrations/*.sql))

GEN_NAMES := $(strip $(if $(SQL_IN),queries) $(if $(LUA_IN),scripts) $(if $(MIGRATION_IN),migrations))
GEN_HEADERS := $(GEN_NAMES:%=$(GEN)/%.h)
GEN_OBJS := $(GEN_NAMES:%=$(B)/obj/gen/%.o)

# $(call list_rule,file,words): a file that changes when the list of words does, so that adding or
# removing a source is noticed too.
define list_rule
$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' $(2) | cmp -s - $$@ || printf '%s\n' $(2) > $$@
endef

# $(call gen_rule,name,inputs)
define gen_rule
$(call list_rule,$(GEN)/$(1).list,$(2))
$(GEN)/$(1).stamp: $(2) mk/gen-$(1).awk mk/gen.awk mk/gen.sh $(GEN)/$(1).list
	$$(say) GEN $(1)
	$$(Q)sh mk/gen.sh $(1) $(GEN) $(2)
	@touch $$@
$(GEN)/$(1).h $(GEN)/$(1).c: $(GEN)/$(1).stamp
	@test -f $$@
endef

$(foreach n,$(filter queries,$(GEN_NAMES)),$(eval $(call gen_rule,$(n),$(SQL_IN))))
$(foreach n,$(filter scripts,$(GEN_NAMES)),$(eval $(call gen_rule,$(n),$(LUA_IN))))
$(foreach n,$(filter migrations,$(GEN_NAMES)),$(eval $(call gen_rule,$(n),$(MIGRATION_IN))))

## gen: the generated sources alone
.PHONY: gen
gen: $(GEN_HEADERS)
