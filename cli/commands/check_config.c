/* tocsin check-config: whether the settings are good, and what they are. */
#include <inttypes.h>

#include "base/str.h"
#include "cli/cli.h"
#include "json/write.h"

enum { OPTION_JSON };
static const struct cli_option options[] = {
    [OPTION_JSON] = {"json", NULL, "Print JSON"},
};

static const char *text_of(struct cli *cli, const struct setting *s)
{
    const void *field = (const char *)&cli->conf + s->offset;
    switch (s->type) {
    case SETTING_STR:
        if (s->flags & SF_SECRET)
            return str_is_empty(*(char *const *)field) ? "" : "********";
        return *(char *const *)field;
    case SETTING_BOOL:
        return *(const bool *)field ? "true" : "false";
    case SETTING_MS:
        return arena_printf(cli->arena, "%" PRId64 "ms", *(const int64_t *)field);
    case SETTING_INT:
        return arena_printf(cli->arena, "%" PRId64, *(const int64_t *)field);
    }
    return "";
}

static int run(struct cli *cli)
{
    AUTO_BUF out;
    struct jw w;
    buf_init(&out, 1 << 20);
    jw_init(&w, &out);
    const bool as_json = cli->option[OPTION_JSON] != NULL;
    if (as_json)
        jw_object(&w);
    for (size_t i = 0; i < conf_settings_count; i++) {
        const struct setting *s = &conf_settings[i];
        const char *name = arena_printf(cli->arena, "TOCSIN_%s", s->name);
        if (!name)
            return cli_fail("out of memory");
        if (as_json)
            jw_kv_str(&w, name, text_of(cli, s));
        else
            buf_printf(&out, "%s=%s\n", name, text_of(cli, s));
    }
    if (as_json) {
        jw_end(&w);
        buf_char(&out, '\n');
    }
    return cli_print(&out);
}

const struct command command_check_config = {
    .name = "check-config",
    .arguments = "",
    .summary = "check the settings and print them, secrets masked",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
