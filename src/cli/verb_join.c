/* muster join: a device. */
#include "cli/interrupt.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "base/limits.h"
#include "muster/join.h"
#include "muster/option.h"
#include "tensor/kernels.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct join_options {
    const char *url, *token, *data, *part, *state, *fingerprint, *name, *class_name, *profile, *hours, *metered;
    uint64_t    memory_bytes;
    double      battery_min, keep_every_s;
    uint32_t    tasks, nice;
    bool        metered_ok, quiet;
    int         format;
} join_options;

typedef struct join {
    const join_options *options;
    char    *url, *folder; /* without '#' and what follows */
    char     token[2 * 32 + 1];
    mu_conf *conf;  /* that the data are described in */
    mu_data *data;
    mu_conf *profile_conf; /* that the device is described in, or NULL */
    mu_fleet *fleet;       /* of that device */
    bool     is_metered; /* always */
} join;

static mu_status no_memory(mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "no memory for a device");
}

/* ---- what it says as it goes ---- */

static void print_json(const mu_join_event *event)
{
    char number[CLI_NUMBER_BYTES];
    printf("{\"event\":\"%s\",\"device\":%u", mu_join_happening_name(event->happening), event->device);
    if (event->task)
        printf(",\"task\":%llu,\"round\":%u", (unsigned long long)event->task, event->round);
    if (event->happening == MU_JOIN_TRAINED)
        printf(",\"steps\":%u,\"loss\":%s", event->steps, cli_format_exact(event->loss, number));
    if (event->happening == MU_JOIN_LOOKED)
        printf(",\"examples\":%u", event->steps);
    if (event->happening == MU_JOIN_TRAINED || event->happening == MU_JOIN_LOOKED || event->happening == MU_JOIN_DOWNLOADED)
        printf(",\"seconds\":%s", cli_format_exact(event->seconds, number));
    if (event->happening == MU_JOIN_DOWNLOADED || event->happening == MU_JOIN_SENT)
        printf(",\"bytes\":%llu", (unsigned long long)event->bytes);
    if (event->text) {
        fputs(",\"text\":", stdout);
        cli_print_json_text(stdout, event->text);
    }
    fputs("}\n", stdout);
}

static void print_text(const mu_join_event *event)
{
    char bytes[CLI_NUMBER_BYTES], seconds[CLI_NUMBER_BYTES];
    printf("%s :      [device %u] ", event->happening == MU_JOIN_WAITING || event->happening == MU_JOIN_REFUSED ? "WARN" : "INFO", event->device);
    if (event->round)
        printf("round %u: ", event->round);
    cli_format_bytes(event->bytes, bytes);
    cli_format_seconds(event->seconds, seconds);
    switch (event->happening) {
    case MU_JOIN_ENROLLED: printf("is in the federation%s%s", *event->text ? " " : "", event->text); break;
    case MU_JOIN_CONNECTED: printf("connected"); break;
    case MU_JOIN_TASK: printf("has a task"); break;
    case MU_JOIN_DOWNLOADED: printf("fetched the model, %s in %s", bytes, seconds); break;
    case MU_JOIN_TRAINED: printf("trained %u steps in %s, loss %.4g", event->steps, seconds, event->loss); break;
    case MU_JOIN_LOOKED: printf("looked at the model, on %u of its examples, in %s", event->steps, seconds); break;
    case MU_JOIN_SENT: printf("sent its update, %s", bytes); break;
    case MU_JOIN_CANCELLED: printf("dropped: %s", event->text); break;
    case MU_JOIN_REFUSED: printf("cannot: %s", event->text); break;
    case MU_JOIN_WAITING: printf("waits: %s", event->text); break;
    case MU_JOIN_FINISHED: printf("the federation is over"); break;
    }
    putchar('\n');
}

static void happened(void *self, const mu_join_event *event)
{
    const join *j = self;
    if (j->options->quiet)
        return;
    if (j->options->format == CLI_FORMAT_JSON)
        print_json(event);
    else
        print_text(event);
    fflush(stdout); /* somebody may be reading along */
}

/* ---- what it is asked ---- */

/* The command is the user's own, given on this command line. */
static bool is_metered(void *self)
{
    const join *j = self;
    return j->is_metered || (j->options->metered && system(j->options->metered) == 0);
}

static bool says(const char *word, const char *what) { return word && strcmp(word, what) == 0; }

static mu_status read_part(const char *text, uint32_t *part, mu_error *err)
{
    char *end;
    errno = 0;
    unsigned long value = text ? strtoul(text, &end, 10) : MU_JOIN_OWN_PART;
    if (text && (!isdigit((unsigned char)*text) || *end || errno || value >= MU_LIMIT_DEVICES))
        return mu_error_set(err, MU_E_CONFIG, "join: --part %s: expected a device's number in the data, 0 and up", text);
    *part = (uint32_t)value;
    return MU_OK;
}

/* "-": from standard input, where nobody sees it in a list of processes. */
static mu_status read_token(join *j, mu_error *err)
{
    const char *said = j->options->token;
    if (!said)
        return MU_OK;
    if (strcmp(said, "-") != 0) {
        int length = snprintf(j->token, sizeof j->token, "%s", said);
        return length >= 0 && (size_t)length < sizeof j->token ? MU_OK : mu_error_set(err, MU_E_CONFIG, "join: --token: longer than a token is");
    }
    if (!fgets(j->token, sizeof j->token, stdin))
        return mu_error_set(err, MU_E_CONFIG, "join: --token -: there is no token on standard input");
    j->token[strcspn(j->token, "\r\n")] = '\0';
    return MU_OK;
}

/* ~/.local/share/muster/devices/HOST-PORT[-NAME] */
static mu_status find_folder(join *j, mu_error *err)
{
    const join_options *o = j->options;
    if (o->state) {
        j->folder = strdup(o->state);
        return j->folder ? MU_OK : no_memory(err);
    }
    const char *home = getenv("HOME"), *host = strstr(j->url, "://");
    if (!home || !*home)
        return mu_error_set(err, MU_E_CONFIG, "join: HOME is not set; say by --state DIR where the device is to be kept");
    host = host ? host + 3 : j->url;
    size_t capacity_bytes = strlen(home) + strlen(host) + (o->name ? strlen(o->name) : 0) + 64;
    j->folder = malloc(capacity_bytes);
    if (!j->folder)
        return no_memory(err);
    int begin = snprintf(j->folder, capacity_bytes, "%s/.local/share/muster/devices/", home);
    snprintf(j->folder + begin, capacity_bytes - (size_t)begin, "%s%s%s", host, o->name ? "-" : "", o->name ? o->name : "");
    for (char *at = j->folder + begin; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '.' && *at != '_')
            *at = '-';
    return MU_OK;
}

/* ---- the data ---- */

typedef struct data_file { uint64_t seed; } data_file;
static const mu_option data_rows[] = { { "seed", MU_OPTION_SEED, offsetof(data_file, seed), 0, 0, "1", NULL, NULL, "of the partition" } };

static mu_status open_data(join *j, mu_error *err)
{
    data_file file = { .seed = 1 };
    mu_status status = mu_conf_load(j->options->data, &j->conf, err);
    if (status)
        return status;
    const mu_conf_node *root = mu_conf_root(j->conf), *section = mu_conf_get(root, "data"), *seed = mu_conf_get(root, "seed");
    if (!section)
        status = mu_conf_error(err, MU_E_CONFIG, root, "there is no `data:` here, which says where this device's examples are (docs/data.md)");
    if (!status && seed)
        status = mu_option_read(&data_rows[0], seed, "the data", &file, err);
    if (!status)
        status = mu_data_open(section, file.seed, &j->data, err);
    return status;
}

/* ---- what it says of itself ---- */

/* The class that a coordinator may know: the device's own name, where it is one of the catalogue's, else that of the class that it is like. */
static const char *known_class(const mu_conf_node *section, const char *name)
{
    const mu_profile *known;
    const mu_conf_node *like = mu_conf_get(mu_conf_get(mu_conf_get(section, "classes"), name), "extend");
    return mu_profile_find(name, &known, NULL) == MU_OK || !like ? name : mu_conf_text(like);
}

/* The file is a fleet of one class, as `muster profile --out` writes it. */
static mu_status open_profile(join *j, mu_join_config *config, mu_error *err)
{
    const join_options *o = j->options;
    config->profile.name = o->class_name;
    if (!o->profile)
        return MU_OK;
    mu_status status = mu_conf_load(o->profile, &j->profile_conf, err);
    if (status)
        return status;
    const mu_conf_node *root = mu_conf_root(j->profile_conf), *section = mu_conf_get(root, "fleet");
    if (!section)
        return mu_conf_error(err, MU_E_CONFIG, root, "there is no `fleet:` here; muster profile --out FILE writes one of this device");
    status = mu_fleet_create(section, 1, 1, &j->fleet, err);
    if (status)
        return status;
    if (mu_fleet_class_count(j->fleet) != 1)
        return mu_conf_error(err, MU_E_CONFIG, section, "this is a fleet of %u classes, and a device is of one; muster profile --out FILE writes such a file",
                             mu_fleet_class_count(j->fleet));
    config->profile = mu_fleet_profile(j->fleet, 0);
    config->profile.name = o->class_name ? o->class_name : known_class(section, config->profile.name);
    if (o->memory_bytes && o->memory_bytes < config->profile.memory_bytes)
        config->profile.memory_bytes = o->memory_bytes;
    return MU_OK;
}

/* ---- all of it ---- */

static mu_status check_options(const join_options *o, mu_error *err)
{
    const mu_profile *profile;
    if (!o->url)
        return mu_error_set(err, MU_E_CONFIG, "join: URL is missing, as in muster join https://host:8443 --token TOKEN --data data.yaml");
    if (!o->data)
        return mu_error_set(err, MU_E_CONFIG, "join: --data FILE is missing: a YAML file with a section `data:`, which says where this device's examples are");
    return o->class_name ? mu_profile_find(o->class_name, &profile, err) : MU_OK;
}

static mu_status prepare(join *j, mu_join_config *config, mu_error *err)
{
    const join_options *o = j->options;
    mu_status status = read_part(o->part, &config->part, err);
    if (!status)
        status = read_token(j, err);
    if (!status && !(j->url = strdup(o->url)))
        status = no_memory(err);
    if (status)
        return status;
    char *mark = strchr(j->url, '#');
    if (mark)
        *mark = '\0';
    j->is_metered = says(o->metered, "yes");
    status = find_folder(j, err);
    if (status)
        return status;
    config->url = j->url;
    config->token_hex = o->token ? j->token : NULL;
    config->fingerprint = o->fingerprint ? o->fingerprint : mark && mark[1] ? mark + 1 : NULL;
    config->folder = j->folder;
    config->name = o->name;
    config->memory_bytes = o->memory_bytes;
    config->battery_min_share = o->battery_min;
    config->metered_ok = o->metered_ok;
    config->is_metered = o->metered && !says(o->metered, "no") ? is_metered : NULL;
    config->hours = o->hours;
    if (o->keep_every_s > 0)
        config->keep_every_s = o->keep_every_s;
    config->self = j;
    config->happened = happened;
    config->stop = cli_interrupt_flag();
    config->tasks_max = o->tasks;
    return MU_OK;
}

static mu_status verb_join(const void *options, mu_error *err)
{
    join j = { .options = options };
    mu_join_config config = mu_join_config_default();
    mu_status status = check_options(j.options, err);
    if (!status)
        status = mu_kernels_check(err);
    if (!status)
        status = prepare(&j, &config, err);
    if (!status)
        status = open_profile(&j, &config, err);
    if (!status)
        status = open_data(&j, err);
    if (!status) {
        config.data = j.data;
        if (j.options->nice && setpriority(PRIO_PROCESS, 0, (int)j.options->nice))
            status = mu_error_set(err, MU_E_UNSUPPORTED, "join: --nice %u: %s", j.options->nice, strerror(errno));
    }
    if (!status) {
        cli_interrupt_catch();
        status = mu_join(&config, err);
        if (status == MU_E_INTERRUPTED)
            mu_error_set(err, status, "stopped; go on with: muster join %s --data %s --state %s", j.url, j.options->data, j.folder);
    }
    mu_data_close(j.data);
    mu_conf_destroy(j.conf);
    mu_fleet_destroy(j.fleet);
    mu_conf_destroy(j.profile_conf);
    free(j.folder);
    free(j.url);
    return status;
}

static const cli_argument words[] = {
    { .name = "URL", .kind = CLI_TEXT, .offset = offsetof(join_options, url),
      .help = "the coordinator's, as in https://host:8443; #FINGERPRINT behind it is the same as --fingerprint" },
};

static const cli_argument flags[] = {
    { .name = "token", .letter = 't', .kind = CLI_TEXT, .offset = offsetof(join_options, token), .value = "TOKEN",
      .help = "the one-time token that the coordinator gave for this device; - reads it from standard input. Only the first time" },
    { .name = "data", .letter = 'd', .kind = CLI_TEXT, .offset = offsetof(join_options, data), .value = "FILE", .offer = CLI_OFFER_FILES,
      .help = "YAML with a section `data:` that says where this device's examples are; an experiment will do" },
    { .name = "part", .kind = CLI_TEXT, .offset = offsetof(join_options, part), .value = "N",
      .help = "which device's part of the data is its own; otherwise that of its number in the federation" },
    { .name = "fingerprint", .kind = CLI_TEXT, .offset = offsetof(join_options, fingerprint), .value = "HEX",
      .help = "SHA-256 of the coordinator's certificate, as it prints it; pinned from the first time on. Otherwise the system's authorities decide" },
    { .name = "state", .kind = CLI_TEXT, .offset = offsetof(join_options, state), .value = "DIR", .offer = CLI_OFFER_FOLDERS,
      .help = "where the device is kept: key, task, update; otherwise ~/.local/share/muster/devices/HOST-PORT-NAME" },
    { .name = "name", .letter = 'n', .kind = CLI_TEXT, .offset = offsetof(join_options, name), .value = "NAME",
      .help = "what people call it; otherwise the machine's name" },
    { .name = "class", .kind = CLI_TEXT, .offset = offsetof(join_options, class_name), .value = "NAME", .offer = CLI_OFFER_DEVICES,
      .help = "its class, from muster list devices: what the coordinator takes it for" },
    { .name = "profile", .kind = CLI_TEXT, .offset = offsetof(join_options, profile), .value = "FILE", .offer = CLI_OFFER_FILES,
      .help = "what muster profile --out wrote of this device: its speed, memory, bandwidth and power, which it tells the coordinator" },
    { .name = "memory", .letter = 'm', .kind = CLI_BYTES, .offset = offsetof(join_options, memory_bytes), .value = "BYTES",
      .help = "the most that training may take, as in 512MiB; a task that cannot keep within it is refused" },
    { .name = "battery-min", .kind = CLI_REAL, .offset = offsetof(join_options, battery_min), .value = "SHARE", .max = 1,
      .help = "no work below this charge (0 to 1), unless it is charging" },
    { .name = "hours", .kind = CLI_TEXT, .offset = offsetof(join_options, hours), .value = "FROM-TO",
      .help = "local time in which it works, as in 22:00-06:30" },
    { .name = "metered", .kind = CLI_TEXT, .offset = offsetof(join_options, metered), .value = "WHEN",
      .help = "is its network metered? yes, no, or a command that ends with 0 while it is; then nothing is fetched or sent" },
    { .name = "metered-ok", .kind = CLI_SWITCH, .offset = offsetof(join_options, metered_ok),
      .help = "a metered network may be used; the coordinator is told that it is one" },
    { .name = "keep-every", .kind = CLI_REAL, .offset = offsetof(join_options, keep_every_s), .value = "SECONDS", .min = 0.001, .max = 1e9,
      .help = "how often a training's place is kept on disk, for when it is killed in the middle; otherwise every 60 s" },
    { .name = "tasks", .kind = CLI_COUNT, .offset = offsetof(join_options, tasks), .value = "N", .min = 1, .max = UINT32_MAX,
      .help = "leave after so many tasks; otherwise when the federation is over" },
    { .name = "nice", .kind = CLI_COUNT, .offset = offsetof(join_options, nice), .value = "N", .max = 19,
      .help = "how far it makes way for other programs, 0 to 19" },
    { .name = "quiet", .letter = 'q', .kind = CLI_SWITCH, .offset = offsetof(join_options, quiet), .help = "nothing is said but what goes wrong" },
    CLI_FORMAT_FLAG(join_options, format, cli_formats_text_json),
};

static const cli_example examples[] = {
    { "muster join https://10.0.0.7:8443#3f2a... --token 9c41... --data data.yaml", "the first time: the coordinator prints this line" },
    { "muster join https://10.0.0.7:8443 --data data.yaml", "from then on: the device knows its key and the coordinator's certificate" },
    { "muster join https://fl.example.org --data data.yaml --hours 22:00-06:30 --battery-min 0.4 --memory 512MiB --nice 19",
      "at night, not on an empty battery, out of everybody's way" },
};

const cli_verb cli_verb_join = {
    .name = "join",
    .summary = "be a device of a federation over the network",
    .about = "Joins a coordinator (muster serve), trains what it is given on this device's own examples, and sends back what came of it, until the "
             "federation is over. The examples never leave the device. It needs no open port: it asks, the coordinator answers.\n\n"
             "Everything is kept in the device's folder. Killed, switched off or without a network for days, it goes on where it was when it is "
             "started again by the same command; the token is not needed any more. Ctrl-C stops it in the middle of a training, with its place kept.\n\n"
             "It trains on one core, with the same bits as the simulator. With --format json each event is one JSON object on a line of its own.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(join_options) },
    .run = verb_join,
};
