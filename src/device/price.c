/* The price list: counted work in, seconds and joules out. The same for every method, so that their costs can be compared. */
#include "muster/device.h"

#include "nn/cost.h"

#include <math.h>
#include <string.h>

static double transfer_s(uint64_t bytes, double bit_per_s, double latency_s)
{
    return bytes ? latency_s + 8.0 * (double)bytes / bit_per_s : 0.0;
}

mu_price mu_price_work(const mu_profile *profile, const mu_work *work)
{
    mu_price price;
    memset(&price, 0, sizeof price); /* its padding too: prices stand in checkpoints byte by byte */
    price.download_s = transfer_s(work->bytes_down, profile->download_bit_per_s, profile->latency_s);
    price.upload_s = transfer_s(work->bytes_up, profile->upload_bit_per_s, profile->latency_s);
    price.bytes_down = work->bytes_down;
    price.bytes_up = work->bytes_up;
    price.peak_memory_bytes = work->peak_memory_bytes;
    price.fits = work->peak_memory_bytes <= profile->memory_bytes;
    for (int precision = 0; precision < MU_PRECISION_COUNT; precision++) {
        double rate = profile->macs_per_s[precision];
        if (rate <= 0.0)
            rate = profile->macs_per_s[MU_PRECISION_FP32];
        if (precision == MU_PRECISION_FP32 && profile->rates && work->rated_s > 0.0)
            price.compute_s += work->rated_s * (profile->rates->macs_per_s / rate);
        else if (work->macs[precision]) /* nothing to do takes no time, also where nothing can be done */
            price.compute_s += (double)work->macs[precision] / rate;
        if (__builtin_add_overflow(price.macs, work->macs[precision], &price.macs))
            price.macs = UINT64_MAX;
    }
    if (work->extra_moved_bytes)
        price.compute_s += MU_MACS_PER_BYTE * (double)work->extra_moved_bytes / profile->macs_per_s[MU_PRECISION_FP32];
    price.compute_j = profile->active_w * price.compute_s;
    price.energy_j = price.compute_j + profile->radio_w * (price.download_s + price.upload_s);
    return price;
}

mu_time_us mu_time_from_s(double seconds)
{
    double us = seconds * 1e6;
    if (!(us < 0x1p63)) /* also what is not a number: it will not come to pass */
        return MU_TIME_NEVER;
    return us > 0.0 ? llround(us) : 0;
}

double mu_time_to_s(mu_time_us time)
{
    return time == MU_TIME_NEVER ? INFINITY : (double)time / 1e6;
}
