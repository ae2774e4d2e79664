/* Lines of a log: each one JSON, with what it says; and written whether or not anybody reads. */
#include "report/log_lines.h"

#include <cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const mu_task task = { .device = 1, .sent_at = 2000000, .plan = { .version = 4, .ordinal = 3 }, .price = { .bytes_up = 77 } };

static void play(const mu_observer *observer)
{
    const mu_event_report lost = { .happening = MU_HAPPENED_LOST, .at = 3500000, .round = 5, .task = &task, .reason = "gone \"home\"\n" };
    const mu_event_report merged = { .happening = MU_HAPPENED_MERGED, .at = 3500000, .round = 5, .task = &task, .num_examples = 12, .train_loss = 0.5 };
    const mu_round_report round = { .round = 5, .time = 4250000, .selected = 3, .merged = 2, .lost = 1, .evaluated = true, .accuracy = 0.75, .loss = NAN,
                                    .tier_count = 2, .tier_accuracy = { 0.5, NAN }, .train_loss = NAN };
    assert_int_equal(observer->presence(observer->self, 1250000, 1, true, NULL), MU_OK);
    assert_int_equal(observer->event(observer->self, &lost, NULL), MU_OK);
    assert_int_equal(observer->event(observer->self, &merged, NULL), MU_OK);
    assert_int_equal(observer->round(observer->self, &round, NULL), MU_OK);
    assert_int_equal(observer->presence(observer->self, 5000000, 1, false, NULL), MU_OK);
}

/* The next line; the text is moved on behind it. */
static cJSON *next(char **text)
{
    char *end = strchr(*text, '\n');
    assert_non_null(end);
    *end = '\0';
    cJSON *line = cJSON_Parse(*text);
    assert_non_null(line);
    *text = end + 1;
    return line;
}

static void assert_text(const cJSON *line, const char *key, const char *expected)
{
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, key)), expected);
}

static void assert_number(const cJSON *line, const char *key, double expected)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(line, key);
    assert_true(cJSON_IsNumber(item) && item->valuedouble == expected);
}

static void lines_say_what_happened(void **state)
{
    (void)state;
    mu_fleet *fleet = NULL;
    mu_conf *conf = NULL;
    static const char yaml[] = "{mix: {phone-low: 0.5, workstation: 0.5}}";
    assert_int_equal(mu_conf_parse("fleet", yaml, strlen(yaml), &conf, NULL), MU_OK);
    assert_int_equal(mu_fleet_create(mu_conf_root(conf), 4, 1, &fleet, NULL), MU_OK);
    char *text = NULL, *at;
    size_t size_bytes;
    FILE *out = open_memstream(&text, &size_bytes);
    mu_log_lines log;
    mu_log_lines_init(&log, out);
    assert_int_equal(mu_log_lines_know(&log, fleet, NULL), MU_OK);
    play(&log.observer);
    fclose(out);
    at = text;
    const char *class_name = mu_fleet_class(fleet, mu_fleet_class_of(fleet, 1))->name;
    cJSON *line = next(&at);
    assert_text(line, "event", "came");
    assert_text(line, "class", class_name);
    assert_number(line, "device", 1);
    assert_number(line, "time_s", 1.25);
    cJSON_Delete(line);
    line = next(&at);
    assert_text(line, "event", "lost");
    assert_text(line, "class", class_name);
    assert_text(line, "reason", "gone \"home\"\n");
    assert_number(line, "sent_at_s", 2);
    cJSON_Delete(line);
    line = next(&at);
    assert_text(line, "event", "merged");
    assert_number(line, "num_examples", 12);
    assert_number(line, "bytes_up", 77);
    cJSON_Delete(line);
    line = next(&at);
    assert_text(line, "event", "round");
    assert_number(line, "round", 5);
    assert_number(line, "time_s", 4.25);
    assert_number(line, "selected", 3);
    assert_number(line, "accuracy", 0.75);
    char tier[MU_TIER_NAME_BYTES + 16];
    snprintf(tier, sizeof tier, "accuracy_%s", mu_fleet_tier_name(fleet, 0));
    assert_number(line, tier, 0.5);
    assert_null(cJSON_GetObjectItemCaseSensitive(line, "loss")); /* what is not known is left out */
    cJSON_Delete(line);
    line = next(&at);
    assert_text(line, "event", "went");
    cJSON_Delete(line);
    assert_int_equal(*at, '\0');
    free(text);
    mu_fleet_destroy(fleet);
    mu_conf_destroy(conf);
}

static void without_a_fleet_and_without_a_reader(void **state)
{
    (void)state;
    char *text = NULL, *at;
    size_t size_bytes;
    FILE *out = open_memstream(&text, &size_bytes);
    mu_log_lines log;
    mu_log_lines_init(&log, out);
    play(&log.observer);
    fclose(out);
    at = text;
    for (int i = 0; i < 5; i++) {
        cJSON *line = next(&at);
        assert_null(cJSON_GetObjectItemCaseSensitive(line, "class"));
        cJSON_Delete(line);
    }
    assert_int_equal(*at, '\0');
    free(text);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    mu_log_lines_init(&log, full);
    play(&log.observer);
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lines_say_what_happened), cmocka_unit_test(without_a_fleet_and_without_a_reader) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
