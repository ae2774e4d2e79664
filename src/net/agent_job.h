/* A Job, understood: the model, and the device's half of the method. */
#ifndef MUSTER_NET_AGENT_JOB_H
#define MUSTER_NET_AGENT_JOB_H

#include "muster/data.h"
#include "muster/method.h"

typedef struct mu_agent_job {
    mu_model        *model;
    mu_units        *units;
    uint64_t         seed;
    const mu_method *method; /* that answers `how` */
    void            *state;
    mu_conf         *options; /* that its TEXT options point into */
    mu_vectors       vectors; /* received, own and sent */
} mu_agent_job;

/* From a packed Job. `folder`: where the files that its options name are put; made. Whatever this build cannot do, or the data do not fit, is an error that says
 * so: such a job is none for this device. */
mu_status mu_agent_job_read(const unsigned char *packed, size_t packed_bytes, const char *folder, const mu_data *data, mu_agent_job *out, mu_error *err);
void      mu_agent_job_release(mu_agent_job *job); /* zeroed is fine */

/* Hexadecimal BLAKE2b-256 of a packed Job: what Session.job says. */
void mu_agent_job_digest(const unsigned char *packed, size_t packed_bytes, char hex[65]);

#endif
