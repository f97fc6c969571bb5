/* What all fuzz targets share: libFuzzer's entry point, and input as a text. */
#ifndef TOCSIN_TESTS_FUZZ_H
#define TOCSIN_TESTS_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Called by libFuzzer with any bytes; anything but returning 0 is a finding. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of the code under test. */
#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

/* The bytes with a terminator, in memory of exactly that size, so that reading past the end is
 * seen. What follows a NUL byte of the input is cut off by the readers of texts. To be freed. */
static inline char *text_of_input(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    MUST(text);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
