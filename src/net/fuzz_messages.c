/* Any bytes as any message: the first one picks which. What is understood packs to bytes that are understood as the same; a Task is parsed, and its plan
 * packed and parsed again. */
#include "net/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &muster__hello__descriptor, &muster__enrol__descriptor, &muster__enrolled__descriptor, &muster__open_session__descriptor,
    &muster__session__descriptor, &muster__job__descriptor, &muster__task__descriptor, &muster__poll__descriptor, &muster__polled__descriptor,
    &muster__update_head__descriptor, &muster__signed_update__descriptor, &muster__update_state__descriptor, &muster__failed__descriptor,
    &muster__refusal__descriptor, &muster__looked__descriptor, &muster__looked_head__descriptor,
};

enum { UNITS_MAX = 64 };

static void cross(const Muster__Task *message, size_t unit_count)
{
    bool flags[UNITS_MAX], flags_again[UNITS_MAX];
    mu_wire_task task, again;
    unsigned char *bytes;
    size_t size_bytes;
    ProtobufCMessage *repacked;
    if (mu_wire_parse_task(message, unit_count, flags, &task, NULL))
        return;
    MU_ASSERT(mu_wire_pack_task(&task, unit_count, &bytes, &size_bytes, NULL) == MU_OK);
    MU_ASSERT(mu_wire_unpack(&muster__task__descriptor, bytes, size_bytes, &repacked, NULL) == MU_OK);
    MU_ASSERT(mu_wire_parse_task((Muster__Task *)repacked, unit_count, flags_again, &again, NULL) == MU_OK);
    MU_ASSERT(again.id == task.id && again.plan.learning_rate == task.plan.learning_rate && !again.plan.kept == !task.plan.kept);
    MU_ASSERT(again.looks == task.looks && again.look.examples == task.look.examples && again.look.statistic_set == task.look.statistic_set);
    MU_ASSERT(again.look.own_classes == task.look.own_classes && again.look.statistics == task.look.statistics);
    MU_ASSERT(!task.plan.kept || memcmp(flags, flags_again, unit_count * sizeof *flags) == 0);
    mu_wire_free(repacked);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % MU_COUNT(types)];
    ProtobufCMessage *message, *back;
    unsigned char *once, *twice;
    size_t once_bytes, twice_bytes;
    mu_error err;
    if (mu_wire_unpack(type, data + 1, size - 1, &message, &err))
        return 0;
    MU_ASSERT(mu_wire_pack(message, &once, &once_bytes, NULL) == MU_OK);
    MU_ASSERT(mu_wire_unpack(type, once, once_bytes, &back, NULL) == MU_OK);
    MU_ASSERT(mu_wire_pack(back, &twice, &twice_bytes, NULL) == MU_OK);
    MU_ASSERT(once_bytes == twice_bytes && memcmp(once, twice, once_bytes) == 0);
    if (type == &muster__task__descriptor)
        cross((Muster__Task *)message, data[0] / MU_COUNT(types) * 4u % (UNITS_MAX + 1));
    mu_wire_free(message);
    mu_wire_free(back);
    free(once);
    free(twice);
    return 0;
}
