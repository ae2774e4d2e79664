/* For tests: an experiment from YAML text. */
#ifndef MUSTER_FL_EXPERIMENT_SUPPORT_H
#define MUSTER_FL_EXPERIMENT_SUPPORT_H

#include "muster/experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline mu_status experiment_try(const char *yaml, const char *setting, mu_experiment **out, mu_error *err)
{
    char path[] = "/tmp/muster-experiment-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, yaml, strlen(yaml)) != (ssize_t)strlen(yaml)) {
        perror(path);
        abort();
    }
    close(fd);
    mu_status status = mu_experiment_load(path, NULL, &setting, setting ? 1 : 0, out, err);
    unlink(path);
    return status;
}

static inline mu_experiment *experiment_from(const char *yaml)
{
    mu_experiment *experiment = NULL;
    mu_error err = { 0 };
    if (experiment_try(yaml, NULL, &experiment, &err)) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    return experiment;
}

#endif
