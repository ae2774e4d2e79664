/* Networks of oneDNN's primitives: layers are added forward; net_finish adds the loss, the way back and the updates. */
#ifndef ONEDNN_NET_H
#define ONEDNN_NET_H

#include "tape.h"

/* What a layer makes and the next ones read: [n][channels][height][width], or [n][channels] with height 0. */
typedef struct net_value net_value;

net_value *net_input(int n, int channels, int height, int width); /* drawn at random */

typedef struct net_conv_config {
    int  channels, kernel, stride, pad;
    bool bias, relu;
} net_conv_config;
net_value *net_conv(net_value *x, const net_conv_config *config);
net_value *net_dense(net_value *x, int units, bool relu);
net_value *net_max_pool(net_value *x, int size);
net_value *net_average_pool(net_value *x, int size);
net_value *net_batch_norm(net_value *x, bool relu);
net_value *net_add_relu(net_value *a, net_value *b);
net_value *net_embedding(int steps, int n, int symbols, int width); /* of random tokens: [steps * n][width] */
net_value *net_lstm(net_value *x, int steps, int n, int units);     /* [steps * n][units], a step after the other */

/* Softmax over the last layer's channels, random labels; then everything that a step still needs. */
void net_finish(net_value *logits);

size_t net_parameter_count(void);
void   net_clear(void); /* the network and its tape are gone */

#endif
