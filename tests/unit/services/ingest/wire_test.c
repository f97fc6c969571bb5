/* Frames: what goes in comes out; hostile bytes are refused without reading past them. */
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "services/ingest/wire.h"
#include "tests/kit/kit.h"

enum { ARENA_BYTES = 64 << 20, FRAME_MAX = 1 << 20 };

static const double values[] = {0.0, -1.5, 1e308, 5e-324};
static const struct disk_sample disks[] = {
    {.device = "/dev/sda1",
     .mount_point = "/",
     .filesystem = "ext4",
     .total_bytes = 206900281344,
     .used_bytes = SAMPLE_NONE,
     .available_bytes = 0,
     .usage_percent = 18.15,
     .inodes_total = SAMPLE_NONE,
     .inodes_used = 1,
     .inodes_percent = NAN},
    {.device = "d\xc3\xa9", .mount_point = "", .filesystem = ""},
};
static const struct network_sample networks[] = {
    {.interface = "eth0", .bytes_sent = INT64_MAX, .is_up = 1, .drop_out = SAMPLE_NONE}};
static const struct process_sample processes[] = {
    {.pid = 0, .name = "init", .cmdline = "a\tb\n", .username = "", .status = "running"}};

static const struct scrape full = {.host_id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
                                   .at_us = 1706652000000000,
                                   .layout_id = 77,
                                   .values = values,
                                   .value_count = ARRAY_LEN(values),
                                   .disks = disks,
                                   .disk_count = ARRAY_LEN(disks),
                                   .networks = networks,
                                   .network_count = ARRAY_LEN(networks),
                                   .processes = processes,
                                   .process_count = ARRAY_LEN(processes)};

static void put_full(struct buf *frame)
{
    const struct scrape empty = {.at_us = 1};
    buf_init(frame, FRAME_MAX);
    wire_begin(frame, 1706652000000001);
    wire_put(frame, &full);
    wire_put(frame, &empty);
    assert_ok(buf_status(frame));
}

static void what_goes_in_comes_out(void **state)
{
    AUTO_BUF frame;
    put_full(&frame);
    const struct scrape empty = {.at_us = 1};
    assert_int_equal(frame.len, WIRE_HEAD_BYTES + wire_size(&full) + wire_size(&empty));

    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    struct scrape *out = NULL;
    size_t count = 0;
    assert_ok(wire_decode(frame.data, frame.len, arena, &out, &count, NULL));
    assert_int_equal(count, 2);
    assert_true(uuid_eq(&out[0].host_id, &full.host_id));
    assert_int_equal(out[0].at_us, full.at_us);
    assert_int_equal(out[0].received_us, 1706652000000001);
    assert_int_equal(out[0].layout_id, 77);
    assert_memory_equal(out[0].values, values, sizeof(values));
    assert_int_equal(out[0].disk_count, 2);
    assert_string_equal(out[0].disks[0].device, "/dev/sda1");
    assert_int_equal(out[0].disks[0].used_bytes, SAMPLE_NONE);
    assert_true(isnan(out[0].disks[0].inodes_percent));
    assert_string_equal(out[0].disks[1].device, "d\xc3\xa9");
    assert_int_equal(out[0].networks[0].bytes_sent, INT64_MAX);
    assert_string_equal(out[0].processes[0].cmdline, "a\tb\n");
    assert_int_equal(out[1].value_count + out[1].disk_count, 0);
}

static enum status decode(const void *data, size_t len)
{
    /* A copy of just that size, so that a sanitizer sees the first byte too many. */
    AUTO_FREE char *exact = malloc(len ? len : 1);
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    struct scrape *out = NULL;
    size_t count = 0;
    assert_non_null(exact);
    memcpy(exact, data, len);
    return wire_decode(exact, len, arena, &out, &count, NULL);
}

static void every_cut_is_refused(void **state)
{
    AUTO_BUF frame;
    put_full(&frame);
    size_t first = WIRE_HEAD_BYTES + wire_size(&full);
    for (size_t len = 0; len < frame.len; len++) {
        bool is_whole = len == WIRE_HEAD_BYTES || len == first;
        assert_status(is_whole ? ST_OK : ST_INVALID, decode(frame.data, len));
    }
}

/* One byte of a good frame after another, set to what is likely to hurt. */
static void changed_bytes_never_hurt(void **state)
{
    static const unsigned char bad[] = {0x00, 0x7f, 0x80, 0xff};
    AUTO_BUF frame;
    put_full(&frame);
    size_t refused = 0;
    for (size_t i = 0; i < frame.len; i++) {
        for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
            char before = frame.data[i];
            frame.data[i] = (char)bad[k];
            enum status st = decode(frame.data, frame.len);
            assert_true(st == ST_OK || st == ST_INVALID);
            refused += st == ST_INVALID;
            frame.data[i] = before;
        }
    }
    assert_true(refused > 0);
    for (int i = 0; i < 2000; i++) {
        unsigned char rubbish[200];
        rand_bytes(rubbish, sizeof(rubbish));
        memcpy(rubbish, frame.data, WIRE_HEAD_BYTES);
        assert_status(ST_INVALID, decode(rubbish, sizeof(rubbish)));
    }
}

/* One thing wrong at a time. */
static void what_tables_would_refuse_is_refused(void **state)
{
    static const double infinite[] = {INFINITY}, nan_value[] = {NAN};
    static const double many[LIMIT_LAYOUT_SERIES + 1] = {0};
    static char long_text[LIMIT_METRIC_TEXT + 2];
    memset(long_text, 'a', sizeof(long_text) - 1);
    const struct disk_sample no_device = {.device = "", .mount_point = "", .filesystem = ""};
    const struct disk_sample long_device = {
        .device = long_text, .mount_point = "", .filesystem = ""};
    const struct disk_sample bad_text = {.device = "\xff", .mount_point = "", .filesystem = ""};
    const struct process_sample no_pid = {
        .pid = SAMPLE_NONE, .name = "a", .cmdline = "", .username = "", .status = ""};
    const struct scrape rows[] = {
        {.at_us = 0},
        {.at_us = -5},
        {.at_us = INT64_MAX},
        {.at_us = 1, .layout_id = 1},
        {.at_us = 1, .layout_id = 0, .values = values, .value_count = 1},
        {.at_us = 1, .layout_id = -1, .values = values, .value_count = 1},
        {.at_us = 1, .layout_id = 1, .values = infinite, .value_count = 1},
        {.at_us = 1, .layout_id = 1, .values = nan_value, .value_count = 1},
        {.at_us = 1, .layout_id = 1, .values = many, .value_count = ARRAY_LEN(many)},
        {.at_us = 1, .disks = &no_device, .disk_count = 1},
        {.at_us = 1, .disks = &long_device, .disk_count = 1},
        {.at_us = 1, .disks = &bad_text, .disk_count = 1},
        {.at_us = 1, .processes = &no_pid, .process_count = 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF frame;
        buf_init(&frame, FRAME_MAX);
        wire_begin(&frame, 1);
        wire_put(&frame, &rows[i]);
        assert_ok(buf_status(&frame));
        if (decode(frame.data, frame.len) != ST_INVALID)
            fail_msg("row %zu was taken", i);
    }
    static const char *const heads[] = {
        "", "T", "TM", "XM\1aaaaaaaa", "TM\2aaaaaaaa", "TM\1\xff\xff\xff\xff\xff\xff\xff\xff"};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        assert_status(ST_INVALID, decode(heads[i], strlen(heads[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(changed_bytes_never_hurt),
        cmocka_unit_test(what_tables_would_refuse_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
