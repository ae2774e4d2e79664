/* The network: its values and layers, first weights, and what follows the last layer. */
#include "net_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 256, MOST_VALUES = 512, MOST_TRAINED = 512 };

static net_layer layers[MOST_LAYERS];
static size_t    layer_count;
static net_value values[MOST_VALUES];
static size_t    value_count;
static struct {
    tape_memory w, gradient;
} trained[MOST_TRAINED];
static size_t   trained_count, parameter_count;
static uint32_t random_state = 1;
static int32_t *integers[2]; /* labels, tokens */
static size_t   integers_count;

static void check(bool fine, const char *what)
{
    api_check(fine ? dnnl_success : dnnl_out_of_memory, what);
}

float net_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(random_state >> 8) / 16777216.0f - 0.5f;
}

int32_t net_random_below(int32_t bound)
{
    return (int32_t)((net_random() + 0.5f) * (float)bound) % bound;
}

/* [count] random integers below `bound`, which live as long as the network. */
static const int32_t *draw_integers(size_t count, int32_t bound)
{
    check(integers_count < 2, "integers");
    int32_t *made = malloc(count * sizeof *made);
    check(made, "integers");
    for (size_t i = 0; i < count; i++)
        made[i] = net_random_below(bound);
    integers[integers_count++] = made;
    return made;
}

net_value *net_value_new(int rank, int n, int channels, int height, int width)
{
    check(value_count < MOST_VALUES, "values");
    net_value *value = &values[value_count++];
    *value = (net_value){ .rank = rank, .dims = { n, channels, height, width } };
    return value;
}

net_layer *net_add(net_value *x, net_value *y, void (*backward)(net_layer *layer))
{
    check(layer_count < MOST_LAYERS, "layers");
    net_layer *layer = &layers[layer_count++];
    *layer = (net_layer){ .x = x, .y = y, .backward = backward };
    return layer;
}

net_value *net_input(int n, int channels, int height, int width)
{
    net_value *x = net_value_new(height ? 4 : 2, n, channels, height, width);
    x->is_input = true;
    x->memory = tape_new(api_layout_of(x->rank, x->dims, height ? dnnl_nchw : dnnl_nc));
    for (size_t i = 0; i < tape_count(&x->memory); i++)
        tape_floats(&x->memory)[i] = 3.4f * net_random(); /* variance 1 */
    return x;
}

tape_memory net_weights(api_layout layout, int rank, const dnnl_dims_t dims, dnnl_format_tag_t plain, float bound)
{
    tape_memory drawn = tape_new(api_layout_of(rank, dims, plain)), w = tape_new(layout);
    for (size_t i = 0; i < tape_count(&drawn); i++)
        tape_floats(&drawn)[i] = 2.0f * bound * net_random();
    parameter_count += tape_count(&drawn);
    tape_reorder_now(&drawn, &w);
    return w;
}

tape_memory net_vector(int count, float value)
{
    const dnnl_dims_t dims = { count };
    tape_memory vector = tape_new(api_layout_of(1, dims, dnnl_x));
    for (int i = 0; i < count; i++)
        tape_floats(&vector)[i] = value;
    parameter_count += (size_t)count;
    return vector;
}

void net_give_gradient(net_value *x, tape_memory gradient)
{
    if (!x->gradient.memory) {
        x->gradient = gradient;
        return;
    }
    tape_memory same = tape_in_layout(&gradient, x->gradient.layout);
    tape_loop_over(TAPE_ADD, &x->gradient, &same, NULL);
}

void net_train(const tape_memory *w, const tape_memory *gradient)
{
    check(trained_count < MOST_TRAINED, "weights");
    trained[trained_count].w = *w;
    trained[trained_count++].gradient = *gradient;
}

/* ---- embedding: no primitive of oneDNN ---- */

static void embedding_backward(net_layer *layer)
{
    tape_memory dtable = tape_new(layer->w.layout);
    const net_value *y = layer->y;
    tape_gather_backward(&y->gradient, &dtable, layer->tokens, (size_t)y->dims[0], (size_t)y->dims[1]);
    net_train(&layer->w, &dtable);
}

net_value *net_embedding(int steps, int n, int symbols, int width)
{
    net_value *y = net_value_new(2, steps * n, width, 0, 0);
    net_layer *layer = net_add(NULL, y, embedding_backward);
    const dnnl_dims_t dims = { symbols, width };
    layer->w = net_weights(api_layout_of(2, dims, dnnl_nc), 2, dims, dnnl_nc, 1.7f);
    layer->tokens = draw_integers((size_t)(steps * n), symbols);
    y->memory = tape_new(api_layout_of(2, y->dims, dnnl_nc));
    tape_gather(&layer->w, &y->memory, layer->tokens, (size_t)(steps * n), (size_t)width);
    return y;
}

/* ---- the end ---- */

void net_finish(net_value *logits)
{
    size_t rows = (size_t)logits->dims[0], classes = (size_t)logits->dims[1];
    tape_memory gradient = tape_new(logits->memory.layout);
    tape_loss(&logits->memory, &gradient, draw_integers(rows, (int32_t)classes), rows, classes);
    net_give_gradient(logits, gradient);
    for (size_t i = layer_count; i-- > 0;)
        layers[i].backward(&layers[i]);
    for (size_t i = 0; i < trained_count; i++) {
        tape_memory same = tape_in_layout(&trained[i].gradient, trained[i].w.layout);
        tape_loop_over(TAPE_SGD, &trained[i].w, &same, NULL);
    }
}

size_t net_parameter_count(void)
{
    return parameter_count;
}

void net_clear(void)
{
    tape_clear();
    for (size_t i = 0; i < integers_count; i++)
        free(integers[i]);
    layer_count = value_count = trained_count = parameter_count = integers_count = 0;
    random_state = 1;
}
