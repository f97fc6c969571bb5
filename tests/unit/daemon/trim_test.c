/* What is let go of comes back from its file, and nothing that was written is lost. */
#include "daemon/daemon_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { BYTES = 16 << 10 };

/* A private mapping of this program's own file, as libraries are mapped. */
static char *map_file(void)
{
    FILE *f = fopen("/proc/self/exe", "re");
    assert_non_null(f);
    char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(f), 0);
    assert_true(p != MAP_FAILED);
    (void)fclose(f);
    return p;
}

/* KiB of the mapping that are in memory. */
static size_t resident(const char *p)
{
    size_t found = 0;
    char line[512];
    bool is_here = false;
    FILE *f = fopen("/proc/self/smaps", "re");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        unsigned long from = 0, to = 0, kb = 0;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_here = from == (unsigned long)(uintptr_t)p;
        else if (is_here && sscanf(line, "Rss: %lu kB", &kb) == 1)
            found = kb;
    }
    (void)fclose(f);
    return found;
}

static void test_clean_and_written_pages(void **state)
{
    char copy[BYTES];
    char *clean = map_file(), *written = map_file();
    memcpy(copy, clean, BYTES);
    assert_int_equal(mprotect(clean, BYTES, PROT_READ), 0);
    memcpy(written + 5000, "relocated", 9);
    assert_int_equal(mprotect(written, BYTES, PROT_READ), 0);
    assert_true(resident(clean) > 0);
    daemon_trim();
    assert_int_equal(resident(clean), 0);
    assert_memory_equal(written + 5000, "relocated", 9);
    assert_memory_equal(clean, copy, BYTES);
    assert_int_equal(munmap(clean, BYTES) | munmap(written, BYTES), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_clean_and_written_pages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
