/* Building a graph, layer by layer: muster/build.h, for the files that look inside. */
#ifndef MUSTER_NN_BUILDER_H
#define MUSTER_NN_BUILDER_H

#include "muster/build.h"
#include "nn/graph.h"

#endif
