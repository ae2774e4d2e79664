/* What the machine says of itself, as Linux tells it in files: the battery, the energy used, the processor. Whatever cannot be read is not known. */
#ifndef MUSTER_NET_AGENT_MACHINE_H
#define MUSTER_NET_AGENT_MACHINE_H

#include "muster/status.h"

typedef struct mu_agent_battery {
    double share;         /* of its charge, 0 to 1, the mean of several; negative: there is none */
    bool   is_discharging;
} mu_agent_battery;

/* `root`: where /sys and /proc are, "" on a real machine. */
mu_agent_battery mu_agent_battery_read(const char *root);

/* Counters of energy at one moment. */
typedef struct mu_agent_energy {
    double processor_j; /* that the processors have used (RAPL), which grows, and seldom begins again; negative: cannot be read */
    double battery_j;   /* that is left in the batteries; negative: cannot be read, or they are being charged */
} mu_agent_energy;
mu_agent_energy mu_agent_energy_read(const char *root);
/* What the machine used in between, whatever for: by the processors' counters, else by the batteries'. 0: not known. */
double mu_agent_energy_between_j(mu_agent_energy before, mu_agent_energy after);

uint32_t mu_agent_cores(void);
/* "AMD EPYC 7B13 ..."; empty: not known. */
void mu_agent_processor(const char *root, char *name, size_t capacity_bytes);
/* This machine's name. */
void mu_agent_host(char *name, size_t capacity_bytes);

#endif
