/* What a device is: its class, what it can do, when it is there; and what a plan costs it. */
#ifndef MUSTER_DEVICE_H
#define MUSTER_DEVICE_H

#include "muster/conf.h"
#include "muster/model.h"
#include "muster/option.h"
#include "muster/status.h"

/* Virtual time: microseconds since the run began. Integer, so that it adds up the same everywhere. */
typedef int64_t mu_time_us;
#define MU_TIME_NEVER INT64_MAX

typedef enum mu_precision { MU_PRECISION_FP32, MU_PRECISION_BF16, MU_PRECISION_INT8, MU_PRECISION_COUNT } mu_precision;

/* How fast a device does each kind of a training step's work, as `muster profile` measures it. Together they are the time of a step (mu_rates_step_s), where
 * macs_per_s alone is off by several times: small layers and narrow ones take far longer for their MACs than large ones. */
typedef struct mu_rates {
    double   macs_per_s;  /* fp32, of the device that was measured: one that has more or less is as much faster or slower in everything */
    uint32_t lanes;       /* floats in a vector of its processor */
    uint64_t near_bytes;  /* the cache that a core has for itself */
    uint64_t cache_bytes; /* the last one */
    double   per_s[MU_WORK_KIND_COUNT]; /* 0: takes no time */
} mu_rates;
MU_API double           mu_rates_step_s(const mu_rates *rates, const mu_model *model, uint32_t batch_size);
MU_API const mu_option *mu_rates_options(size_t *count); /* what `rates:` of a class of one's own may say */

/* A class of devices, or one device. */
typedef struct mu_profile {
    const char *name;    /* "phone-mid" */
    const char *help;    /* the hardware it stands for */
    const char *source;  /* where the figures come from, and how sure they are */
    const char *tier;    /* "low", "mid", "high": what results are broken down by */
    double      macs_per_s[MU_PRECISION_COUNT]; /* sustained in training; 0: not supported */
    uint64_t    memory_bytes;                   /* that training may use */
    double      download_bit_per_s, upload_bit_per_s, latency_s; /* latency: one way, once a transfer */
    double      active_w, idle_w, radio_w;      /* computing; waiting; sending or receiving. A task never waits, so its price has no idle part */
    const mu_rates *rates;                      /* fp32 by kind of work; NULL: macs_per_s is what is known. Its fleet's */
} mu_profile;

MU_API const mu_profile *mu_profiles(size_t *count); /* the built-in catalogue */
/* One of it by name; MU_E_CONFIG, naming the nearest, when there is none. */
MU_API mu_status mu_profile_find(const char *name, const mu_profile **out, mu_error *err);
MU_API const mu_option *mu_profile_options(size_t *count); /* what a class of one's own may say */

/* Fleets that have a name: the `fleet:` section that each stands for. */
typedef struct mu_named_fleet {
    const char *name, *help, *section;
} mu_named_fleet;
MU_API const mu_named_fleet *mu_named_fleets(size_t *count);

/* All devices of a federation. Immutable once made, but for what devices tell of themselves (mu_fleet_tell); a few bytes a device. */
typedef struct mu_fleet mu_fleet;

/* From the `fleet:` section: a fleet's or a class's name, {mix: {phone-high: 0.2, phone-low: 0.8}, speed_spread: ...}, {csv: devices.csv, ...}, own `classes:`,
 * `availability:`, `compute_share:`, `bandwidth_variation:`, `battery:`. docs/fleet.md lists the keys. NULL: all phone-mid, always on. */
MU_API mu_status mu_fleet_create(const mu_conf_node *section, uint32_t devices, uint64_t seed, mu_fleet **out, mu_error *err);
MU_API void      mu_fleet_destroy(mu_fleet *fleet); /* NULL is fine */
MU_API mu_status mu_fleet_resolve(const mu_fleet *fleet, mu_conf *conf, mu_conf_node *map, mu_error *err);
MU_API const mu_option *mu_fleet_options(size_t *count);        /* rows of the section, without those of the maps in it: */
MU_API const mu_option *mu_availability_options(size_t *count); /* `availability:` with a trace */
MU_API const mu_option *mu_diurnal_options(size_t *count);      /* ... with `generator: diurnal` */
MU_API const mu_option *mu_markov_options(size_t *count);       /* ... with `generator: markov` */
MU_API const mu_option *mu_compute_share_options(size_t *count);
MU_API const mu_option *mu_bandwidth_variation_options(size_t *count);
MU_API const mu_option *mu_battery_options(size_t *count);

MU_API uint32_t   mu_fleet_device_count(const mu_fleet *fleet);
MU_API uint32_t   mu_fleet_class_count(const mu_fleet *fleet);
MU_API const mu_profile *mu_fleet_class(const mu_fleet *fleet, uint32_t index);
MU_API uint32_t   mu_fleet_class_of(const mu_fleet *fleet, uint32_t device);
MU_API mu_profile mu_fleet_profile(const mu_fleet *fleet, uint32_t device); /* its class, with what is its own put in */

/* What a device reported of itself takes the place of what its class says, from now on: macs_per_s, memory_bytes, bandwidths, latency_s and watts, each
 * where it is above 0 and within what a class may have (mu_profile_options); else what was told before stays, or the class's. Energy spent in
 * idleness goes on to be counted by class. Spreads are for devices that say nothing: they do not touch what was told. An fp32 speed that comes
 * without those of other precisions scales them. `name` (may be NULL): a class of this fleet, which
 * the device then is of, with that class's tier; the name of one of the catalogue's gives the first class of this fleet in the same tier, where the
 * device is not in that tier already; any other name changes nothing. `help`, `source`, `tier` are not looked at.
 *
 * Whoever runs a federation over this fleet calls it on the federation's thread, between two events, for a device that is not present: just
 * before its MU_EVENT_CAME. Not kept in checkpoints: devices tell again. Only the first device that tells takes memory, for all of them; on
 * MU_E_MEMORY, and on MU_E_STATE for a fleet that varies by itself (mu_fleet_varies_by), nothing has changed. */
MU_API mu_status mu_fleet_tell(mu_fleet *fleet, uint32_t device, const mu_profile *profile, mu_error *err);
/* What it was seen to be of that: so many times as fast in computing as its class, its rates and its own word have it; above 0, 1 at first. Unlike what it tells
 * this may change between any two events, whether it is present or not: it touches what its next tasks are planned with, and those alone. Failures are those
 * of mu_fleet_tell. */
MU_API mu_status mu_fleet_correct_speed(mu_fleet *fleet, uint32_t device, double factor, mu_error *err);
/* Does the fleet itself say who is there or how fast, over time (availability:, compute_share:, bandwidth_variation:, battery:)? NULL: no, else the
 * first of these keys. */
MU_API const char *mu_fleet_varies_by(const mu_fleet *fleet);

MU_API uint32_t    mu_fleet_tier_count(const mu_fleet *fleet);
MU_API const char *mu_fleet_tier_name(const mu_fleet *fleet, uint32_t tier);
MU_API uint32_t    mu_fleet_tier_of(const mu_fleet *fleet, uint32_t device);

/* Presence. A device that is always on goes off at MU_TIME_NEVER. */
MU_API bool       mu_fleet_is_on(const mu_fleet *fleet, uint32_t device, mu_time_us at);
MU_API mu_time_us mu_fleet_goes_off(const mu_fleet *fleet, uint32_t device, mu_time_us at); /* first moment after `at` when it is off */
MU_API mu_time_us mu_fleet_comes_on(const mu_fleet *fleet, uint32_t device, mu_time_us at); /* first moment from `at` on when it is on */
/* Share of the time from `from` up to `to` (later than it) in which the device is on. Both may be below 0: what was before the run began. */
MU_API double     mu_fleet_on_share(const mu_fleet *fleet, uint32_t device, mu_time_us from, mu_time_us to);

/* ---- the price list ---- */

/* What a plan asks of a device, counted. */
typedef struct mu_work {
    uint64_t macs[MU_PRECISION_COUNT];
    uint64_t extra_moved_bytes; /* to and from memory, beyond what comes with the MACs: for a memory limit (mu_step_schedule) */
    uint64_t bytes_down, bytes_up;
    uint64_t peak_memory_bytes;
    double   rated_s; /* what macs[MU_PRECISION_FP32] take by the rates of the device's profile, at the speed that those were measured at; 0: go by macs_per_s */
    uint64_t afforded_macs; /* with a pace (mu_plan.step_time_s): what there was to spend, mini-batch by mini-batch and no more than all of what the plan
                             * has would take; 0 otherwise */
} mu_work;

/* What that costs a device of this profile. */
typedef struct mu_price {
    double   download_s, compute_s, upload_s;
    double   energy_j, compute_j; /* all of it; what of it goes into computing */
    uint64_t bytes_down, bytes_up, macs, peak_memory_bytes;
    bool     fits; /* peak memory within the device's */
} mu_price;

MU_API mu_price mu_price_work(const mu_profile *profile, const mu_work *work);
/* The same for a device whose speed and bandwidth vary, when the work begins at `at`: download, then compute, then upload, each over the
 * levels of its time. Where nothing varies it is mu_price_work of the device's profile. */
MU_API mu_price   mu_fleet_price(const mu_fleet *fleet, uint32_t device, mu_time_us at, const mu_work *work);
/* Multiply-accumulates (fp32) that the device can do in `time_s` at the speed that it has once `done` of a task sent at `at` is done: what it would say of
 * itself at that moment, knowing nothing of the next. */
MU_API double     mu_fleet_afford(const mu_fleet *fleet, uint32_t device, mu_time_us at, const mu_work *done, double time_s);
MU_API mu_profile mu_fleet_profile_at(const mu_fleet *fleet, uint32_t device, mu_time_us at); /* as mu_fleet_profile, at that moment's levels */
/* Seconds to virtual time, rounded to nearest, never below 0; more than time can say is MU_TIME_NEVER. */
MU_API mu_time_us mu_time_from_s(double seconds);
MU_API double     mu_time_to_s(mu_time_us time);

/* ---- measuring the device at hand ---- */

typedef struct mu_calibration_config {
    double   seconds;      /* about how long it may take */
    uint64_t memory_bytes; /* what takes more is left out; 0: no limit */
    void    *self;
    void   (*progress)(void *self, uint32_t done, uint32_t count); /* may be NULL */
} mu_calibration_config;
MU_API mu_calibration_config mu_calibration_config_default(void);

typedef struct mu_calibration {
    mu_rates rates;
    uint32_t probes;                  /* networks that were measured */
    double   mean_error, worst_error; /* of their times as the rates have them: |predicted / measured - 1| */
} mu_calibration;

/* Times training steps of small networks of its own, one after the other and all of them several times, on the calling thread and with the kernels in use, and
 * finds the rates that explain these times best. None of the built-in networks is among them. MU_E_MEMORY; MU_E_RANGE: too little memory to measure enough of them. */
MU_API mu_status mu_calibrate(const mu_calibration_config *config, mu_calibration *out, mu_error *err);
/* How long a training step takes here: in each turn the median of the steps that begin within `seconds`; of these the least. */
MU_API mu_status mu_step_measure(const mu_model *model, uint32_t batch_size, double seconds, uint32_t turns, double *step_s, mu_error *err);

/* ---- batteries ---- */

/* How full a device's battery is. */
typedef struct mu_charge {
    mu_time_us at;
    double     level_j;
    bool       drained; /* has fallen to the minimum, and is not yet back where it takes part again */
} mu_charge;

MU_API bool      mu_fleet_has_batteries(const mu_fleet *fleet); /* the others are for fleets that have */
MU_API mu_charge mu_fleet_first_charge(const mu_fleet *fleet, uint32_t device); /* at time 0 */
/* Moves the charge on to `to` (not before it), while the device draws so many watts for us. */
MU_API void mu_fleet_pass(const mu_fleet *fleet, uint32_t device, mu_charge *charge, mu_time_us to, double draw_w);
/* The first moment on that way at which the device becomes drained, or is no longer. MU_TIME_NEVER: not until then. */
MU_API mu_time_us mu_fleet_charge_changes(const mu_fleet *fleet, uint32_t device, mu_charge charge, mu_time_us until, double draw_w);
/* Moves it on while the device works on a task of that price: the radio, the processor, the radio; nothing after that. */
MU_API void mu_fleet_pass_task(const mu_fleet *fleet, uint32_t device, mu_charge *charge, mu_time_us sent_at, const mu_price *price,
                               mu_time_us to);
/* The moment in the middle of the task at which the device becomes drained (`sent_at`: it is from the beginning); MU_TIME_NEVER: it holds. */
MU_API mu_time_us mu_fleet_task_drains(const mu_fleet *fleet, uint32_t device, mu_charge charge, mu_time_us sent_at, const mu_price *price);

#endif
