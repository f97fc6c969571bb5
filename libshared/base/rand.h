/* Random numbers: rand_bytes for secrets and ids; rand_below for jitter and sampling. */
#ifndef TOCSIN_BASE_RAND_H
#define TOCSIN_BASE_RAND_H

#include "base/defs.h"

/* From the kernel's generator; aborts when the kernel has none (a machine that cannot go on). */
void rand_bytes(void *out, size_t len);
/* Uniform in [0, n); n > 0. Cheap, per thread, not for secrets. */
uint64_t rand_below(uint64_t n);
/* Exponential backoff with full jitter: uniform in [0, min(cap, base << attempt)] (Brooker, AWS
 * Architecture Blog 2015). attempt counts from 0; times in ms. */
int64_t rand_backoff_ms(int attempt, int64_t base_ms, int64_t cap_ms);

#endif
