/* What a DNS check found out, and what it means. */
#include "services/worker/kinds/dns_result.h"

#include <string.h>

#include "base/str.h"
#include "json/write.h"

enum { THRESHOLD_PERCENT = 80 };
/* What is written of the answers: together they stay below LIMIT_RESULT_RAW_BYTES. */
enum { RECORDS_MAX = 32, RESOLVER_RECORDS_MAX = 4, RECORD_BYTES = 300 };

enum status dns_said_set(struct dns_said *said, int type, const struct dnsq_reply *reply,
                         struct arena *arena)
{
    const struct dns_answer *a = &reply->answer;
    said->failure = reply->failure;
    (void)str_copy(said->error, sizeof(said->error), reply->error);
    said->rcode = a->rcode;
    said->is_authoritative = a->is_authoritative;
    said->is_authenticated = a->is_authenticated;
    said->took_us = reply->took_us;
    said->count = 0;
    said->records = arena_array(arena, a->count, sizeof(*said->records));
    if (!said->records)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < a->count; i++) {
        if (a->records[i].type != type)
            continue;
        const char *text = arena_strdup(arena, a->records[i].text);
        if (!text)
            return ST_NO_MEMORY;
        if (said->count == 0 || a->records[i].ttl_s < said->ttl_s)
            said->ttl_s = a->records[i].ttl_s;
        said->records[said->count++] = text;
    }
    return ST_OK;
}

static bool has(const struct dns_said *said, int type, const char *text)
{
    for (size_t i = 0; i < said->count; i++) {
        if (dns_text_eq(type, said->records[i], text))
            return true;
    }
    return false;
}

/* The expected record that is missing, NULL: none. */
static const char *missing(const struct dns_config *c, const struct dns_said *said, int type)
{
    for (size_t i = 0; i < dns_texts_count(&c->expected_value); i++) {
        const char *text = dns_texts_at(&c->expected_value, i);
        if (!has(said, type, text))
            return text;
    }
    return NULL;
}

static bool is_expected(const struct dns_config *c, int type, const char *record)
{
    for (size_t i = 0; i < dns_texts_count(&c->expected_value); i++) {
        if (dns_text_eq(type, record, dns_texts_at(&c->expected_value, i)))
            return true;
    }
    return false;
}

/* The record that is one too many, NULL: none. */
static const char *surplus(const struct dns_config *c, const struct dns_said *said, int type)
{
    if (!c->exact.set || !c->exact.v)
        return NULL;
    for (size_t i = 0; i < said->count; i++) {
        if (!is_expected(c, type, said->records[i]))
            return said->records[i];
    }
    return NULL;
}

static bool is_same(const struct dns_said *a, const struct dns_said *b, int type)
{
    if (a->failure != DNSQ_OK || b->failure != DNSQ_OK || a->count == 0 || b->count == 0)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!has(b, type, a->records[i]))
            return false;
    }
    for (size_t i = 0; i < b->count; i++) {
        if (!has(a, type, b->records[i]))
            return false;
    }
    return true;
}

/* "192.0.2.1, 192.0.2.2", cut to fit. */
static const char *listed(const struct dns_said *said, char out[LIMIT_RESULT_MESSAGE])
{
    AUTO_BUF text;
    buf_init(&text, LIMIT_RESULT_MESSAGE - 1);
    for (size_t i = 0; i < said->count; i++) {
        buf_str(&text, i > 0 ? ", " : "");
        buf_str(&text, said->records[i]);
    }
    (void)str_copy(out, LIMIT_RESULT_MESSAGE, buf_cstr(&text));
    return out;
}

/* Why a server's word is no records; false: it is. */
static bool is_silent(const struct dns_said *said, const struct dns_findings *f,
                      struct probe_result *out)
{
    const char *type = dns_type_name(f->type);
    const char *rcode = dns_rcode_name(said->rcode);
    if (said->failure != DNSQ_OK)
        probe_result_set(out, RESULT_ERROR, "DNS query for %s failed: %s", f->name, said->error);
    else if (said->rcode == 3)
        probe_result_set(out, RESULT_ERROR, "The name %s does not exist", f->name);
    else if (said->rcode != 0)
        probe_result_set(out, RESULT_ERROR, "The name server answered %s for %s",
                         rcode ? rcode : "an unknown error", f->name);
    else if (said->count == 0)
        probe_result_set(out, RESULT_ERROR, "%s has no %s record", f->name, type);
    else
        return false;
    return true;
}

bool dns_judge_main(const struct dns_config *c, const struct dns_findings *f,
                    struct probe_result *out)
{
    char list[LIMIT_RESULT_MESSAGE];
    const char *type = dns_type_name(f->type);
    if (is_silent(&f->main, f, out))
        return false;
    const char *wanted = missing(c, &f->main, f->type);
    const char *extra = surplus(c, &f->main, f->type);
    if (wanted)
        probe_result_set(out, RESULT_ERROR, "%s record of %s is %.200s, expected %.200s", type,
                         f->name, listed(&f->main, list), wanted);
    else if (extra)
        probe_result_set(out, RESULT_ERROR, "%s has an unexpected %s record: %.200s", f->name, type,
                         extra);
    else if (c->check_dnssec.v && !f->main.is_authenticated)
        probe_result_set(out, RESULT_ERROR,
                         "The name server did not validate the answer for %s by DNSSEC", f->name);
    else
        return true;
    return false;
}

static bool judge_owner(const struct dns_findings *f, struct probe_result *out)
{
    char list[LIMIT_RESULT_MESSAGE];
    if (!f->has_owner)
        return true;
    if (f->owner.failure != DNSQ_OK)
        probe_result_set(out, RESULT_ERROR, "No authoritative name server of %s answered: %s",
                         f->name, f->owner.error);
    else if (!f->owner.is_authoritative)
        probe_result_set(out, RESULT_ERROR, "The answer of %s for %s is not authoritative",
                         f->owner.server ? f->owner.server : "the name server", f->name);
    else if (!is_same(&f->main, &f->owner, f->type))
        probe_result_set(out, RESULT_ERROR,
                         "The authoritative name server %s says otherwise: %.200s",
                         f->owner.server ? f->owner.server : "",
                         f->owner.count ? listed(&f->owner, list) : "no record");
    else
        return true;
    return false;
}

static size_t agreeing(const struct dns_findings *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->resolver_count; i++)
        n += is_same(&f->main, &f->resolvers[i], f->type);
    return n;
}

static double percent_of(const struct dns_findings *f)
{
    return f->resolver_count ? 100.0 * (double)agreeing(f) / (double)f->resolver_count : 100;
}

/* --- raw data --- */

static void put_records(struct jw *w, const struct dns_said *said, size_t max)
{
    jw_key(w, "records");
    jw_array(w);
    for (size_t i = 0; i < said->count && i < max; i++)
        jw_strn(w, said->records[i], strnlen(said->records[i], RECORD_BYTES));
    jw_end(w);
    jw_kv_i64(w, "record_count", (int64_t)said->count);
}

static void put_said(struct jw *w, const struct dns_said *said, size_t max)
{
    const bool came = said->failure == DNSQ_OK;
    jw_kv_str(w, "nameserver", said->server);
    jw_kv_str(w, "rcode", came ? dns_rcode_name(said->rcode) : NULL);
    put_records(w, said, max);
    jw_key(w, "ttl");
    if (said->count > 0)
        jw_i64(w, said->ttl_s);
    else
        jw_null(w);
    jw_kv_bool(w, "authoritative", said->is_authoritative);
    jw_kv_bool(w, "authenticated", said->is_authenticated);
    jw_kv_i64(w, "query_us", said->took_us);
    if (!came)
        jw_kv_str(w, "error", dnsq_failure_name(said->failure));
}

static void put_propagation(struct jw *w, const struct dns_findings *f)
{
    jw_key(w, "propagation");
    jw_object(w);
    jw_kv_i64(w, "total", (int64_t)f->resolver_count);
    jw_kv_i64(w, "consistent", (int64_t)agreeing(f));
    jw_kv_f64(w, "percent", percent_of(f));
    jw_key(w, "resolvers");
    jw_array(w);
    for (size_t i = 0; i < f->resolver_count; i++) {
        jw_object(w);
        jw_kv_bool(w, "consistent", is_same(&f->main, &f->resolvers[i], f->type));
        put_said(w, &f->resolvers[i], RESOLVER_RECORDS_MAX);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

static void put_raw(const struct dns_findings *f, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_object(&w);
    jw_kv_str(&w, "name", f->name);
    jw_kv_str(&w, "record_type", dns_type_name(f->type));
    put_said(&w, &f->main, RECORDS_MAX);
    if (f->has_owner) {
        jw_key(&w, "authoritative_answer");
        jw_object(&w);
        put_said(&w, &f->owner, RECORDS_MAX);
        jw_end(&w);
    }
    if (f->resolver_count > 0)
        put_propagation(&w, f);
    jw_end(&w);
}

void dns_judge(const struct dns_config *c, const struct dns_findings *f, struct probe_result *out)
{
    char list[LIMIT_RESULT_MESSAGE];
    double threshold = c->propagation_threshold.set ? c->propagation_threshold.v
                                                    : THRESHOLD_PERCENT;
    out->response_us = f->main.failure == DNSQ_OK ? f->main.took_us : -1;
    if (dns_judge_main(c, f, out) && judge_owner(f, out)) {
        if (percent_of(f) < threshold)
            probe_result_set(out, RESULT_WARNING,
                             "%zu of %zu resolvers agree on the %s record of %s", agreeing(f),
                             f->resolver_count, dns_type_name(f->type), f->name);
        else
            probe_result_set(out, RESULT_SUCCESS, "%s record of %s is %.300s",
                             dns_type_name(f->type), f->name, listed(&f->main, list));
    }
    buf_reset(&out->raw);
    put_raw(f, &out->raw);
}
