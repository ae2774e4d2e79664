/* For the tests of what people see: a small federation that is played by hand. */
#ifndef MUSTER_NET_LOOK_SUPPORT_H
#define MUSTER_NET_LOOK_SUPPORT_H

#include "net/look.h"

typedef struct look_stage {
    char           folder[64];
    mu_experiment *experiment;
    mu_desk       *desk;
    mu_store      *store;
    mu_look       *look;
} look_stage;

#define LOOK_BYTES_DOWN 1000u /* of every task, by the price list */
#define LOOK_BYTES_UP 500u

/* 12 rounds; devices are phones (low) and workstations (high). `name` of the federation, as YAML. Ends the program where something fails. */
void look_stage_open(look_stage *stage, const char *name, uint32_t devices);
void look_stage_close(look_stage *stage);
void look_stage_enrol(look_stage *stage, uint32_t number, const char *name);
void look_stage_put_task(look_stage *stage, uint64_t task, uint32_t device); /* on the desk */
void look_stage_event(look_stage *stage, mu_happening happening, uint32_t device, uint32_t round, const char *reason);
/* Evaluated: accuracy 0.5 + round / 1000, loss 2 - round / 1000; tiers 0.25 and 0.75. Takes 10 s, 4 devices, of which 3 are merged and one lost. */
mu_round_report look_stage_report(uint32_t round);
void look_stage_round(look_stage *stage, uint32_t round);
/* Round 0; two rounds of 4 tasks, of which the last is lost each time; then one update refused, one discarded, one late. */
void look_stage_play(look_stage *stage);
/* A text, the caller's; it must be there. */
char *look_stage_text(look_stage *stage, const char *path);

#endif
