/* STARTTLS: nothing in clear text may follow the one answer to it (RFC 3207, section 4.2; the
 * injections found by Poddebniak and others, USENIX Security 2021). */
#include <string.h>
#include <strings.h>

#include "services/notifier/smtp/line.h"

void starttls_guard_client(struct starttls_guard *g, const char *data, size_t len)
{
    static const char command[] = "STARTTLS";
    const size_t n = sizeof(command) - 1;
    *g = (struct starttls_guard){.state = GUARD_OFF};
    if (len >= n && strncasecmp(data, command, n) == 0)
        g->state = GUARD_ASKED;
}

bool starttls_guard_server(struct starttls_guard *g, const char *data, size_t len)
{
    for (size_t i = 0; i < len && g->state != GUARD_OFF; i++) {
        if (g->state == GUARD_ANSWERED)
            return false;
        if (g->line < sizeof(g->head))
            g->head[g->line] = data[i];
        g->line++;
        if (data[i] != '\n')
            continue;
        /* "220-more" goes on, "220 ready" is the end, and so is anything that is no answer. */
        const bool goes_on = g->line >= sizeof(g->head) && g->head[3] == '-';
        g->line = 0;
        if (!goes_on)
            g->state = GUARD_ANSWERED;
    }
    return true;
}
