/* Orders of a tensor's elements. */
#include "nn/layout.h"

#include <string.h>

/* An axis that a flatten has made: PyTorch goes through it channel by channel, we pixel by pixel. As three axes, it is both. */
static void split_flattened(const mu_tensor *tensor, size_t step, uint32_t *size, size_t *stride)
{
    mu_shape image = tensor->flattened;
    size[0] = image.channels;
    size[1] = image.height;
    size[2] = image.width;
    stride[0] = step;
    stride[1] = step * image.width * image.channels;
    stride[2] = step * image.channels;
}

mu_layout_walk mu_layout_walk_of(const mu_tensor *tensor)
{
    const uint32_t *shape = tensor->shape;
    mu_layout_walk walk = { .size = { 1, 1, 1, 1 } };
    bool flattened = tensor->flattened.height > 0;
    switch (tensor->layout) {
    case MU_LAYOUT_VECTOR:
        if (flattened)
            split_flattened(tensor, 1, walk.size + 1, walk.stride + 1);
        else {
            walk.size[3] = shape[0];
            walk.stride[3] = 1;
        }
        break;
    case MU_LAYOUT_ROWS:
        walk.size[2] = shape[0];
        walk.size[3] = shape[1];
        walk.stride[2] = shape[1];
        walk.stride[3] = 1;
        break;
    case MU_LAYOUT_DENSE:
        walk.size[0] = shape[0];
        walk.stride[0] = 1;
        if (flattened)
            split_flattened(tensor, shape[0], walk.size + 1, walk.stride + 1);
        else {
            walk.size[3] = shape[1];
            walk.stride[3] = shape[0];
        }
        break;
    case MU_LAYOUT_CONV:
        walk.size[0] = shape[0];
        walk.size[1] = shape[1];
        walk.size[2] = tensor->rank == 4 ? shape[2] : 1;
        walk.size[3] = shape[tensor->rank - 1];
        walk.stride[0] = 1;
        walk.stride[1] = shape[0];
        walk.stride[3] = (size_t)shape[1] * shape[0];
        walk.stride[2] = walk.size[3] * walk.stride[3];
        break;
    }
    return walk;
}

static void store_little_endian(float value, unsigned char *bytes)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(bits >> 8 * i);
}

static float load_little_endian(const unsigned char *bytes)
{
    uint32_t bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The innermost axis is the loop of each caller; the offset of its first element for every turn of the three outer ones. */
static size_t row_offset(const mu_layout_walk *walk, size_t row)
{
    size_t i2 = row % walk->size[2], i1 = row / walk->size[2] % walk->size[1], i0 = row / walk->size[2] / walk->size[1];
    return i0 * walk->stride[0] + i1 * walk->stride[1] + i2 * walk->stride[2];
}

void mu_tensor_write(const mu_tensor *tensor, const float *state, unsigned char *bytes)
{
    mu_layout_walk walk = mu_layout_walk_of(tensor);
    size_t rows = (size_t)walk.size[0] * walk.size[1] * walk.size[2];
    for (size_t row = 0; row < rows; row++) {
        const float *from = state + tensor->offset + row_offset(&walk, row);
        for (uint32_t i = 0; i < walk.size[3]; i++, bytes += 4)
            store_little_endian(from[i * walk.stride[3]], bytes);
    }
}

void mu_tensor_read(const mu_tensor *tensor, const unsigned char *bytes, float *state)
{
    mu_layout_walk walk = mu_layout_walk_of(tensor);
    size_t rows = (size_t)walk.size[0] * walk.size[1] * walk.size[2];
    for (size_t row = 0; row < rows; row++) {
        float *to = state + tensor->offset + row_offset(&walk, row);
        for (uint32_t i = 0; i < walk.size[3]; i++, bytes += 4)
            to[i * walk.stride[3]] = load_little_endian(bytes);
    }
}
