/* What the two halves of store/results.h share. */
#ifndef TOCSIN_STORE_RESULTS_LIST_H
#define TOCSIN_STORE_RESULTS_LIST_H

#include "store/results.h"

/* Reads a row into a struct result; its strings go to the arena. */
NODISCARD enum status result_read_row(const PGresult *r, int row, struct arena *arena, void *out);

#endif
