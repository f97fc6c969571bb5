/* Reading an outbox row's payload. */
#include "services/notifier/event.h"

#include <math.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"

/* A member's text with control characters made blanks: it may stand in a header or a line. */
static const char *text_of(const json_t *payload, const char *name, struct arena *arena)
{
    const char *value = json_string_value(json_object_get(payload, name));
    char *copy = arena_strdup(arena, value ? value : "");
    for (char *p = copy; p && *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    }
    return copy;
}

/* "check.down" → "DOWN" */
static const char *label_of(const char *event, struct arena *arena)
{
    const char *dot = strrchr(event, '.');
    char *label = arena_strdup(arena, dot ? dot + 1 : event);
    for (char *p = label; p && *p; p++) {
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 32);
    }
    return label;
}

const char *event_duration(double seconds, struct arena *arena)
{
    const int64_t s = (int64_t)fmin(fmax(seconds, 0), 1e12);
    if (s < 60)
        return arena_printf(arena, "%d s", (int)s);
    if (s < 3600)
        return arena_printf(arena, "%d min %d s", (int)(s / 60), (int)(s % 60));
    if (s < 86400)
        return arena_printf(arena, "%d h %d min", (int)(s / 3600), (int)(s % 3600 / 60));
    return arena_printf(arena, "%lld d %d h", (long long)(s / 86400), (int)(s % 86400 / 3600));
}

static const char *link_of(const struct delivery_row *row, const char *public_url,
                           struct arena *arena)
{
    char id[UUID_TEXT_BYTES];
    size_t len = strlen(public_url);
    while (len > 0 && public_url[len - 1] == '/')
        len--;
    if (!uuid_is_nil(&row->incident_id)) {
        uuid_format(&row->incident_id, id);
        return arena_printf(arena, "%.*s/api/v1/incidents/%s", (int)len, public_url, id);
    }
    if (!uuid_is_nil(&row->check_id)) {
        uuid_format(&row->check_id, id);
        return arena_printf(arena, "%.*s/checks/%s", (int)len, public_url, id);
    }
    return arena_printf(arena, "%.*s/", (int)len, public_url);
}

static bool is_complete(const struct event_view *v)
{
    return v->label && v->name && v->message && v->kind && v->target && v->severity && v->state &&
           v->previous_state && v->at && v->started_at && v->duration && v->link;
}

enum status event_view_make(const struct delivery_row *row, const char *public_url,
                            struct arena *arena, struct event_view *out)
{
    AUTO_JSON payload = NULL;
    TRY(json_parse(row->payload, strlen(row->payload), &payload, NULL));
    const json_t *duration = json_object_get(payload, "duration_s");
    const bool has_check = json_object_get(payload, "check_name") != NULL;
    const struct event_view v = {
        .label = label_of(row->event, arena),
        .name = text_of(payload, has_check ? "check_name" : "channel_name", arena),
        .message = text_of(payload, "message", arena),
        .kind = text_of(payload, "kind", arena),
        .target = text_of(payload, "target", arena),
        .severity = text_of(payload, "severity", arena),
        .state = text_of(payload, "state", arena),
        .previous_state = text_of(payload, "previous_state", arena),
        .at = text_of(payload, "at", arena),
        .started_at = text_of(payload, "started_at", arena),
        .duration = json_is_number(duration) ? event_duration(json_number_value(duration), arena)
                                             : "",
        .link = link_of(row, public_url, arena),
    };
    if (!is_complete(&v))
        return ST_NO_MEMORY;
    *out = v;
    return ST_OK;
}
