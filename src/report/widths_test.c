/* Networks by width: widths.csv written and read, in a run's folder, after a kill, in the summary and on the page. */
#include "report/run_reader.h"
#include "report/run_page.h"
#include "report/test_run.h"
#include "report/width_table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the table ---- */

static const char header[] = "round,width,parameters,macs_per_example,loss,accuracy\n";
static const char rows_text[] = "3,1,61706,18446744073709551615,0.25,0.875\n3,0.125,40,50,,0.5\n";

static void written_and_read(void **unused)
{
    (void)unused;
    const mu_width_report widths[] = { { 1, 61706, UINT64_MAX, 0.25, 0.875 }, { 0.125, 40, 50, NAN, 0.5 } };
    mu_round_report report = { .round = 3, .width_count = 2, .widths = widths };
    mu_text text = { 0 };
    mu_width_table_header(&text);
    assert_string_equal(text.bytes, header);
    mu_width_table_rows(&text, &report);
    report.width_count = 0;
    mu_width_table_rows(&text, &report); /* nothing was evaluated */
    assert_string_equal(text.bytes + sizeof header - 1, rows_text);
    mu_width_row *rows;
    size_t count;
    mu_error err;
    assert_int_equal(mu_width_table_parse("w", text.bytes, text.size_bytes, &rows, &count, &err), MU_OK);
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].round, 3);
    assert_true(rows[0].part.width == 1 && rows[0].part.macs == UINT64_MAX && rows[0].part.accuracy == 0.875);
    assert_int_equal(rows[1].part.parameters, 40);
    assert_true(rows[1].part.width == 0.125 && isnan(rows[1].part.loss));
    free(rows);
    mu_text_release(&text);
}

static void bad(const char *bytes, const char *sentence)
{
    mu_width_row *rows = (void *)1;
    size_t count = 7;
    mu_error err;
    assert_int_not_equal(mu_width_table_parse("widths.csv", bytes, strlen(bytes), &rows, &count, &err), MU_OK);
    if (!strstr(err.message, sentence))
        fail_msg("'%s' is not in '%s'", sentence, err.message);
    assert_null(rows);
    assert_int_equal(count, 0);
}

#define HEADER "round,width,parameters,macs_per_example,loss,accuracy\n"

static void bad_ones_are_refused(void **unused)
{
    (void)unused;
    bad("", "widths.csv: is empty, expected a header");
    bad("round,wide\n", "widths.csv:1:7: expected the column 'width'");
    bad("round,width\n", "expected the column 'parameters'");
    bad("round,width,parameters,macs_per_example,loss,accuracy,luck\n", "column 'luck' is not known here");
    bad(HEADER "0,1,2,3,4\n", "the row has 5 fields, the header 6");
    bad(HEADER "0,0,2,3,4,5\n", "widths.csv:2:3: width is 0, expected more than 0 and at most 1");
    bad(HEADER "0,1.5,2,3,4,5\n", "width is 1.5");
    bad(HEADER "-1,1,2,3,4,5\n", "'-1' is no whole number from 0 to 10000000");
    bad(HEADER "0,1,2.5,3,4,5\n", "'2.5' is no whole number");
    bad(HEADER "0,1,2,3,4,x\n", "widths.csv:2:");
    bad(HEADER "1,1,2,3,4,5\n0,1,2,3,4,5\n", "widths.csv:3:1: round 0 at width 1 stands behind round 1 at width 1");
    bad(HEADER "1,0.5,2,3,4,5\n1,0.5,2,3,4,5\n", "round 1 at width 0.5 stands behind round 1 at width 0.5");
}

/* ---- in a run's folder ---- */

static mu_run_folder *open_it(test_run *run, mu_run_open how)
{
    mu_run_folder *folder = NULL;
    mu_error err;
    run->subject.has_widths = true;
    if (mu_run_folder_open(run->folder, how, &run->subject, &folder, &err))
        fail_msg("%s", err.message);
    return folder;
}

static mu_width_report width_of(uint32_t round, uint32_t index)
{
    return (mu_width_report){ .width = index ? 0.5 : 1, .parameters = index ? 30 : 100, .macs = index ? 300 : 1000, .loss = 2.0 / (round + 1),
                              .accuracy = 0.1 * round + 0.01 * index };
}

/* Every second round is evaluated. */
static void play(mu_run_folder *folder, uint32_t first, uint32_t last)
{
    const mu_observer *observer = mu_run_folder_observer(folder);
    for (uint32_t round = first; round <= last; round++) {
        const mu_width_report widths[] = { width_of(round, 0), width_of(round, 1) };
        mu_round_report report = { .round = round, .rounds = 4, .time = round * (mu_time_us)1000000, .tier_count = 2 };
        report.evaluated = round % 2 == 0;
        report.width_count = report.evaluated ? 2 : 0;
        report.widths = report.evaluated ? widths : NULL;
        assert_int_equal(observer->round(observer->self, &report, NULL), MU_OK);
    }
}

static void finish(test_run *run, mu_run_folder *folder)
{
    mu_run_result result = test_run_result(run);
    run->totals.width_count = 2;
    for (uint32_t i = 0; i < 2; i++)
        run->totals.widths[i] = width_of(4, i);
    mu_error err;
    if (mu_run_folder_finish(folder, &result, &err))
        fail_msg("%s", err.message);
    mu_run_folder_close(folder);
}

static const char played[] = HEADER "0,1,100,1000,2,0\n0,0.5,30,300,2,0.01\n"
                                    "2,1,100,1000,0.6666666666666666,0.2\n2,0.5,30,300,0.6666666666666666,0.21000000000000002\n"
                                    "4,1,100,1000,0.4,0.4\n4,0.5,30,300,0.4,0.41000000000000003\n";

static void expect_played(const test_run *run)
{
    char *text = test_run_file(run->folder, MU_RUN_WIDTHS);
    assert_non_null(text);
    assert_string_equal(text, played);
    free(text);
    mu_run read;
    mu_error err;
    if (mu_run_read(run->folder, &read, &err))
        fail_msg("%s", err.message);
    assert_int_equal(read.width_row_count, 6);
    assert_int_equal(read.widths[3].round, 2);
    assert_true(read.widths[3].part.width == 0.5);
    assert_int_equal(read.summary.width_count, 2);
    assert_true(read.summary.widths[1].width == 0.5 && read.summary.widths[1].accuracy == width_of(4, 1).accuracy);
    assert_true(read.summary.widths[1].loss == 0.4);
    assert_int_equal(read.summary.widths[0].parameters, 100);
    assert_int_equal(read.summary.widths[0].macs, 1000);
    mu_run_release(&read);
}

static void in_the_folder(void **unused)
{
    (void)unused;
    test_run run;
    test_run_init(&run, 3);
    mu_run_folder *folder = open_it(&run, MU_RUN_NEW);
    play(folder, 0, 4);
    finish(&run, folder);
    expect_played(&run);
    /* another run in its place takes the table away */
    run.subject.has_widths = false;
    mu_error err;
    if (mu_run_folder_open(run.folder, MU_RUN_REPLACE, &run.subject, &folder, &err))
        fail_msg("%s", err.message);
    mu_run_folder_close(folder);
    assert_null(test_run_file(run.folder, MU_RUN_WIDTHS));
    test_run_release(&run);
}

static void after_a_kill(void **unused)
{
    (void)unused;
    for (uint32_t killed_after = 0; killed_after <= 4; killed_after++) {
        test_run run;
        test_run_init(&run, 3);
        mu_run_folder *folder = open_it(&run, MU_RUN_NEW);
        const mu_observer *observer = mu_run_folder_observer(folder);
        uint8_t place[256];
        play(folder, 0, killed_after);
        assert_int_equal(observer->save(observer->self, place, NULL), MU_OK);
        if (killed_after < 4)
            play(folder, killed_after + 1, 4); /* lost with the kill */
        mu_run_folder_close(folder);
        folder = open_it(&run, MU_RUN_RESUME);
        observer = mu_run_folder_observer(folder);
        assert_int_equal(observer->restore(observer->self, place, NULL), MU_OK);
        if (killed_after < 4)
            play(folder, killed_after + 1, 4);
        finish(&run, folder);
        expect_played(&run);
        test_run_release(&run);
    }
}

/* Killed before the first checkpoint: nothing is restored, and all begins again. */
static void begun_again(void **unused)
{
    (void)unused;
    test_run run;
    test_run_init(&run, 3);
    mu_run_folder *folder = open_it(&run, MU_RUN_NEW);
    play(folder, 0, 2);
    mu_run_folder_close(folder);
    folder = open_it(&run, MU_RUN_RESUME);
    play(folder, 0, 4);
    finish(&run, folder);
    expect_played(&run);
    test_run_release(&run);
}

static void on_the_page(void **unused)
{
    (void)unused;
    test_run run;
    test_run_init(&run, 3);
    mu_run_folder *folder = open_it(&run, MU_RUN_NEW);
    play(folder, 0, 4);
    finish(&run, folder);
    char *page = test_run_file(run.folder, MU_RUN_REPORT);
    assert_non_null(page);
    assert_non_null(strstr(page, "Networks by width"));
    assert_non_null(strstr(page, "<figcaption>Accuracy by width</figcaption>"));
    assert_non_null(strstr(page, "0.4100"));
    free(page);
    /* a table that lacks a row is no table of these widths */
    mu_error err;
    test_run_write(run.folder, MU_RUN_WIDTHS, HEADER "0,1,100,1000,2,0\n");
    assert_int_equal(mu_run_page_write(run.folder, &err), MU_E_PARSE);
    assert_non_null(strstr(err.message, "widths.csv: has 1 rows, which is not so many for each of 2 widths"));
    test_run_release(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_and_read), cmocka_unit_test(bad_ones_are_refused), cmocka_unit_test(in_the_folder),
        cmocka_unit_test(after_a_kill),     cmocka_unit_test(begun_again),          cmocka_unit_test(on_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
