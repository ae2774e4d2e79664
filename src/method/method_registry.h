/* One line a method; and one in method_registry.c. */
#ifndef MUSTER_METHOD_REGISTRY_H
#define MUSTER_METHOD_REGISTRY_H

#include "muster/method.h"

extern const mu_method mu_method_fedavg;
extern const mu_method mu_method_elementwise;
extern const mu_method mu_method_heterofl;
extern const mu_method mu_method_fedrolex;
extern const mu_method mu_method_fjord;
extern const mu_method mu_method_federated_dropout;
extern const mu_method mu_method_fluid;
extern const mu_method mu_method_afd;
extern const mu_method mu_method_distreal;
extern const mu_method mu_method_small;
extern const mu_method mu_method_drop_weak;
extern const mu_method mu_method_fedprox;
extern const mu_method mu_method_scaffold;
extern const mu_method mu_method_fednova;
extern const mu_method mu_method_fedavgm;
extern const mu_method mu_method_fedadagrad;
extern const mu_method mu_method_fedadam;
extern const mu_method mu_method_fedyogi;
extern const mu_method mu_method_uneven;
extern const mu_method mu_method_fedbuff;
extern const mu_method mu_method_fedasync;
extern const mu_method mu_method_fedat;
extern const mu_method mu_method_tifl;
extern const mu_method mu_method_oort;
extern const mu_method mu_method_refl;
extern const mu_method mu_method_fedhisyn;
extern const mu_method mu_method_fedlesscan;
extern const mu_method mu_method_phases;
extern const mu_method mu_method_median;
extern const mu_method mu_method_trimmedmean;
extern const mu_method mu_method_krum;
extern const mu_method mu_method_multikrum;
extern const mu_method mu_method_geomedian;
extern const mu_method mu_method_byzantine;


#endif
