/* muster version: what this program is made of, for a bug report or a script. */
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "muster/version.h"
#include "tensor/kernels.h"

#include <cJSON.h>
#include <curl/curl.h>
#include <lzma.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>
#include <zlib.h>
#include <zstd.h>

typedef struct version_options {
    int format;
} version_options;

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

/* curl_version() says more than its own version: "libcurl/7.88.1 OpenSSL/3.0.11 ..." */
static const char *curl_number(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

static void print_text(const char *const (*libraries)[2], size_t count, long processors)
{
    printf("muster %s\n", MU_VERSION);
    printf("kernels     %s\n", mu_kernels()->name);
    printf("processors  %ld\n", processors);
    printf("build       %s, %s\n", MUSTER_BUILD_TYPE, COMPILER);
    fputs("libraries   ", stdout);
    for (size_t i = 0; i < count; i++)
        printf("%s%s %s", i ? ", " : "", libraries[i][0], libraries[i][1]);
    putchar('\n');
}

static void print_json(const char *const (*libraries)[2], size_t count, long processors)
{
    printf("{\"version\":\"%s\",\"kernels\":\"%s\",\"processors\":%ld,\"build_type\":\"%s\",\"compiler\":", MU_VERSION, mu_kernels()->name,
           processors, MUSTER_BUILD_TYPE);
    cli_print_json_text(stdout, COMPILER);
    fputs(",\"libraries\":{", stdout);
    for (size_t i = 0; i < count; i++) {
        printf("%s\"%s\":", i ? "," : "", libraries[i][0]);
        cli_print_json_text(stdout, libraries[i][1]);
    }
    fputs("}}\n", stdout);
}

static mu_status verb_version(const void *options, mu_error *err)
{
    const version_options *o = options;
    mu_status status = mu_kernels_check(err);
    if (status)
        return status;
    const char *const libraries[][2] = {
        { "libyaml", yaml_get_version_string() }, { "cJSON", cJSON_Version() },          { "libsodium", sodium_version_string() },
        { "zlib", zlibVersion() },                { "zstd", ZSTD_versionString() },      { "liblzma", lzma_version_string() },
        { "libcurl", curl_number() },
    };
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (o->format == CLI_FORMAT_JSON)
        print_json(libraries, MU_COUNT(libraries), processors);
    else
        print_text(libraries, MU_COUNT(libraries), processors);
    return MU_OK;
}

static const cli_argument flags[] = { CLI_FORMAT_FLAG(version_options, format, cli_formats_text_json) };

static const cli_example examples[] = {
    { "muster version", "the version, the kernels in use, the processors, the build and its libraries" },
};

const cli_verb cli_verb_version = {
    .name = "version",
    .summary = "say what this program is",
    .about = "Version, the kernels that this processor gets, processors, how it was built and the libraries it runs with: what a bug "
             "report needs.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_FLAGS(flags), .options_bytes = sizeof(version_options) },
    .run = verb_version,
};
