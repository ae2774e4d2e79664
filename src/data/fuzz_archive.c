/* Any bytes as a zip and as a tar archive: members lie within the bytes, or are as long as they claim. */
#include "data/tar.h"
#include "data/zip.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The name in the first entry of the directory, so that there is something to take out. */
static void read_first(const mu_zip *zip, const uint8_t *data, size_t size)
{
    char name[256] = "";
    size_t at = zip->directory + 46, length = (size_t)data[zip->directory + 28] | (size_t)data[zip->directory + 29] << 8;
    if (length >= sizeof name)
        return;
    memcpy(name, data + at, length);
    mu_zip_content content;
    mu_error err;
    mu_zip_has(zip, name);
    if (mu_zip_read(zip, name, 1 << 20, &content, &err))
        return;
    MU_ASSERT(content.size_bytes <= 1 << 20);
    if (!content.owned)
        MU_ASSERT(content.data >= data && content.data + content.size_bytes <= data + size);
    free(content.owned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mu_zip zip;
    mu_error err;
    if (!mu_zip_open("fuzz", data, size, &zip, &err) && zip.count)
        read_first(&zip, data, size);
    const unsigned char *member;
    size_t length;
    mu_is_tar(data, size);
    if (!mu_tar_find("fuzz", data, size, "test_batch.bin", &member, &length, &err))
        MU_ASSERT(member >= data && length <= size && member + length <= data + size);
    return 0;
}
