/* Several observers as one. */
#include "report/watchers.h"

static mu_status tell_round(void *self, const mu_round_report *report, mu_error *err)
{
    const mu_watchers *watchers = self;
    mu_status status = MU_OK;
    for (size_t i = 0; i < watchers->count && !status; i++)
        if (watchers->all[i]->round)
            status = watchers->all[i]->round(watchers->all[i]->self, report, err);
    return status;
}

static mu_status tell_event(void *self, const mu_event_report *report, mu_error *err)
{
    const mu_watchers *watchers = self;
    mu_status status = MU_OK;
    for (size_t i = 0; i < watchers->count && !status; i++)
        if (watchers->all[i]->event)
            status = watchers->all[i]->event(watchers->all[i]->self, report, err);
    return status;
}

static mu_status tell_presence(void *self, mu_time_us at, uint32_t device, bool came, mu_error *err)
{
    const mu_watchers *watchers = self;
    mu_status status = MU_OK;
    for (size_t i = 0; i < watchers->count && !status; i++)
        if (watchers->all[i]->presence)
            status = watchers->all[i]->presence(watchers->all[i]->self, at, device, came, err);
    return status;
}

static bool ask_stop(void *self)
{
    const mu_watchers *watchers = self;
    for (size_t i = 0; i < watchers->count; i++)
        if (watchers->all[i]->stop && watchers->all[i]->stop(watchers->all[i]->self))
            return true;
    return false;
}

static const mu_observer *keeper(const mu_watchers *watchers)
{
    for (size_t i = 0; i < watchers->count; i++)
        if (watchers->all[i]->save)
            return watchers->all[i];
    return NULL;
}

static mu_status save(void *self, uint8_t place[256], mu_error *err)
{
    const mu_observer *observer = keeper(self);
    return observer ? observer->save(observer->self, place, err) : MU_OK;
}

static mu_status restore(void *self, const uint8_t place[256], mu_error *err)
{
    const mu_observer *observer = keeper(self);
    return observer ? observer->restore(observer->self, place, err) : MU_OK;
}

void mu_watchers_init(mu_watchers *watchers, const mu_observer *const *all, size_t count)
{
    MU_ASSERT(count <= MU_WATCHERS_MAX);
    *watchers = (mu_watchers){ .count = count };
    size_t keepers = 0;
    for (size_t i = 0; i < count; i++) {
        watchers->all[i] = all[i];
        MU_ASSERT(!all[i]->save == !all[i]->restore);
        keepers += all[i]->save != NULL;
    }
    MU_ASSERT(keepers <= 1);
    watchers->observer = (mu_observer){
        .self = watchers, .round = tell_round, .event = tell_event, .presence = tell_presence, .stop = ask_stop, .save = save, .restore = restore,
    };
}
