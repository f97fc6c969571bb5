/*
 * What only starting needed: relocations, symbol tables and constructors of some 40 libraries,
 * self-tests. Their pages are clean and belong to files, so that a process may let go of them; what
 * it goes on using comes back with one minor fault each. Without this they are counted as
 * memory of every daemon for good.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/daemon_internal.h"

enum { LINE_BYTES = 512 };

struct mapping {
    uintptr_t from, to;
    bool is_clean_file; /* private, not writable, of a file, and nothing in it was written */
};

static void let_go(const struct mapping *m)
{
    /* The address is the kernel's own word. */
    if (m->is_clean_file)
        (void)madvise((void *)m->from, m->to - m->from, MADV_DONTNEED); /* NOLINT */
}

/* A line of smaps: the head of a mapping, or a number about the one before. */
static void read_line(const char *line, struct mapping *m)
{
    unsigned long from = 0, to = 0, inode = 0, kb = 0;
    char access[5] = "";
    if (sscanf(line, "%lx-%lx %4s %*x %*s %lu", &from, &to, access, &inode) == 4) {
        *m = (struct mapping){from, to, inode != 0 && access[1] == '-' && access[3] == 'p'};
        return;
    }
    /* Pages that were written would be lost: those of relocated constants. */
    if ((sscanf(line, "Anonymous: %lu kB", &kb) == 1 || sscanf(line, "Swap: %lu kB", &kb) == 1) &&
        kb > 0)
        m->is_clean_file = false;
    if (strncmp(line, "VmFlags:", 8) == 0)
        let_go(m);
}

void daemon_trim(void)
{
    char line[LINE_BYTES];
    struct mapping m = {0};
    FILE *f = fopen("/proc/self/smaps", "re");
    if (!f)
        return;
    while (fgets(line, sizeof(line), f))
        read_line(line, &m);
    (void)fclose(f);
}
