/* The `serve:` section of an experiment. */
#include "muster/serve.h"

#include "base/limits.h"

#include <math.h>

#define ROW(name, kind, ...) { #name, MU_OPTION_##kind, offsetof(mu_serve_config, name), __VA_ARGS__ }

static const mu_option rows[] = {
    ROW(address, TEXT, 0, 0, "0.0.0.0:8443", NULL, NULL, "where devices come in, host:port; port 0: any free one"),
    ROW(status_address, TEXT, 0, 0, "127.0.0.1:8444", NULL, NULL, "where people look, by plain HTTP and reading only; empty: nowhere"),
    ROW(certificate, TEXT, 0, 0, "", NULL, NULL, "a PEM file beside this one, with the chain; empty: a certificate is made at the first start"),
    ROW(key, TEXT, 0, 0, "", NULL, NULL, "the certificate's key, a PEM file"),
    ROW(tls, BOOL, 0, 0, "true", NULL, NULL, "false: plain HTTP, on loopback addresses only"),
    ROW(wait_for_devices, COUNT, 1, MU_LIMIT_DEVICES, "1", NULL, "devices", "the first round begins when so many are there"),
    ROW(presence_s, REAL, 1, 1e9, "90", NULL, "s", "a device that was not heard of for so long is not there"),
    ROW(lease_s, REAL, 1, MU_LIMIT_LEASE_SECONDS, "600", NULL, "s", "a task whose device was not heard of for so long is given up"),
    ROW(hold_s, REAL, 0, 3600, "25", NULL, "s", "a device that asks for work is answered after so long at the latest; networks in between cut longer ones"),
    ROW(again_s, REAL, 0.01, 86400, "10", NULL, "s", "after so long a device asks again that was told nothing and is not held"),
    ROW(held_max, COUNT, 0, 1e7, "10000", NULL, "devices", "whose requests for work are held at once; further ones are told to ask again"),
    ROW(connections_max, COUNT, 8, 1e7, "12000", NULL, "connections", "at once; fewer where the limit of open files does not suffice for them"),
    ROW(address_share, REAL, 0.0001, 1, "0.9", NULL, NULL, "of connections_max, that one address may have; less, where devices come from many, lets nobody take them all"),
    ROW(request_s, REAL, 0.1, 86400, "60", NULL, "s", "a request must have come within so long, and its answer be taken, and a second for each KiB of either; else it is cut off"),
    ROW(session_s, REAL, 1, 1e9, "86400", NULL, "s", "then a device signs in again"),
    ROW(requests_per_s, REAL, 0.01, 1e9, "100", NULL, "1/s", "of one device, and of one address without a session; whoever asks more often is told to wait"),
    ROW(update_norm_max, REAL, 0, INFINITY, "inf", NULL, NULL, "an update whose change has a larger Euclidean norm is refused"),
    ROW(planned_order, BOOL, 0, 0, "true", NULL, NULL,
        "where a round waits for all its devices, merge their updates in the order of the simulator: the same seed gives the same model"),
    ROW(look_at_devices, BOOL, 0, 0, "false", NULL, NULL,
        "ask devices for accuracies by tier and by device, as evaluate says; each of them fetches the model for it. false: there are none"),
    ROW(reported_profiles, BOOL, 0, 0, "true", NULL, NULL, "plan by what devices report of themselves, and not by the experiment's fleet"),
};

const mu_option *mu_serve_options(size_t *count)
{
    *count = MU_COUNT(rows);
    return rows;
}

mu_status mu_serve_config_read(const mu_experiment *experiment, mu_serve_config *out, mu_error *err)
{
    const mu_conf_node *section = mu_experiment_section(experiment, "serve");
    mu_status status = mu_options_read(rows, MU_COUNT(rows), section, NULL, "serve", out, err);
    if (status)
        return status;
    double silent_s = fmax(out->hold_s, 1.2 * out->again_s); /* devices spread it by up to a fifth */
    if (out->presence_s <= silent_s)
        return mu_conf_error(err, MU_E_CONFIG, mu_conf_get(section, "presence_s"), "serve.presence_s is %g s, but a device may be silent for %g s between two "
                             "polls (hold_s, again_s): it must be longer than that", out->presence_s, silent_s);
    return MU_OK;
}
