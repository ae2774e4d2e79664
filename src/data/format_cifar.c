/* `cifar10` and `cifar100`: the official binary files, one or several, unpacked or still in their .tar.gz. */
#include "base/limits.h"
#include "data/cifar.h"
#include "data/format.h"
#include "data/tar.h"

#include <stdlib.h>

enum { FILE_TRAIN, FILE_TEST, PIECES_MAX = 64 };

typedef struct layout {
    size_t             label_bytes;
    uint32_t           classes;
    const char *const *train_members, *const *test_members; /* in the archive; NULL-ended */
} layout;

/* One run of rows, in an opened file. */
typedef struct piece {
    const char          *name;
    const unsigned char *data;
    size_t               size_bytes;
    uint32_t             rows;
} piece;

static mu_status find_pieces(const char *path, const mu_bytes *bytes, const char *const *members, piece *pieces, size_t *count, mu_error *err)
{
    if (!mu_is_tar(bytes->data, bytes->size_bytes)) {
        if (*count == PIECES_MAX)
            return mu_error_set(err, MU_E_LIMIT, "%s: one file too many, at most %d", path, PIECES_MAX);
        pieces[(*count)++] = (piece){ path, bytes->data, bytes->size_bytes, 0 };
        return MU_OK;
    }
    mu_status status = MU_OK;
    for (size_t i = 0; members[i] && !status; i++) {
        if (*count == PIECES_MAX)
            return mu_error_set(err, MU_E_LIMIT, "%s: one file too many, at most %d", path, PIECES_MAX);
        piece *p = &pieces[*count];
        p->name = path;
        status = mu_tar_find(path, bytes->data, bytes->size_bytes, members[i], &p->data, &p->size_bytes, err);
        *count += !status;
    }
    return status;
}

static mu_status take_rows(const layout *l, piece *pieces, size_t count, mu_example_pool *out, mu_error *err)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        mu_status status = mu_cifar_check(pieces[i].name, pieces[i].data, pieces[i].size_bytes, l->label_bytes, l->classes, &pieces[i].rows, err);
        if (status)
            return status;
        rows += pieces[i].rows;
    }
    if (rows > MU_LIMIT_EXAMPLES)
        return mu_error_set(err, MU_E_LIMIT, "%s: more than %zu rows in all files together", pieces[0].name, MU_LIMIT_EXAMPLES);
    unsigned char *pixels = malloc((size_t)rows * MU_CIFAR_VALUES);
    out->owned = pixels;
    out->bytes = pixels;
    out->labels = malloc((size_t)rows * sizeof *out->labels);
    if (!pixels || !out->labels)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for %llu pictures", pieces[0].name, (unsigned long long)rows);
    out->shape = (mu_shape){ MU_CIFAR_SIDE, MU_CIFAR_SIDE, MU_CIFAR_CHANNELS };
    out->stride = MU_CIFAR_VALUES;
    for (size_t i = 0; i < count; i++) {
        mu_cifar_read(pieces[i].data, l->label_bytes, pieces[i].rows, pixels + (size_t)out->count * MU_CIFAR_VALUES, out->labels + out->count);
        out->count += pieces[i].rows;
    }
    return MU_OK;
}

static mu_status load_part(const layout *l, const mu_file_list *list, const char *const *members, mu_example_pool *out, mu_error *err)
{
    piece pieces[PIECES_MAX];
    size_t count = 0;
    mu_bytes *files = calloc(list->count, sizeof *files);
    mu_status status = files ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory to open %u files", list->count);
    for (uint32_t i = 0; i < list->count && !status; i++) {
        status = mu_bytes_open(list->paths[i], MU_LIMIT_UNPACKED_BYTES, &files[i], err);
        if (!status)
            status = find_pieces(list->paths[i], &files[i], members, pieces, &count, err);
    }
    if (!status)
        status = take_rows(l, pieces, count, out, err);
    for (uint32_t i = 0; files && i < list->count; i++)
        mu_bytes_close(&files[i]);
    free(files);
    return status;
}

static mu_status load(const layout *l, const mu_file_list *files, mu_corpus *out, mu_error *err)
{
    mu_status status = load_part(l, &files[FILE_TRAIN], l->train_members, &out->train, err);
    if (!status && files[FILE_TEST].count)
        status = load_part(l, &files[FILE_TEST], l->test_members, &out->test, err);
    out->classes = l->classes;
    out->unit = 255.0f;
    return status;
}

static mu_status load_cifar10(const mu_load *request, mu_corpus *out, mu_error *err)
{
    static const char *const train[] = { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", NULL };
    static const char *const test[] = { "test_batch.bin", NULL };
    static const layout l = { .label_bytes = 1, .classes = 10, .train_members = train, .test_members = test };
    return load(&l, request->files, out, err);
}

static mu_status load_cifar100(const mu_load *request, mu_corpus *out, mu_error *err)
{
    static const char *const train[] = { "train.bin", NULL };
    static const char *const test[] = { "test.bin", NULL };
    static const layout l = { .label_bytes = 2, .classes = 100, .train_members = train, .test_members = test };
    return load(&l, request->files, out, err);
}

const mu_format mu_format_cifar10 = {
    .name = "cifar10",
    .help = "CIFAR-10's binary files: rows of a label byte and 3072 pixel bytes",
    .files = { "train", "test" },
    .needed = 1,
    .load = load_cifar10,
};

const mu_format mu_format_cifar100 = {
    .name = "cifar100",
    .help = "CIFAR-100's binary files: rows of a coarse and a fine label byte and 3072 pixel bytes",
    .files = { "train", "test" },
    .needed = 1,
    .load = load_cifar100,
};
