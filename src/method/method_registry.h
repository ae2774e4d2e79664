/* One line a method; and one in method_registry.c. */
#ifndef MUSTER_METHOD_REGISTRY_H
#define MUSTER_METHOD_REGISTRY_H

#include "muster/method.h"

extern const mu_method mu_method_fedavg;

#endif
