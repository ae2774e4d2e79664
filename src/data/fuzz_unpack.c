/* Any bytes as a .gz, .xz or .zst: never more comes out than is allowed, and the same comes out twice. */
#include "data/unpack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { LIMIT = 100000 };
    unsigned char *once = NULL, *twice = NULL;
    size_t once_bytes = 0, twice_bytes = 0;
    mu_error err;
    if (!mu_unpack("fuzz", data, size, LIMIT, &once, &once_bytes, &err)) {
        MU_ASSERT(once && once_bytes <= LIMIT);
        /* exactly the size is still allowed, one less is not */
        MU_ASSERT(!mu_unpack("fuzz", data, size, once_bytes, &twice, &twice_bytes, &err));
        MU_ASSERT(once_bytes == twice_bytes && memcmp(once, twice, once_bytes) == 0);
        free(twice);
        MU_ASSERT(once_bytes == 0 || mu_unpack("fuzz", data, size, once_bytes - 1, &twice, &twice_bytes, &err) == MU_E_LIMIT);
        free(once);
    }
    return 0;
}
