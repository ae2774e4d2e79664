/* The job: what is trained, the same for all devices and all rounds, as the message that they are given. */
#ifndef MUSTER_NET_JOB_H
#define MUSTER_NET_JOB_H

#include "muster/experiment.h"

/* A packed Job (malloc'ed, the caller's). A TEXT option of the device's method that is an absolute path names a file, as mu_method.prepare leaves it: the file goes along. */
mu_status mu_job_pack(const mu_experiment *experiment, unsigned char **bytes, size_t *size_bytes, mu_error *err);

#endif
