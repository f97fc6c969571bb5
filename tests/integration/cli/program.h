/* Runs the program `tocsin` on the Redis of the test, and knows jobs in each state. */
#ifndef TOCSIN_TESTS_INTEGRATION_CLI_PROGRAM_H
#define TOCSIN_TESTS_INTEGRATION_CLI_PROGRAM_H

#include <stdio.h>

#include "tests/kit/queue.h"

struct known {
    char running[UUID_TEXT_BYTES], queued[UUID_TEXT_BYTES], delayed[UUID_TEXT_BYTES],
        dead[UUID_TEXT_BYTES], gone[UUID_TEXT_BYTES];
};

struct program {
    char output[1 << 20];
};

extern struct program program;

/* Runs `tocsin ARGS` in a shell; what it says is in `output`. */
FILE *program_begin(const char *args);
/* Its exit status; what it said is in program.output. */
int program_finish(FILE *f);
/* Runs it; it must end with this code. */
void program_must(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The output holds this. */
void program_says(const char *part);
/* The output as JSON; the caller frees it. */
json_t *program_parsed(void);
int64_t program_number(const json_t *object, const char *key);
void program_put(struct queue_fixture *f, int64_t delay_ms, int64_t result_ms,
                 char id[UUID_TEXT_BYTES]);
/* One job in each state: dead with a reason that would colour the terminal. */
struct known program_known_jobs(struct queue_fixture *f);

#endif
