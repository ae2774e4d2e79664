/* Fleets with a name: the sections that they stand for. A new one is a row. */
#include "muster/device.h"

static const mu_named_fleet fleets[] = {
    { "mixed", "phones of three classes, single-board computers and laptops; all can hold a small CNN",
      "mix: {phone-low: 0.30, phone-mid: 0.30, phone-high: 0.15, pi-zero-2: 0.05, pi-4: 0.10, laptop: 0.10}\n"
      "speed_spread: 0.25\n"
      "bandwidth_spread: 0.4\n" },
    { "phones", "phones of three classes",
      "mix: {phone-low: 0.4, phone-mid: 0.4, phone-high: 0.2}\n"
      "speed_spread: 0.25\n"
      "bandwidth_spread: 0.5\n" },
    { "edge", "single-board computers, routers and Jetsons on a home line",
      "mix: {router: 0.2, pi-zero-2: 0.2, pi-4: 0.3, pi-5: 0.2, jetson-nano: 0.05, jetson-orin-nano: 0.05}\n"
      "speed_spread: 0.1\n"
      "bandwidth_spread: 0.4\n" },
    { "things", "microcontrollers, watches and the boards around them; a Cortex-M cannot hold a CNN whole",
      "mix: {mcu-cortex-m4: 0.2, mcu-cortex-m7: 0.2, mcu-esp32-s3: 0.2, watch: 0.2, pi-zero-2: 0.1, router: 0.1}\n"
      "speed_spread: 0.1\n"
      "bandwidth_spread: 0.4\n" },
    { "everything", "from microcontroller to workstation; some cannot hold a CNN whole",
      "mix: {mcu-cortex-m4: 0.05, mcu-cortex-m7: 0.05, mcu-esp32-s3: 0.10, watch: 0.05, pi-zero-2: 0.05, router: 0.05, pi-4: 0.10,\n"
      "      phone-low: 0.15, phone-mid: 0.15, phone-high: 0.05, jetson-nano: 0.05, laptop: 0.10, workstation: 0.05}\n"
      "speed_spread: 0.25\n"
      "bandwidth_spread: 0.4\n" },
    { "silos", "the servers and workstations of institutions",
      "mix: {server: 0.5, workstation: 0.5}\n" },
};

const mu_named_fleet *mu_named_fleets(size_t *count)
{
    *count = MU_COUNT(fleets);
    return fleets;
}
