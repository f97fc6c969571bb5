# Compiler and linker flags of every MODE. The warnings are a house rule, not a mode.

CC := gcc
AR := ar

WARN := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes \
        -Wmissing-prototypes -Wformat=2 -Wvla -Wswitch-enum -Wnull-dereference -Wwrite-strings
WERROR ?= -Werror

# _FORTIFY_SOURCE needs an optimising build, so all hardening goes with -O2.
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
          -fstack-clash-protection -fcf-protection=full

MODE_CFLAGS_debug   := -Og -g3 -fstack-protector-strong
MODE_CFLAGS_release := -O2 -g $(HARDEN)
MODE_CFLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
                       -fno-sanitize-recover=all
MODE_CFLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
MODE_CFLAGS_cov     := -O0 -g --coverage -fprofile-update=atomic
MODE_CFLAGS_analyze := -O0 -fanalyzer
MODE_CFLAGS_fuzz    := -O1 -g -fno-omit-frame-pointer -Wno-unknown-warning-option \
                       -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all

MODE_LDFLAGS_asan := -fsanitize=address,undefined
MODE_LDFLAGS_tsan := -fsanitize=thread
MODE_LDFLAGS_cov  := --coverage
MODE_LDFLAGS_fuzz := -fsanitize=address,undefined

# libFuzzer is clang's; gcc's warnings are the ones that count, so clang's never stop the build.
ifeq ($(MODE),fuzz)
CC := clang-14
WERROR :=
endif

PACKAGES := libmicrohttpd hiredis libpq libcurl jansson libjwt libuv libcares libsodium zlib \
            openssl libesmtp-1.0 yaml-0.1

# Asked once and only when something is compiled: `make help` and `make deps` need no pkg-config.
# Third-party headers are system headers (-isystem) so that our warnings do not apply to them.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(filter-out -isystem/usr/include/$(shell $(CC) -dumpmachine), \
    $(patsubst -I%,-isystem%,$(shell pkg-config --cflags $(PACKAGES)))))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $(shell pkg-config --libs $(PACKAGES)))$(PKG_LIBS)

# -iquote, not -I: <net/if.h> must stay the system's although libshared/net exists.
INCLUDES := -iquote libshared -iquote . -iquote $(B)

CFLAGS_ALL = -std=gnu17 -D_GNU_SOURCE -pthread -fPIE -ffunction-sections -fdata-sections \
    $(WARN) $(WERROR) $(MODE_CFLAGS_$(MODE)) $(INCLUDES) $(PKG_CFLAGS) $(CFLAGS)

# wslay ships no pkg-config file. --as-needed leaves each daemon with the libraries it really uses.
LDFLAGS_ALL = -pie -pthread -Wl,--as-needed -Wl,-z,relro -Wl,-z,now -Wl,--gc-sections \
    $(MODE_LDFLAGS_$(MODE)) $(LDFLAGS)
LIBS_ALL = $(PKG_LIBS) $(if $(wildcard /usr/include/wslay/wslay.h),-lwslay) -lm
