/* Elements of eleven types in two byte orders, to doubles, floats and labels. */
#include "data/array.h"

#include "base/limits.h"

#include <math.h>
#include <string.h>

/* The element's bits, whatever its width and order. */
static uint64_t load(const unsigned char *at, size_t width, bool big_endian)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < width; i++)
        bits |= (uint64_t)at[big_endian ? width - 1 - i : i] << 8 * i;
    return bits;
}

static double from_unsigned(uint64_t bits) { return (double)bits; }
static double from_i1(uint64_t bits) { return (double)(int8_t)bits; }
static double from_i2(uint64_t bits) { return (double)(int16_t)bits; }
static double from_i4(uint64_t bits) { return (double)(int32_t)bits; }
static double from_i8(uint64_t bits) { return (double)(int64_t)bits; }

static double from_f2(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    double value;
    if (exponent == 31)
        value = fraction ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        value = ldexp(fraction, -24);
    else
        value = ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 & 1 ? -value : value;
}

static double from_f4(uint64_t bits)
{
    uint32_t word = (uint32_t)bits;
    float value;
    memcpy(&value, &word, sizeof value);
    return (double)value;
}

static double from_f8(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static const struct {
    const char *name;
    size_t      bytes;
    double (*value)(uint64_t bits);
} elements[] = {
    [MU_ELEMENT_U1] = { "uint8", 1, from_unsigned }, [MU_ELEMENT_I1] = { "int8", 1, from_i1 },
    [MU_ELEMENT_U2] = { "uint16", 2, from_unsigned }, [MU_ELEMENT_I2] = { "int16", 2, from_i2 },
    [MU_ELEMENT_U4] = { "uint32", 4, from_unsigned }, [MU_ELEMENT_I4] = { "int32", 4, from_i4 },
    [MU_ELEMENT_U8] = { "uint64", 8, from_unsigned }, [MU_ELEMENT_I8] = { "int64", 8, from_i8 },
    [MU_ELEMENT_F2] = { "float16", 2, from_f2 },      [MU_ELEMENT_F4] = { "float32", 4, from_f4 },
    [MU_ELEMENT_F8] = { "float64", 8, from_f8 },
};
_Static_assert(MU_COUNT(elements) == MU_ELEMENT_COUNT, "every element type has its row");

size_t mu_element_bytes(mu_element element)
{
    return elements[element].bytes;
}

const char *mu_element_name(mu_element element)
{
    return elements[element].name;
}

mu_status mu_array_measure(mu_array *array, size_t available_bytes, mu_error *err)
{
    array->count = 1;
    for (uint32_t i = 0; i < array->rank; i++) {
        if (array->shape[i] > MU_LIMIT_ARRAY_VALUES)
            return mu_error_set(err, MU_E_LIMIT, "%s: dimension %u is %zu, more than the %zu values that an array may have", array->name,
                                i + 1, array->shape[i], MU_LIMIT_ARRAY_VALUES);
        if (array->shape[i] && array->count > MU_LIMIT_ARRAY_VALUES / array->shape[i])
            return mu_error_set(err, MU_E_LIMIT, "%s: an array of more than %zu values", array->name, MU_LIMIT_ARRAY_VALUES);
        array->count *= array->shape[i];
    }
    size_t needed = array->count * elements[array->element].bytes;
    if (needed != available_bytes)
        return mu_error_set(err, MU_E_PARSE, "%s: expected %zu bytes from byte %zu on (%zu values of %s), found %zu", array->name, needed,
                            array->offset, array->count, elements[array->element].name, available_bytes);
    return MU_OK;
}

double mu_array_value(const mu_array *array, size_t index)
{
    size_t width = elements[array->element].bytes;
    return elements[array->element].value(load(array->data + index * width, width, array->big_endian));
}

void mu_array_floats(const mu_array *array, size_t first, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)mu_array_value(array, first + i);
}

mu_status mu_array_labels(const mu_array *array, uint32_t limit, int32_t *out, mu_error *err)
{
    for (size_t i = 0; i < array->count; i++) {
        double value = mu_array_value(array, i);
        if (!(value >= 0.0 && value < (double)limit) || value != floor(value))
            return mu_error_set(err, MU_E_PARSE, "%s: value %zu (byte %zu) is %g, expected a whole number from 0 to %u", array->name, i,
                                array->offset + i * elements[array->element].bytes, value, limit - 1);
        out[i] = (int32_t)value;
    }
    return MU_OK;
}
