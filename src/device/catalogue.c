/* The built-in device classes. Every row says where its figures come from and which of them are estimates; docs/fleet.md has the same
 * table for reading. One row is one training task with the whole device to itself.
 *
 * How the rates were found. HPL solves a linear system in double precision. A multiply-accumulate is two of its operations, and
 * a float takes half the room of a double, so a machine that does X Gflop/s there does about X GMAC/s of fp32 in large matrix
 * products. Training a CNN reaches about half of that (one core of an AMD EPYC: 47 GMAC/s in a 1024^3 product, 28 in
 * PyTorch training a 1.6-million-parameter CNN, 10 with one of 62,000), so "HPL X" stands for X / 2 GMAC/s below. */
#include "muster/device.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

/* fp32, bf16, int8; 0: no instructions for it, the price list takes fp32's rate */
#define RATES(fp32, bf16, int8) { [MU_PRECISION_FP32] = (fp32), [MU_PRECISION_BF16] = (bf16), [MU_PRECISION_INT8] = (int8) }

static const mu_profile catalogue[] = {
    { .name = "mcu-cortex-m4", .tier = "low",
      .help = "STM32F407: Cortex-M4F at 168 MHz, 192 KB of memory; Wi-Fi through a serial module",
      .source = "estimate: 168 MHz / 8 cycles a fp32 MAC (3 for the FPU's VMLA, the rest loads and loop); int8 0.35 MAC a "
                "cycle with SMLAD. Memory: the 112 KB main block less stack and buffers. Power: some 45 mA at 3.3 V when "
                "running, assumed, as the module's. Link: a fast UART",
      .macs_per_s = RATES(21e6, 0, 59e6), .memory_bytes = KIB(96),
      .download_bit_per_s = 2e6, .upload_bit_per_s = 2e6, .latency_s = 0.1,
      .active_w = 0.15, .idle_w = 0.03, .radio_w = 0.5 },
    { .name = "mcu-cortex-m7", .tier = "low",
      .help = "STM32H743: Cortex-M7 at 480 MHz, 1 MB of memory, Ethernet",
      .source = "estimate: 480 MHz / 3 cycles a fp32 MAC (loads issue beside the FPU); int8 0.58 MAC a cycle, what CMSIS-NN "
                "reports for a Cortex-M7 (arXiv:1801.06601: 24.7 Mop in 99.1 ms at 216 MHz). Memory: the 512 KB AXI block less "
                "stack and buffers. Power: some 140 mA at 3.3 V and an Ethernet PHY, assumed",
      .macs_per_s = RATES(160e6, 0, 278e6), .memory_bytes = KIB(448),
      .download_bit_per_s = 20e6, .upload_bit_per_s = 20e6, .latency_s = 0.05,
      .active_w = 0.45, .idle_w = 0.1, .radio_w = 0.4 },
    { .name = "mcu-esp32-s3", .tier = "low",
      .help = "ESP32-S3 with 8 MB of PSRAM: two Xtensa LX7 at 240 MHz, Wi-Fi",
      .source = "estimate: 2 cores x 240 MHz / 4 cycles a fp32 MAC (ESP-DSP's benchmarks: 1.7 in a dot product from internal "
                "memory; weights in PSRAM cost more); int8 assumed twice that with the vector instructions. Link: 20 Mbit/s of "
                "TCP in laboratory air, measured by Espressif (ESP-IDF, Wi-Fi performance). Power: assumed from the "
                "datasheet's currents",
      .macs_per_s = RATES(120e6, 0, 240e6), .memory_bytes = MIB(6),
      .download_bit_per_s = 20e6, .upload_bit_per_s = 20e6, .latency_s = 0.05,
      .active_w = 0.3, .idle_w = 0.1, .radio_w = 0.6 },
    { .name = "watch", .tier = "low",
      .help = "smartwatch: Snapdragon W5, four Cortex-A53 at 1.7 GHz, 2 GB of memory",
      .source = "estimate: 4 cores x 1.7 GHz x 0.39 MAC a cycle (as pi-zero-2), halved because a watch cannot shed the heat. "
                "Memory, link and power: assumed",
      .macs_per_s = RATES(1.3e9, 0, 0), .memory_bytes = MIB(128),
      .download_bit_per_s = 10e6, .upload_bit_per_s = 5e6, .latency_s = 0.05,
      .active_w = 0.8, .idle_w = 0.03, .radio_w = 0.4 },
    { .name = "pi-zero-2", .tier = "low",
      .help = "Raspberry Pi Zero 2 W: four Cortex-A53 at 1.0 GHz, 512 MB of memory, Wi-Fi",
      .source = "estimate: 4 cores x 1.0 GHz x 0.39 MAC a cycle, from HPL 5.6 Gflop/s of four in-order Cortex-A55 at 1.8 GHz "
                "(RK3566). Power measured: 2.1 W in HPL (geerlingguy/top500-benchmark) less 0.6 W at rest (cnx-software, "
                "2021). Link: assumed",
      .macs_per_s = RATES(1.56e9, 0, 0), .memory_bytes = MIB(256),
      .download_bit_per_s = 30e6, .upload_bit_per_s = 10e6, .latency_s = 0.03,
      .active_w = 1.5, .idle_w = 0.1, .radio_w = 0.5 },
    { .name = "router", .tier = "low",
      .help = "home router or gateway: MediaTek MT7986, four Cortex-A53 at 2.0 GHz, 512 MB of memory",
      .source = "estimate: 4 cores x 2.0 GHz x 0.39 MAC a cycle, as pi-zero-2. Memory: half of it is the router's. Link: a "
                "home line with 100/40 Mbit/s, assumed. Power: assumed",
      .macs_per_s = RATES(3.1e9, 0, 0), .memory_bytes = MIB(256),
      .download_bit_per_s = 100e6, .upload_bit_per_s = 40e6, .latency_s = 0.01,
      .active_w = 3.0, .idle_w = 0.1, .radio_w = 0.3 },
    { .name = "pi-4", .tier = "mid",
      .help = "Raspberry Pi 4: four Cortex-A72 at 1.8 GHz, 4 GB of memory",
      .source = "estimate from a measurement: HPL 11.9 Gflop/s at 7.2 W (geerlingguy/top500-benchmark), less 2.7 W at rest. "
                "Link: a home line with 50/20 Mbit/s, assumed",
      .macs_per_s = RATES(5.9e9, 0, 0), .memory_bytes = GIB(2),
      .download_bit_per_s = 50e6, .upload_bit_per_s = 20e6, .latency_s = 0.02,
      .active_w = 4.5, .idle_w = 0.2, .radio_w = 0.5 },
    { .name = "pi-5", .tier = "mid",
      .help = "Raspberry Pi 5: four Cortex-A76 at 2.4 GHz, 8 GB of memory",
      .source = "estimate from a measurement: HPL 30.2 Gflop/s at 11 W (geerlingguy/top500-benchmark), less about 3 W at rest; "
                "int8 four times fp32 (SDOT: 16 MACs an instruction against 4). Link: a home line with 50/20 Mbit/s, assumed",
      .macs_per_s = RATES(15e9, 0, 60e9), .memory_bytes = GIB(4),
      .download_bit_per_s = 50e6, .upload_bit_per_s = 20e6, .latency_s = 0.02,
      .active_w = 8.0, .idle_w = 0.3, .radio_w = 0.5 },
    { .name = "phone-low", .tier = "low",
      .help = "phone like the Galaxy A12 Nacho: Exynos 850, eight Cortex-A55 at 2.0 GHz, 4 GB of memory",
      .source = "speed relative to phone-high by AI-Benchmark-like latencies (315 ms against 57, FLHetBench's list); int8 four "
                "times fp32 (SDOT). Link: 5th percentile of phones' Wi-Fi (MobiPerf downloads, FLASH's up/down ratio). Memory: "
                "what a background task may hold, assumed. Power: assumed",
      .macs_per_s = RATES(3.6e9, 0, 14.4e9), .memory_bytes = MIB(256),
      .download_bit_per_s = 11.6e6, .upload_bit_per_s = 4.7e6, .latency_s = 0.04,
      .active_w = 2.0, .idle_w = 0.05, .radio_w = 0.8 },
    { .name = "phone-mid", .tier = "mid",
      .help = "phone like the Galaxy A52: Snapdragon 720G, two Cortex-A76 at 2.3 and six Cortex-A55 at 1.8 GHz, 6 GB of memory",
      .source = "speed relative to phone-high by AI-Benchmark-like latencies (186 ms against 57, FLHetBench's list); int8 four "
                "times fp32 (SDOT). Link: median of phones' Wi-Fi (as phone-low). Memory and power: assumed",
      .macs_per_s = RATES(6.1e9, 0, 24.4e9), .memory_bytes = MIB(512),
      .download_bit_per_s = 42e6, .upload_bit_per_s = 29.5e6, .latency_s = 0.03,
      .active_w = 2.5, .idle_w = 0.05, .radio_w = 0.9 },
    { .name = "phone-high", .tier = "high",
      .help = "phone like the Galaxy S23: Snapdragon 8 Gen 2, Cortex-X3 at 3.2, four A715/A710 at 2.8, three A510 at 2.0 GHz, "
              "8 GB of memory",
      .source = "estimate: (3.2 GHz x 16 fp32 lanes + 4 x 2.8 GHz x 8 lanes) x 14 %, what is left when a warm phone trains "
                "small layers; bf16 twice and int8 four times fp32. Link: 95th percentile of phones' Wi-Fi (as phone-low). "
                "Memory and power: assumed",
      .macs_per_s = RATES(20e9, 40e9, 80e9), .memory_bytes = GIB(1),
      .download_bit_per_s = 76.8e6, .upload_bit_per_s = 62.6e6, .latency_s = 0.02,
      .active_w = 4.0, .idle_w = 0.05, .radio_w = 1.2 },
    { .name = "jetson-nano", .tier = "mid",
      .help = "NVIDIA Jetson Nano: 128 Maxwell cores at 0.92 GHz, 4 GB of memory",
      .source = "estimate: 128 lanes x 0.92 GHz x 25 % on the GPU. Power: the module's 10 W mode less 2 W at rest, assumed. "
                "Link: assumed",
      .macs_per_s = RATES(29e9, 0, 0), .memory_bytes = GIB(2),
      .download_bit_per_s = 50e6, .upload_bit_per_s = 20e6, .latency_s = 0.02,
      .active_w = 8.0, .idle_w = 0.5, .radio_w = 0.5 },
    { .name = "jetson-orin-nano", .tier = "high",
      .help = "NVIDIA Jetson Orin Nano 8 GB: 1024 Ampere cores at 625 MHz",
      .source = "estimate: 1024 lanes x 0.625 GHz x 25 % on the GPU; bf16 and int8 10 % of the tensor cores' 5 and 10 TMAC/s "
                "(datasheet: 20 dense int8 TOPS). Power: the module's 15 W mode less 4 W at rest, assumed. Link: assumed",
      .macs_per_s = RATES(160e9, 500e9, 1000e9), .memory_bytes = GIB(4),
      .download_bit_per_s = 100e6, .upload_bit_per_s = 40e6, .latency_s = 0.01,
      .active_w = 11.0, .idle_w = 1.0, .radio_w = 0.5 },
    { .name = "laptop", .tier = "high",
      .help = "laptop of some years: four AVX2 cores at 2.4 GHz, 8 GB of memory",
      .source = "estimate from a measurement: HPL 72.5 Gflop/s of a Core i5-7400T (four AVX2 cores, 2.4 GHz) at 41 W, less "
                "about 11 W at rest (geerlingguy/top500-benchmark). Link: a home line with 100/40 Mbit/s, assumed",
      .macs_per_s = RATES(36e9, 0, 0), .memory_bytes = GIB(4),
      .download_bit_per_s = 100e6, .upload_bit_per_s = 40e6, .latency_s = 0.015,
      .active_w = 30.0, .idle_w = 1.0, .radio_w = 1.0 },
    { .name = "desktop", .tier = "high",
      .help = "desktop: Ryzen 5 5600X, six AVX2 cores at 3.7 GHz, 16 GB of memory",
      .source = "estimate from a measurement: HPL 229 Gflop/s at 196 W (geerlingguy/top500-benchmark), less about 60 W at "
                "rest. Link: a home line with 250/50 Mbit/s, assumed",
      .macs_per_s = RATES(114e9, 0, 0), .memory_bytes = GIB(8),
      .download_bit_per_s = 250e6, .upload_bit_per_s = 50e6, .latency_s = 0.01,
      .active_w = 136.0, .idle_w = 5.0, .radio_w = 1.0 },
    { .name = "workstation", .tier = "high",
      .help = "workstation: Ryzen 9 7950X, sixteen AVX-512 cores at 4.5 GHz, 64 GB of memory",
      .source = "estimate: 16 cores x 4.5 GHz x 16 fp32 MACs a cycle x 25 %; bf16 twice, int8 four times that (AVX-512 BF16 "
                "and VNNI). Power: the socket's 230 W limit. Link: an institute's network, assumed",
      .macs_per_s = RATES(288e9, 576e9, 1152e9), .memory_bytes = GIB(32),
      .download_bit_per_s = 500e6, .upload_bit_per_s = 500e6, .latency_s = 0.005,
      .active_w = 230.0, .idle_w = 10.0, .radio_w = 1.0 },
    { .name = "server", .tier = "high",
      .help = "server of a silo: 32 AVX-512 cores of an AMD EPYC, 256 GB of memory",
      .source = "estimate from a measurement: 27.8 GMAC/s of one EPYC core in PyTorch 1.13 training a CNN of 1.6 million "
                "parameters, x 32 cores x 0.8 for their lower clock together; bf16 twice, int8 four times that. Power and "
                "link: assumed",
      .macs_per_s = RATES(710e9, 1420e9, 2840e9), .memory_bytes = GIB(128),
      .download_bit_per_s = 1e9, .upload_bit_per_s = 1e9, .latency_s = 0.005,
      .active_w = 280.0, .idle_w = 20.0, .radio_w = 2.0 },
};

const mu_profile *mu_profiles(size_t *count)
{
    *count = MU_COUNT(catalogue);
    return catalogue;
}
