/* Walking over the 512-byte headers of a tar archive. */
#include "data/tar.h"

#include <string.h>

enum { BLOCK = 512, NAME_BYTES = 100, SIZE_AT = 124, SIZE_BYTES = 12, SUM_AT = 148, SUM_BYTES = 8, TYPE_AT = 156, MAGIC_AT = 257 };

bool mu_is_tar(const unsigned char *data, size_t size_bytes)
{
    return size_bytes >= BLOCK && memcmp(data + MAGIC_AT, "ustar", 5) == 0;
}

/* Octal digits up to a blank or a zero. False: something else stands there. */
static bool read_octal(const unsigned char *at, size_t length, uint64_t *out)
{
    size_t i = 0;
    *out = 0;
    while (i < length && at[i] == ' ')
        i++;
    for (; i < length && at[i] >= '0' && at[i] <= '7'; i++)
        *out = *out << 3 | (uint64_t)(at[i] - '0');
    return i == length || at[i] == ' ' || at[i] == '\0';
}

static bool sum_is_right(const unsigned char *header)
{
    uint64_t stated, sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_BYTES ? (unsigned char)' ' : header[i];
    return read_octal(header + SUM_AT, SUM_BYTES, &stated) && stated == sum;
}

static bool is_named(const unsigned char *header, const char *member)
{
    char name[NAME_BYTES + 1];
    memcpy(name, header, NAME_BYTES);
    name[NAME_BYTES] = '\0';
    const char *slash = strrchr(name, '/');
    return strcmp(slash ? slash + 1 : name, member) == 0;
}

mu_status mu_tar_find(const char *name, const unsigned char *data, size_t size_bytes, const char *member, const unsigned char **out,
                      size_t *out_size_bytes, mu_error *err)
{
    size_t at = 0;
    while (size_bytes - at >= BLOCK && data[at]) { /* a block of zeros ends the archive */
        const unsigned char *header = data + at;
        uint64_t length;
        if (!sum_is_right(header) || !read_octal(header + SIZE_AT, SIZE_BYTES, &length))
            return mu_error_set(err, MU_E_PARSE, "%s: byte %zu of the archive is not the begin of a sound tar header", name, at);
        at += BLOCK;
        if (length > size_bytes - at)
            return mu_error_set(err, MU_E_PARSE, "%s: the member at byte %zu of the archive should have %llu bytes, only %zu follow", name, at,
                                (unsigned long long)length, size_bytes - at);
        char type = (char)header[TYPE_AT];
        if ((type == '0' || type == '\0') && is_named(header, member)) {
            *out = data + at;
            *out_size_bytes = (size_t)length;
            return MU_OK;
        }
        size_t padded = ((size_t)length + BLOCK - 1) / BLOCK * BLOCK;
        at = padded > size_bytes - at ? size_bytes : at + padded;
    }
    return mu_error_set(err, MU_E_PARSE, "%s: the archive has no member '%s'", name, member);
}
