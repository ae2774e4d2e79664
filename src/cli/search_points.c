/* Rows and uniform vectors, and how they compare. */
#include "cli/search_points.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which points ---- */

static bool is_whole(const mu_units *units, const uint32_t *counts)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++)
        if (counts[g] != mu_units_group(units, g)->count)
            return false;
    return true;
}

static void take_point(cli_search_points *p, bool is_found, const uint32_t *counts, const mu_width_work *work, double gain, uint32_t tries)
{
    const uint32_t row = p->found_count + p->uniform_count;
    uint32_t *own = p->counts + (size_t)row * p->groups;
    memcpy(own, counts, p->groups * sizeof *own);
    cli_search_point *point = is_found ? &p->found[p->found_count++] : &p->uniform[p->uniform_count++];
    *point = (cli_search_point){ .counts = own, .work = *work, .gain = gain, .tries = tries, .step_s = (double)NAN };
}

/* The best compromises among the survivors, from the cheapest, with all that is known of their gains. */
static mu_status find_front(const cli_search_asked *asked, double *gains, uint32_t *front, uint32_t *count, mu_error *err)
{
    const uint32_t members = mu_width_search_member_count(asked->search);
    double *values = calloc(2 * (size_t)members + 1, sizeof *values);
    mu_status status = values ? mu_width_search_review(asked->search, asked->proxy, CLI_SEARCH_REVIEW_TRIES, gains, err)
                              : mu_error_set(err, MU_E_MEMORY, "no memory for the front of %u vectors", members);
    for (uint32_t i = 0; i < members && !status; i++) {
        values[2 * i] = mu_width_search_member(asked->search, i).cost;
        values[2 * i + 1] = -gains[i];
    }
    if (!status)
        mu_pareto_front((mu_points){ values, members, 2 }, front, count);
    free(values);
    return status;
}

/* The front without the whole network, then that: it can be nowhere else than at the end, because nothing costs more. */
static mu_status take_front(cli_search_points *p, const cli_search_asked *asked, const double *gains, const uint32_t *front, uint32_t count, mu_error *err)
{
    uint32_t *whole = calloc(p->groups, sizeof *whole), whole_tries = 0;
    double whole_gain = (double)NAN;
    mu_width_work work;
    if (!whole)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the whole network's row");
    if (count) {
        const mu_width_member last = mu_width_search_member(asked->search, front[count - 1]);
        if (is_whole(asked->units, last.counts)) {
            whole_gain = gains[front[--count]];
            whole_tries = last.tries + CLI_SEARCH_REVIEW_TRIES;
        }
    }
    const uint32_t rows = count < asked->most_rows - 1 ? count : asked->most_rows - 1;
    for (uint32_t i = 0; i < rows; i++) {
        const uint32_t at = rows > 1 ? (uint32_t)((uint64_t)i * (count - 1) / (rows - 1)) : 0;
        const mu_width_member member = mu_width_search_member(asked->search, front[at]);
        if (p->found_count == 0 || member.work.macs > p->found[p->found_count - 1].work.macs) /* where time is the cost the order may be another */
            take_point(p, true, member.counts, &member.work, gains[front[at]], member.tries + CLI_SEARCH_REVIEW_TRIES);
    }
    for (uint32_t g = 0; g < p->groups; g++)
        whole[g] = mu_units_group(asked->units, g)->count;
    mu_status status = mu_width_search_work(asked->search, whole, &work, err);
    if (!status)
        take_point(p, true, whole, &work, whole_gain, whole_tries);
    free(whole);
    return status;
}

static mu_status take_found(cli_search_points *p, const cli_search_asked *asked, mu_error *err)
{
    const size_t members = mu_width_search_member_count(asked->search);
    uint32_t *front = calloc(members + 1, sizeof *front), count = 0;
    double *gains = calloc(members + 1, sizeof *gains);
    mu_status status = front && gains ? find_front(asked, gains, front, &count, err)
                                      : mu_error_set(err, MU_E_MEMORY, "no memory for the front of %zu vectors", members);
    if (!status)
        status = take_front(p, asked, gains, front, count, err);
    free(front);
    free(gains);
    return status;
}

/* Rates from the largest to 0. Of those that keep as many units the first one counts. */
static mu_status take_uniform(cli_search_points *p, const cli_search_asked *asked, mu_error *err)
{
    double *rates = calloc(p->groups, sizeof *rates);
    uint32_t *counts = calloc(p->groups, sizeof *counts);
    const uint32_t wanted = p->found_count;
    mu_status status = rates && counts ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory for uniform vectors");
    for (uint32_t i = 0; i < wanted && !status; i++) {
        for (uint32_t g = 0; g < p->groups; g++)
            rates[g] = wanted > 1 ? asked->most_rate * (wanted - 1 - i) / (wanted - 1) : 0;
        asked->counts_of(asked->units, rates, counts);
        mu_width_work work;
        status = mu_width_search_work(asked->search, counts, &work, err);
        if (!status && (p->uniform_count == 0 || work.macs > p->uniform[p->uniform_count - 1].work.macs))
            take_point(p, false, counts, &work, (double)NAN, 0);
    }
    free(rates);
    free(counts);
    return status;
}

static void find_shares(cli_search_points *p)
{
    const double whole = (double)p->found[p->found_count - 1].work.macs;
    for (uint32_t i = 0; i < p->found_count; i++)
        p->found[i].share = (double)p->found[i].work.macs / whole;
    for (uint32_t i = 0; i < p->uniform_count; i++)
        p->uniform[i].share = (double)p->uniform[i].work.macs / whole;
}

mu_status cli_search_points_init(const cli_search_asked *asked, cli_search_points *out, mu_error *err)
{
    const size_t most = asked->most_rows;
    MU_ASSERT(most >= 2);
    *out = (cli_search_points){ .groups = (uint32_t)mu_units_group_count(asked->units) };
    out->found = calloc(most, sizeof *out->found);
    out->uniform = calloc(most, sizeof *out->uniform);
    out->counts = calloc(2 * most * out->groups, sizeof *out->counts);
    mu_status status = out->found && out->uniform && out->counts ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory for %zu rows", most);
    if (!status)
        status = take_found(out, asked, err);
    if (!status)
        status = take_uniform(out, asked, err);
    if (status)
        cli_search_points_release(out);
    else
        find_shares(out);
    return status;
}

void cli_search_points_release(cli_search_points *points)
{
    free(points->found);
    free(points->uniform);
    free(points->counts);
    *points = (cli_search_points){ 0 };
}

/* ---- proxies that the search has not seen ---- */

mu_status cli_search_points_judge(cli_search_points *points, mu_proxy *proxy, uint32_t repeats, bool by_loss, uint32_t number, mu_error *err)
{
    const uint32_t count = points->found_count + points->uniform_count;
    mu_gain *gains = calloc(count, sizeof *gains);
    MU_ASSERT(number < CLI_SEARCH_MOST_HELD_OUT);
    if (!gains)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the gains of %u vectors", count);
    mu_status status = mu_proxy_gains(proxy, points->counts, count, 0, repeats, gains, err);
    for (uint32_t i = 0; i < count && !status; i++) {
        cli_search_point *point = i < points->found_count ? &points->found[i] : &points->uniform[i - points->found_count];
        point->held_out[number] = by_loss ? gains[i].loss : gains[i].accuracy;
    }
    if (!status && number >= points->held_out)
        points->held_out = number + 1;
    free(gains);
    return status;
}

/* ---- the verdict ---- */

static mu_status covered(const cli_search_point *points, uint32_t count, uint32_t number, double *out, mu_error *err)
{
    double *values = calloc(count, 2 * sizeof *values);
    if (!values)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %u points", count);
    for (uint32_t i = 0; i < count; i++) {
        values[2 * i] = points[i].share;
        values[2 * i + 1] = -points[i].held_out[number];
    }
    mu_status status = mu_pareto_hypervolume((mu_points){ values, count, 2 }, (double[2]){ 1.0, 0.0 }, out, err);
    free(values);
    return status;
}

/* Mean over budgets from `least` to 1 of what the dearest point within the budget gains. */
static double gain_of_budgets(const cli_search_point *points, uint32_t count, uint32_t number, double least)
{
    double sum = 0;
    for (uint32_t i = 0; i + 1 < count; i++) {
        const double from = points[i].share > least ? points[i].share : least, to = points[i + 1].share;
        sum += to > from ? (to - from) * points[i].held_out[number] : 0;
    }
    return least < 1 ? sum / (1 - least) : points[count - 1].held_out[number];
}

static void summarise(cli_search_figure *figure, uint32_t count)
{
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += figure->values[i];
    figure->mean = sum / count;
    for (uint32_t i = 0; i < count; i++)
        squares += (figure->values[i] - figure->mean) * (figure->values[i] - figure->mean);
    figure->sd = count > 1 ? sqrt(squares / (count - 1)) : (double)NAN;
}

mu_status cli_search_verdict_of(const cli_search_points *points, cli_search_verdict *out, mu_error *err)
{
    const cli_search_point *found = points->found, *uniform = points->uniform;
    const double least = found[0].share > uniform[0].share ? found[0].share : uniform[0].share;
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < points->held_out && !status; i++) {
        status = covered(found, points->found_count, i, &out->covered_found.values[i], err);
        if (!status)
            status = covered(uniform, points->uniform_count, i, &out->covered_uniform.values[i], err);
        if (status)
            return status;
        out->gain_found.values[i] = gain_of_budgets(found, points->found_count, i, least);
        out->gain_uniform.values[i] = gain_of_budgets(uniform, points->uniform_count, i, least);
        out->covered_more.values[i] = out->covered_found.values[i] - out->covered_uniform.values[i];
        out->gain_more.values[i] = out->gain_found.values[i] - out->gain_uniform.values[i];
    }
    cli_search_figure *figures[] = { &out->covered_found, &out->covered_uniform, &out->covered_more, &out->gain_found, &out->gain_uniform,
                                     &out->gain_more };
    for (size_t i = 0; i < MU_COUNT(figures); i++)
        summarise(figures[i], points->held_out);
    return MU_OK;
}
