/* Windows over a text: `length` symbols, and the one after them as the label. */
#ifndef MUSTER_DATA_WINDOWS_H
#define MUSTER_DATA_WINDOWS_H

#include "data/symbols.h"

/* Examples over symbols[0 .. count), one every `step`; they overlap in memory too. Takes `symbols` (malloc'ed) in any case.
 * MU_E_RANGE: not even one window fits. */
mu_status mu_windows_make(const char *name, uint8_t *symbols, size_t count, uint32_t length, uint32_t step, mu_example_pool *out, mu_error *err);

#endif
