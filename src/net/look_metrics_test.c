/* Metrics, line by line: the text format 0.0.4 as Prometheus reads it, and what the samples say. */
#include "net/look_support.h"

#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* In the place of the network's own, which is not linked in. */
static int stands_in;
mu_http_counts mu_http_count(mu_http *http)
{
    (void)http;
    return (mu_http_counts){ .requests = 70, .refused = 7, .bytes_in = 5000000000, .bytes_out = 12345, .held = 2 };
}
size_t mu_http_problems(mu_http *http, mu_http_problem *out, size_t most)
{
    (void)http, (void)out, (void)most;
    return 0;
}

static bool is_name(const char *from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!((from[i] >= 'a' && from[i] <= 'z') || (from[i] >= 'A' && from[i] <= 'Z') || from[i] == '_' || (i && from[i] >= '0' && from[i] <= '9')))
            return false;
    return length > 0;
}

/* {name="value",...}: where it ends; nothing but \\, \" and \n is escaped. NULL: it is none. */
static const char *past_labels(const char *from)
{
    for (from++; *from != '}'; from += *from == ',') {
        size_t length = strcspn(from, "=");
        if (!is_name(from, length) || from[length] != '=' || from[length + 1] != '"')
            return NULL;
        for (from += length + 2; *from != '"'; from++)
            if (!*from || *from == '\n' || (*from == '\\' && !strchr("\\\"n", *++from)))
                return NULL;
        from++;
        if (*from != ',' && *from != '}')
            return NULL;
    }
    return from + 1;
}

typedef struct family {
    char name[80], type[16];
    bool helped;
} family;

/* One line of the format; `now` is the family that it belongs to. */
static void check_line(const char *line, family *now)
{
    char name[80], type[16];
    if (sscanf(line, "# HELP %79s", name) == 1) {
        assert_string_not_equal(name, now->name);
        assert_true(strlen(line) > strlen("# HELP  ") + strlen(name));
        snprintf(now->name, sizeof now->name, "%s", name);
        now->helped = true;
        return;
    }
    if (sscanf(line, "# TYPE %79s %15s", name, type) == 2) {
        assert_true(now->helped);
        assert_string_equal(name, now->name);
        assert_true(strcmp(type, "gauge") == 0 || strcmp(type, "counter") == 0);
        bool is_total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
        assert_true(is_total == (strcmp(type, "counter") == 0));
        snprintf(now->type, sizeof now->type, "%s", type);
        now->helped = false;
        return;
    }
    size_t length = strcspn(line, "{ ");
    assert_true(is_name(line, length));
    assert_int_equal(length, strlen(now->name));
    assert_memory_equal(line, now->name, length);
    const char *rest = line[length] == '{' ? past_labels(line + length) : line + length;
    assert_non_null(rest);
    assert_true(*rest == ' ');
    char *end;
    double value = strtod(rest + 1, &end);
    assert_true(isfinite(value) && end != rest + 1 && *end == '\0');
}

/* The value of the sample that begins so, labels included. */
static double sample(const char *text, const char *name)
{
    char begin[160];
    snprintf(begin, sizeof begin, "\n%s ", name);
    const char *found = strstr(text, begin);
    if (!found)
        fail_msg("there is no %s", name);
    assert_null(strstr(found + 1, begin)); /* and no second one */
    return strtod(found + strlen(begin), NULL);
}

static void check_families(const char *text)
{
    family now = { 0 };
    char *copy = strdup(text), *line = copy;
    assert_true(*text && text[strlen(text) - 1] == '\n');
    while (*line) {
        char *end = strchr(line, '\n');
        *end = '\0';
        check_line(line, &now);
        if (strncmp(line, "# HELP ", 7) == 0) { /* each family once */
            char again[120];
            snprintf(again, sizeof again, "# HELP %s ", now.name);
            assert_null(strstr(end + 1, again));
        }
        line = end + 1;
    }
    free(copy);
}

static void test_metrics(void **state)
{
    (void)state;
    look_stage stage;
    look_stage_open(&stage, "\"a \\\"quoted\\\" \\\\ name\\nin two lines\"", 6);
    char *text = look_stage_text(&stage, "/metrics");
    check_families(text);
    assert_null(strstr(text, "\nmuster_accuracy_ratio ")); /* not known yet */
    assert_null(strstr(text, "muster_http_"));
    assert_true(sample(text, "muster_state{state=\"waiting for devices\"}") == 1);
    free(text);
    mu_look_attach(stage.look, (mu_http *)(void *)&stands_in);
    mu_desk_heard(stage.desk, 1, mu_clock_monotonic_s(), NULL);
    look_stage_play(&stage);
    text = look_stage_text(&stage, "/metrics");
    check_families(text);
    assert_non_null(strstr(text, "federation=\"a \\\"quoted\\\" \\\\ name\\nin two lines\""));
    assert_true(sample(text, "muster_state{state=\"running\"}") == 1);
    assert_true(sample(text, "muster_state{state=\"finished\"}") == 0);
    assert_true(sample(text, "muster_round") == 2);
    assert_true(sample(text, "muster_rounds") == 12);
    assert_true(sample(text, "muster_rounds_made_total") == 2);
    assert_true(sample(text, "muster_accuracy_ratio") == 0.502);
    assert_true(sample(text, "muster_tier_accuracy_ratio{tier=\"low\"}") == (strcmp(mu_fleet_tier_name(mu_experiment_fleet(stage.experiment), 0), "low") == 0 ? 0.25 : 0.75));
    assert_true(sample(text, "muster_devices_present") == 1);
    assert_true(sample(text, "muster_tasks_sent_total") == 8);
    assert_true(sample(text, "muster_updates_total{outcome=\"merged\"}") == 6);
    assert_true(sample(text, "muster_updates_total{outcome=\"lost\"}") == 2);
    assert_true(sample(text, "muster_updates_total{outcome=\"late\"}") == 1);
    assert_true(sample(text, "muster_planned_bytes_total{direction=\"down\"}") == 8 * LOOK_BYTES_DOWN);
    assert_true(sample(text, "muster_http_body_bytes_total{direction=\"up\"}") == 5e9);
    assert_true(sample(text, "muster_http_requests_total") == 70);
    assert_true(sample(text, "muster_http_polls_held") == 2);
    assert_true(sample(text, "muster_device_seconds_total") == 60);
    assert_true(sample(text, "process_resident_memory_bytes") > 1e6);
    free(text);
    look_stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_metrics) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
