/* What the fields of a message may hold: one walk over its descriptor and one table. */
#ifndef MUSTER_NET_WIRE_BOUNDS_H
#define MUSTER_NET_WIRE_BOUNDS_H

#include "net/wire.h"

/* Every field of an unpacked message and of those in it. MU_E_LIMIT, MU_E_PARSE and MU_E_RANGE name message and field. */
mu_status mu_wire_check(const ProtobufCMessage *message, mu_error *err);

#endif
