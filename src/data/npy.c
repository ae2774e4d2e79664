/* NPY to an array. The header is read as what NumPy writes: a dictionary of 'descr', 'fortran_order' and 'shape', in any order. */
#include "data/npy.h"

#include "base/limits.h"

#include <string.h>

static const char magic[] = "\x93NUMPY";
enum { MAGIC_BYTES = 6 };

/* A cursor over the header's text. */
typedef struct header {
    const char          *name;
    const unsigned char *file, *at, *end;
    mu_error            *err;
} header;

bool mu_is_npy(const unsigned char *data, size_t size_bytes)
{
    return size_bytes >= MAGIC_BYTES && memcmp(data, magic, MAGIC_BYTES) == 0;
}

static mu_status expected(const header *h, const char *what)
{
    if (h->at == h->end)
        return mu_error_set(h->err, MU_E_PARSE, "%s: the header ends at byte %zu, expected %s", h->name, (size_t)(h->at - h->file), what);
    return mu_error_set(h->err, MU_E_PARSE, "%s: byte %zu of the header is 0x%02x, expected %s", h->name, (size_t)(h->at - h->file), *h->at,
                        what);
}

static void skip_blanks(header *h)
{
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n'))
        h->at++;
}

static bool take(header *h, char c)
{
    skip_blanks(h);
    if (h->at == h->end || *h->at != (unsigned char)c)
        return false;
    h->at++;
    return true;
}

static bool take_word(header *h, const char *word)
{
    skip_blanks(h);
    size_t length = strlen(word);
    if ((size_t)(h->end - h->at) < length || memcmp(h->at, word, length) != 0)
        return false;
    h->at += length;
    return true;
}

/* A quoted text without escapes, as all keys and types are. */
static mu_status read_text(header *h, char *text, size_t capacity_bytes)
{
    char quote = take(h, '\'') ? '\'' : take(h, '"') ? '"' : '\0';
    if (!quote)
        return expected(h, "a quoted text");
    const unsigned char *close = memchr(h->at, quote, (size_t)(h->end - h->at));
    if (!close || (size_t)(close - h->at) >= capacity_bytes)
        return expected(h, "a short quoted text and its closing quote");
    size_t length = (size_t)(close - h->at);
    memcpy(text, h->at, length);
    text[length] = '\0';
    h->at = close + 1;
    return MU_OK;
}

static const struct { const char *code; mu_element element; } types[] = {
    { "b1", MU_ELEMENT_U1 }, { "u1", MU_ELEMENT_U1 }, { "i1", MU_ELEMENT_I1 }, { "u2", MU_ELEMENT_U2 }, { "i2", MU_ELEMENT_I2 },
    { "u4", MU_ELEMENT_U4 }, { "i4", MU_ELEMENT_I4 }, { "u8", MU_ELEMENT_U8 }, { "i8", MU_ELEMENT_I8 }, { "f2", MU_ELEMENT_F2 },
    { "f4", MU_ELEMENT_F4 }, { "f8", MU_ELEMENT_F8 },
};

static mu_status read_type(header *h, mu_array *out)
{
    char text[16] = "";
    mu_status status = read_text(h, text, sizeof text);
    if (status)
        return status;
    for (size_t i = 0; i < MU_COUNT(types); i++)
        if (text[0] && strchr("<>|=", text[0]) && strcmp(text + 1, types[i].code) == 0) {
            out->element = types[i].element;
            out->big_endian = text[0] == '>';
            return MU_OK;
        }
    return mu_error_set(h->err, MU_E_UNSUPPORTED, "%s: elements of type '%s'; expected whole numbers or floats, such as |u1, <i8 or <f4", h->name,
                        text);
}

static mu_status read_order(header *h)
{
    if (take_word(h, "False"))
        return MU_OK;
    if (take_word(h, "True"))
        return mu_error_set(h->err, MU_E_UNSUPPORTED, "%s: stored in Fortran order; save it again with numpy.ascontiguousarray", h->name);
    return expected(h, "False or True");
}

static mu_status read_shape(header *h, mu_array *out)
{
    if (!take(h, '('))
        return expected(h, "'(' and the dimensions");
    out->rank = 0;
    while (!take(h, ')')) {
        skip_blanks(h);
        size_t value = 0, digits = 0;
        for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++, digits++) {
            if (value > MU_LIMIT_ARRAY_VALUES)
                return mu_error_set(h->err, MU_E_LIMIT, "%s: dimension %u is more than %zu", h->name, out->rank + 1, MU_LIMIT_ARRAY_VALUES);
            value = 10 * value + (size_t)(*h->at - '0');
        }
        if (digits == 0)
            return expected(h, "a dimension");
        if (out->rank == MU_ARRAY_RANK_MAX)
            return mu_error_set(h->err, MU_E_LIMIT, "%s: more than %d dimensions", h->name, MU_ARRAY_RANK_MAX);
        out->shape[out->rank++] = value;
        if (!take(h, ',') && (h->at == h->end || *h->at != ')'))
            return expected(h, "',' or ')'");
    }
    if (out->rank == 0)
        return mu_error_set(h->err, MU_E_SHAPE, "%s: a single number without dimensions, expected an array", h->name);
    return MU_OK;
}

static mu_status read_header(header *h, mu_array *out)
{
    static const char *const keys[] = { "descr", "fortran_order", "shape" };
    unsigned seen = 0;
    if (!take(h, '{'))
        return expected(h, "'{'");
    while (!take(h, '}')) {
        char key[32] = "";
        mu_status status = read_text(h, key, sizeof key);
        if (status)
            return status;
        if (!take(h, ':'))
            return expected(h, "':'");
        if (strcmp(key, keys[0]) == 0)
            status = read_type(h, out);
        else if (strcmp(key, keys[1]) == 0)
            status = read_order(h);
        else if (strcmp(key, keys[2]) == 0)
            status = read_shape(h, out);
        else
            status = mu_error_set(h->err, MU_E_PARSE, "%s: the header has a key '%s'; expected descr, fortran_order and shape", h->name, key);
        if (status)
            return status;
        for (unsigned i = 0; i < MU_COUNT(keys); i++)
            if (strcmp(key, keys[i]) == 0)
                seen |= 1u << i;
        take(h, ',');
    }
    if (seen != 7)
        return mu_error_set(h->err, MU_E_PARSE, "%s: the header lacks one of descr, fortran_order and shape", h->name);
    return MU_OK;
}

mu_status mu_npy_read(const char *name, const unsigned char *data, size_t size_bytes, mu_array *out, mu_error *err)
{
    if (!mu_is_npy(data, size_bytes))
        return mu_error_set(err, MU_E_PARSE, "%s: does not begin with \\x93NUMPY", name);
    unsigned version = size_bytes > MAGIC_BYTES ? data[MAGIC_BYTES] : 0;
    size_t begin = version == 1 ? 10 : 12, length = 0;
    if (version < 1 || version > 3)
        return mu_error_set(err, MU_E_UNSUPPORTED, "%s: NPY version %u; expected 1, 2 or 3", name, version);
    if (size_bytes < begin)
        return mu_error_set(err, MU_E_PARSE, "%s: ends at byte %zu, expected a header from byte %zu on", name, size_bytes, begin);
    for (size_t i = begin; i-- > 8;) /* the header's length, little-endian, lies right before it */
        length = length << 8 | data[i];
    if (length > size_bytes - begin)
        return mu_error_set(err, MU_E_PARSE, "%s: the header should have %zu bytes, but only %zu follow byte %zu", name, length,
                            size_bytes - begin, begin);
    *out = (mu_array){ .name = name };
    header h = { .name = name, .file = data, .at = data + begin, .end = data + begin + length, .err = err };
    mu_status status = read_header(&h, out);
    if (status)
        return status;
    out->offset = begin + length;
    out->data = data + out->offset;
    return mu_array_measure(out, size_bytes - out->offset, err);
}
