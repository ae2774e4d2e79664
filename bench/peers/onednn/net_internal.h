/* What the layers' files share. A layer is added in two parts: at once, what runs forward; later, by its `backward`, what runs back. */
#ifndef ONEDNN_NET_INTERNAL_H
#define ONEDNN_NET_INTERNAL_H

#include "net.h"

struct net_value {
    int         rank;
    dnnl_dims_t dims; /* n, channels, height, width */
    tape_memory memory, gradient; /* gradient: none until somebody has made one */
    bool        is_input;         /* nobody asks for its gradient */
};

typedef struct net_layer net_layer;
struct net_layer {
    net_value *x, *x2, *y;
    api_desc   desc; /* of the forward primitive */
    bool       relu, average;
    api_window window;
    int        sequences; /* of an LSTM: how many run side by side */
    tape_memory x_seen; /* x in the layout that the primitive wanted */
    tape_memory w, w_iter, bias, workspace, mean, variance;
    const int32_t *tokens;
    void (*backward)(net_layer *layer);
};

net_layer *net_add(net_value *x, net_value *y, void (*backward)(net_layer *layer));
net_value *net_value_new(int rank, int n, int channels, int height, int width);

/* Weights, trained: random within +-bound, `plain` being the layout that they are drawn in; or a vector of one value. */
tape_memory net_weights(api_layout layout, int rank, const dnnl_dims_t dims, dnnl_format_tag_t plain, float bound);
tape_memory net_vector(int count, float value);

float   net_random(void); /* in [-0.5, 0.5) */
int32_t net_random_below(int32_t bound);

/* A gradient for this value: the first is taken, later ones are added. */
void net_give_gradient(net_value *x, tape_memory gradient);
/* w -= learning rate * gradient, after the whole way back. */
void net_train(const tape_memory *w, const tape_memory *gradient);

#endif
