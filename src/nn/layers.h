/* The layers that C code builds models from: their configs are in the public header. A kind that only YAML files use need not be there. */
#ifndef MUSTER_NN_LAYERS_H
#define MUSTER_NN_LAYERS_H

#include "muster/build.h"
#include "nn/layer.h"

#endif
