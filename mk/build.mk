# Objects, archives and programs, all by wildcard. A folder that does not exist gives nothing.

rwildcard = $(foreach d,$(wildcard $(1)/*),$(call rwildcard,$(d),$(2))$(filter $(2),$(d)) )
objs_of = $(patsubst %.c,$(B)/obj/%.o,$(1))

SERVICES := api scheduler worker notifier ingest

SHARED_SRC := $(strip $(call rwildcard,libshared,%.c))
# Parts with a main.c: their program is main.c over an archive of the rest, which tests link too.
PARTS := $(SERVICES:%=services/%) cli agent
part_src = $(strip $(call rwildcard,$(1),%.c))
program_of = $(B)/bin/$(if $(filter cli,$(1)),tocsin,tocsin-$(notdir $(1)))

KIT_SRC := $(strip $(call rwildcard,tests/kit,%.c))
UNIT_SRC := $(strip $(call rwildcard,tests/unit,%_test.c))
INTEGRATION_SRC := $(strip $(call rwildcard,tests/integration,%_test.c))
CHAOS_SRC := $(strip $(call rwildcard,tests/chaos,%_test.c))
# What the tests of one folder share: its sources that are no test.
FIXTURE_SRC := $(filter-out %_test.c,$(strip $(foreach d,unit integration chaos,$(call rwildcard,tests/$(d),%.c))))
FUZZ_SRC := $(strip $(call rwildcard,tests/fuzz,%_fuzz.c))
BENCH_COMMON_SRC := $(strip $(wildcard bench/common/*.c))
BENCH_SRC := $(filter-out $(BENCH_COMMON_SRC),$(strip $(wildcard bench/*/*.c)))

LIBTOCSIN := $(B)/lib/libtocsin.a
LIBKIT := $(B)/lib/libkit.a

# $(call archive_rule,archive,objects): the list makes a removed source leave the archive.
define archive_rule
$(call list_rule,$(1).list,$(2))
$(1): $(2) $(1).list
	$$(say) AR $$@
	$$(Q)rm -f $$@ && $(AR) rcs $$@ $(2)
endef

$(eval $(call archive_rule,$(LIBTOCSIN),$(call objs_of,$(SHARED_SRC)) $(GEN_OBJS)))
$(eval $(call archive_rule,$(LIBKIT),$(call objs_of,$(KIT_SRC))))

LINK = $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@

# $(call part_rule,folder)
define part_rule
LIB_$(1) := $(B)/lib/lib$(notdir $(1)).a
$(call archive_rule,$(B)/lib/lib$(notdir $(1)).a,$(call objs_of,$(filter-out $(1)/main.c,$(call part_src,$(1)))))
PART_LIBS += $(B)/lib/lib$(notdir $(1)).a
ifneq ($(wildcard $(1)/main.c),)
BINS += $(call program_of,$(1))
$(call program_of,$(1)): $(B)/obj/$(1)/main.o $(B)/lib/lib$(notdir $(1)).a $(LIBTOCSIN) $(B)/flags
	$$(say) LINK $$@
	@mkdir -p $$(@D)
	$$(Q)$$(LINK) $$(filter %.o %.a,$$^) $$(LIBS_ALL)
endif
endef

$(foreach p,$(PARTS),$(if $(call part_src,$(p)),$(eval $(call part_rule,$(p)))))

.PHONY: libs bins
libs: $(if $(SHARED_SRC)$(GEN_NAMES),$(LIBTOCSIN)) $(PART_LIBS)
bins: $(BINS)

# The archives a test or a benchmark needs beside libtocsin: those whose folder its path names. They
# follow the kit, which starts a whole API.
libs_for = $(foreach p,$(PARTS),$(if $(findstring /$(p)/,/$(1)),$(LIB_$(p))))
fixtures_for = $(foreach f,$(FIXTURE_SRC),$(if $(filter $(dir $(1)),$(dir $(f))),$(f)))

# $(call test_rule,source)
define test_rule
$(B)/$(1:%.c=%): $(B)/obj/$(1:%.c=%.o) $(call objs_of,$(call fixtures_for,$(1))) $(if $(KIT_SRC),$(LIBKIT)) $(call libs_for,$(1)) $(LIBTOCSIN) $(B)/flags
	$$(say) LINK $$@
	@mkdir -p $$(@D)
	$$(Q)$$(LINK) $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LIBS_ALL) -lcmocka
endef

$(foreach t,$(UNIT_SRC) $(INTEGRATION_SRC) $(CHAOS_SRC),$(eval $(call test_rule,$(t))))

# $(call bench_rule,source): benchmarks may drive any part, so they see every archive.
define bench_rule
$(B)/$(1:%.c=%): $(B)/obj/$(1:%.c=%.o) $(call objs_of,$(BENCH_COMMON_SRC)) $(PART_LIBS) $(LIBTOCSIN) $(B)/flags
	$$(say) LINK $$@
	@mkdir -p $$(@D)
	$$(Q)$$(LINK) $$(filter %.o %.a,$$^) $$(LIBS_ALL)
endef

$(foreach t,$(BENCH_SRC),$(eval $(call bench_rule,$(t))))

# $(call fuzz_rule,source)
define fuzz_rule
$(B)/$(1:%.c=%): $(B)/obj/$(1:%.c=%.o) $(PART_LIBS) $(LIBTOCSIN) $(B)/flags
	$$(say) LINK $$@
	@mkdir -p $$(@D)
	$$(Q)$$(LINK) -fsanitize=fuzzer $$(filter %.o %.a,$$^) $$(LIBS_ALL)
endef

$(foreach t,$(FUZZ_SRC),$(eval $(call fuzz_rule,$(t))))

UNIT_TESTS := $(UNIT_SRC:%.c=$(B)/%)
INTEGRATION_TESTS := $(INTEGRATION_SRC:%.c=$(B)/%)
CHAOS_TESTS := $(CHAOS_SRC:%.c=$(B)/%)
FUZZERS := $(FUZZ_SRC:%.c=$(B)/%)

# Changing a flag rebuilds everything of that mode.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LIBS_ALL)' | cmp -s - $@ || \
	    printf '%s\n' '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LIBS_ALL)' > $@

# cmocka gives every case a state argument, needed or not.
COMPILE = $(CC) $(CFLAGS_ALL) $(if $(filter tests/%,$<),-Wno-unused-parameter) -MMD -MP -c -o $@ $<

$(B)/obj/gen/%.o: $(GEN)/%.c $(B)/flags | $(GEN_HEADERS)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(COMPILE)

$(B)/obj/%.o: %.c $(B)/flags | $(GEN_HEADERS)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(COMPILE)

ALL_SRC := $(SHARED_SRC) $(foreach p,$(PARTS),$(call part_src,$(p))) $(KIT_SRC) $(UNIT_SRC) \
           $(INTEGRATION_SRC) $(CHAOS_SRC) $(FIXTURE_SRC) $(BENCH_SRC) $(BENCH_COMMON_SRC)
ALL_OBJS := $(call objs_of,$(ALL_SRC) $(FUZZ_SRC)) $(GEN_OBJS)
.SECONDARY: $(ALL_OBJS)

-include $(ALL_OBJS:.o=.d)
