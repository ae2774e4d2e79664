/* IDX to an array. */
#include "data/idx.h"

static const struct { unsigned char code; mu_element element; } types[] = {
    { 0x08, MU_ELEMENT_U1 }, { 0x09, MU_ELEMENT_I1 }, { 0x0B, MU_ELEMENT_I2 },
    { 0x0C, MU_ELEMENT_I4 }, { 0x0D, MU_ELEMENT_F4 }, { 0x0E, MU_ELEMENT_F8 },
};

bool mu_is_idx(const unsigned char *data, size_t size_bytes)
{
    return size_bytes >= 4 && data[0] == 0 && data[1] == 0 && data[2] >= 0x08 && data[2] <= 0x0E && data[3] > 0;
}

mu_status mu_idx_read(const char *name, const unsigned char *data, size_t size_bytes, mu_array *out, mu_error *err)
{
    if (size_bytes < 4)
        return mu_error_set(err, MU_E_PARSE, "%s: %zu bytes are no IDX file: the header alone has 4 and more", name, size_bytes);
    if (data[0] || data[1])
        return mu_error_set(err, MU_E_PARSE, "%s: begins with bytes %02x %02x, an IDX file with 00 00", name, data[0], data[1]);
    *out = (mu_array){ .name = name, .big_endian = true, .rank = data[3] };
    size_t type = 0;
    while (type < MU_COUNT(types) && types[type].code != data[2])
        type++;
    if (type == MU_COUNT(types))
        return mu_error_set(err, MU_E_PARSE, "%s: byte 2, the element type, is 0x%02x, expected 0x08, 0x09, or 0x0b to 0x0e", name, data[2]);
    out->element = types[type].element;
    if (out->rank == 0 || out->rank > MU_ARRAY_RANK_MAX)
        return mu_error_set(err, MU_E_PARSE, "%s: byte 3, the number of dimensions, is %u, expected 1 to %d", name, out->rank,
                            MU_ARRAY_RANK_MAX);
    out->offset = 4 + 4 * (size_t)out->rank;
    if (size_bytes < out->offset)
        return mu_error_set(err, MU_E_PARSE, "%s: ends at byte %zu, within the %u dimensions that should end at %zu", name, size_bytes,
                            out->rank, out->offset);
    for (uint32_t i = 0; i < out->rank; i++) {
        const unsigned char *at = data + 4 + 4 * (size_t)i;
        out->shape[i] = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    }
    out->data = data + out->offset;
    return mu_array_measure(out, size_bytes - out->offset, err);
}
