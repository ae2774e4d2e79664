/* Figures: gnuplot scripts put together, and what gnuplot made of them cut to what a page can hold. */
#include "report/figure.h"

#include "report/gnuplot.h"

#include <math.h>
#include <string.h>

#define POINTS_MAX 1000
#define MARKED_POINTS_MAX 40 /* with more, markers would hide the line */
#define LABELS_MAX 40        /* of a category or row; with more, not every one is named */

/* Told apart also by people who see colours differently (Okabe and Ito), and dark enough for thin lines. */
static const char *const colours[] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#5b4db5", "#555555" };

static const char *const dashes[] = { "1", "(12,5)" };

/* ---- units ---- */

static mu_unit choose(const mu_unit *units, size_t count, double most)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (most >= 2 * units[i].size)
            best = i;
    return units[best];
}

mu_unit mu_unit_of_time(double most_s)
{
    static const mu_unit units[] = { { "s", 1 }, { "min", 60 }, { "h", 3600 }, { "days", 86400 } };
    return choose(units, MU_COUNT(units), most_s);
}

mu_unit mu_unit_of_bytes(double most_bytes)
{
    static const mu_unit units[] = { { "bytes", 1 }, { "kB", 1e3 }, { "MB", 1e6 }, { "GB", 1e9 }, { "TB", 1e12 }, { "PB", 1e15 } };
    return choose(units, MU_COUNT(units), most_bytes);
}

mu_unit mu_unit_of_energy(double most_j)
{
    static const mu_unit units[] = { { "J", 1 }, { "kJ", 1e3 }, { "MJ", 1e6 }, { "GJ", 1e9 } };
    return choose(units, MU_COUNT(units), most_j);
}

/* ---- what all have in common ---- */

static void put_text(mu_text *script, const char *command, const char *words)
{
    mu_text_format(script, "set %s ", command);
    mu_text_gnuplot(script, words);
    mu_text_put(script, "\n");
}

static void begin(mu_text *script, const mu_axes *axes, unsigned width, unsigned height)
{
    mu_text_format(script, "set encoding utf8\nset terminal svg size %u,%u dynamic noenhanced font 'sans-serif,13' linewidth 1\n", width,
                   height);
    mu_text_put(script, "set border 3 lc rgb '#888888'\nset tics nomirror textcolor rgb '#444444'\n"
                        "set grid y lc rgb '#dddddd' lw 1 dt 1\nset key textcolor rgb '#444444'\n");
    put_text(script, "xlabel", axes->x_label);
    put_text(script, "ylabel", axes->y_label);
}

/* Above: below it would touch the axis' label. */
static void put_legend(mu_text *script, size_t count)
{
    mu_text_put(script, count > 1 ? "set key outside top center horizontal Left reverse samplen 2 width 2\n" : "unset key\n");
}

/* Only the <svg> element: a page has a prologue of its own. */
static mu_status end(mu_text *script, mu_text *svg, mu_error *err)
{
    mu_text drawn = { 0 };
    mu_status status = script->failed ? mu_error_set(err, MU_E_MEMORY, "no memory for a figure")
                                      : mu_gnuplot_run(script->bytes, script->size_bytes, &drawn, err);
    const char *element = !status && drawn.bytes ? strstr(drawn.bytes, "<svg") : NULL;
    if (!status && !element)
        status = mu_error_set(err, MU_E_STATE, "gnuplot drew nothing");
    if (!status)
        mu_text_put(svg, element);
    mu_text_release(&drawn);
    mu_text_release(script);
    return status;
}

/* ---- curves ---- */

static size_t put_points(mu_text *script, const mu_curve *curve)
{
    size_t finite = 0, kept = 0;
    for (size_t i = 0; i < curve->count; i++)
        finite += isfinite(curve->y[i]) != 0;
    size_t step = finite / POINTS_MAX + 1, seen = 0;
    for (size_t i = 0; i < curve->count; i++) {
        if (!isfinite(curve->y[i]))
            continue;
        seen++;
        if ((seen - 1) % step != 0 && seen != finite)
            continue;
        mu_text_real(script, curve->x[i], "0");
        mu_text_put(script, " ");
        mu_text_real(script, curve->y[i], "0");
        mu_text_put(script, "\n");
        kept++;
    }
    return kept;
}

mu_status mu_figure_curves(const mu_axes *axes, const mu_curve *curves, size_t count, mu_text *svg, mu_error *err)
{
    mu_text script = { 0 }, plot = { 0 };
    /* the legend takes a line for about three curves */
    begin(&script, axes, 640, 360 + (count > 1 ? 20 * (unsigned)((count + 2) / 3) : 0));
    put_legend(&script, count);
    size_t drawn = 0;
    for (size_t i = 0; i < count; i++) {
        mu_text_format(&script, "$curve%zu << END\n", i);
        size_t points = put_points(&script, &curves[i]);
        mu_text_put(&script, "END\n");
        if (!points)
            continue;
        /* every other line is dashed: where two lie on each other, both are seen */
        mu_text_format(&plot, "%s$curve%zu using 1:2 with %s lw 2 dt %s pt 7 ps 0.4 lc rgb '%s' title ", drawn++ ? ", " : "plot ", i,
                       points <= MARKED_POINTS_MAX ? "linespoints" : "lines", dashes[(i + i / MU_COUNT(colours)) % MU_COUNT(dashes)],
                       colours[i % MU_COUNT(colours)]);
        mu_text_gnuplot(&plot, curves[i].label);
    }
    mu_text_put_bytes(&script, plot.bytes ? plot.bytes : "", plot.size_bytes);
    mu_text_put(&script, "\n");
    script.failed |= plot.failed;
    mu_text_release(&plot);
    if (drawn)
        return end(&script, svg, err);
    mu_text_release(&script);
    return mu_error_set(err, MU_E_STATE, "there is nothing to draw: no round was evaluated");
}

/* ---- bars ---- */

/* Side by side under the axis; otherwise they are turned. */
static bool names_fit(const char *const *names, size_t count)
{
    enum { ROOM = 64 }; /* characters */
    size_t longest = 0;
    for (size_t i = 0; i < count; i++)
        longest = strlen(names[i]) > longest ? strlen(names[i]) : longest;
    return (longest + 2) * count <= ROOM;
}

mu_status mu_figure_bars(const mu_axes *axes, const char *const *categories, size_t category_count, const mu_bars *bars, size_t count,
                         mu_text *svg, mu_error *err)
{
    mu_text script = { 0 };
    begin(&script, axes, 640, count > 1 ? 380 : 360);
    put_legend(&script, count);
    mu_text_put(&script, "set style data histogram\nset style histogram clustered gap 1\nset style fill solid 0.85 noborder\n"
                         "set boxwidth 0.9\nset yrange [0:*]\n");
    mu_text_format(&script, "set xtics scale 0%s\n", names_fit(categories, category_count) ? "" : " rotate by -35");
    mu_text_put(&script, "$bars << END\n");
    size_t step = category_count / LABELS_MAX + 1;
    for (size_t c = 0; c < category_count; c++) {
        mu_text_put(&script, "\"");
        /* the name is data in double quotes here: a quote in it would end it */
        for (const char *at = c % step == 0 ? categories[c] : ""; *at; at++)
            mu_text_put_bytes(&script, *at == '"' || *at == '\\' || (unsigned char)*at < 0x20 ? "'" : at, 1);
        mu_text_put(&script, "\"");
        for (size_t b = 0; b < count; b++) {
            mu_text_put(&script, " ");
            mu_text_real(&script, bars[b].values[c], "NaN");
        }
        mu_text_put(&script, "\n");
    }
    mu_text_put(&script, "END\nplot ");
    for (size_t b = 0; b < count; b++) {
        mu_text_format(&script, "%s$bars using %zu:xtic(1) lc rgb '%s' title ", b ? ", " : "", b + 2, colours[b % MU_COUNT(colours)]);
        mu_text_gnuplot(&script, bars[b].label);
    }
    mu_text_put(&script, "\n");
    return end(&script, svg, err);
}

/* ---- heat ---- */

mu_status mu_figure_heat(const mu_axes *axes, const mu_heat *heat, mu_text *svg, mu_error *err)
{
    mu_text script = { 0 };
    unsigned height = 140 + 18 * (unsigned)(heat->rows < 6 ? 6 : heat->rows > LABELS_MAX ? LABELS_MAX : heat->rows);
    begin(&script, axes, 1000, height);
    mu_text_put(&script, "unset key\nunset grid\nset palette defined (0 '#ffffff', 0.25 '#cfe3f2', 0.6 '#4a90c2', 1 '#08306b')\n"
                         "set cbrange [0:*]\n");
    mu_text_format(&script, "set xrange [-0.5:%zu.5]\nset yrange [-0.5:%zu.5]\n", heat->columns - 1, heat->rows - 1);
    put_text(&script, "cblabel", heat->unit);
    mu_text_put(&script, "set ytics (");
    size_t step = (heat->rows + LABELS_MAX - 1) / LABELS_MAX;
    for (size_t r = 0; r < heat->rows; r += step) {
        mu_text_put(&script, r ? ", " : "");
        mu_text_gnuplot(&script, heat->row_names[r]);
        mu_text_format(&script, " %zu", r);
    }
    mu_text_put(&script, ")\n$heat << END\n");
    for (size_t r = 0; r < heat->rows; r++)
        for (size_t c = 0; c < heat->columns; c++) {
            mu_text_real(&script, heat->values[r * heat->columns + c], "0");
            mu_text_put(&script, c + 1 == heat->columns ? "\n" : " ");
        }
    /* `pixels`: rectangles; otherwise it would be an embedded picture, which browsers smooth and the page does not allow */
    mu_text_put(&script, "END\nplot $heat matrix using 1:2:3 with image pixels\n");
    return end(&script, svg, err);
}
