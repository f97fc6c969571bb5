/* tocsin secret: a fresh key for TOCSIN_JWT_SECRET or TOCSIN_SECRET_KEY. */
#include <stdio.h>

#include "base/rand.h"
#include "base/str.h"
#include "cli/cli.h"

static int run(struct cli *cli)
{
    (void)cli;
    unsigned char key[32];
    char text[2 * sizeof(key) + 1];
    rand_bytes(key, sizeof(key));
    str_hex(key, sizeof(key), text);
    (void)printf("%s\n", text);
    return CLI_OK;
}

const struct command command_secret = {
    .name = "secret",
    .arguments = "",
    .summary = "print a fresh key for TOCSIN_JWT_SECRET or TOCSIN_SECRET_KEY",
    .needs_no_settings = true,
    .run = run,
};
