/* The table of known data sets, and where their files are looked for. */
#include "data/sets.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const fashion_classes[] = { "T-shirt/top", "trouser", "pullover", "dress", "coat",
                                               "sandal",      "shirt",   "sneaker",  "bag",   "ankle boot" };
static const char *const cifar10_classes[] = { "airplane", "automobile", "bird",  "cat",  "deer",
                                               "dog",      "frog",       "horse", "ship", "truck" };
static const char *const cifar100_classes[] = {
    "apple", "aquarium fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn mower", "leopard", "lion", "lizard", "lobster", "man", "maple tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak tree", "orange", "orchid", "otter", "palm tree", "pear", "pickup truck", "pine tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow tree", "wolf", "woman", "worm",
};
static const char *const femnist_classes[] = {
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K",
    "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b", "c", "d", "e", "f",
    "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z",
};

#define MNIST_FILES                                                          \
    { { { "train-images-idx3-ubyte", "train-images.idx3-ubyte" } },          \
      { { "train-labels-idx1-ubyte", "train-labels.idx1-ubyte" } },          \
      { { NULL } },                                                          \
      { { "t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte" } },            \
      { { "t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte" } } }

#define CIFAR10_BATCHES(folder) \
    folder "data_batch_1.bin " folder "data_batch_2.bin " folder "data_batch_3.bin " folder "data_batch_4.bin " folder "data_batch_5.bin"

/* writers, the first, and elsewhere, the last, need no files and no row in the second table. */
enum { SET_WRITERS, SET_MNIST, SET_FASHION, SET_CIFAR10, SET_CIFAR100, SET_FEMNIST, SET_SHAKESPEARE, SET_TINY, SET_ELSEWHERE, SET_COUNT };

static const mu_dataset_info infos[] = {
    [SET_WRITERS] = { "writers", "drawn digits, 28 x 28; a device is a writer with a hand of its own; any number of devices",
                      "made by the program itself", true, false },
    [SET_MNIST] = { "mnist", "handwritten digits, 28 x 28; 60,000 and 10,000", "LeCun, Cortes and Burges 1998", false, false },
    [SET_FASHION] = { "fashion-mnist", "articles of clothing, 28 x 28; 60,000 and 10,000", "Xiao et al. 2017, arXiv:1708.07747", false, false },
    [SET_CIFAR10] = { "cifar10", "photographs of 10 kinds of things, 32 x 32 in colour; 50,000 and 10,000", "Krizhevsky 2009", false, false },
    [SET_CIFAR100] = { "cifar100", "photographs of 100 kinds of things, 32 x 32 in colour; 50,000 and 10,000", "Krizhevsky 2009", false, false },
    [SET_FEMNIST] = { "femnist", "handwritten digits and letters, 28 x 28, by writer", "Caldas et al. 2018 (LEAF), arXiv:1812.01097", false, false },
    [SET_SHAKESPEARE] = { "shakespeare", "the next character in the plays, 80 at a time, by speaking role",
                          "Caldas et al. 2018 (LEAF), arXiv:1812.01097", false, false },
    [SET_TINY] = { "tiny-shakespeare", "the next character in one text of 1.1 million", "Karpathy 2015, char-rnn", false, false },
    [SET_ELSEWHERE] = { .name = "elsewhere", .help = "examples of real devices, which stay there; says what one looks like, and may have a test set",
                        .source = "whatever the devices have", .elsewhere = true },
};
_Static_assert(MU_COUNT(infos) == SET_COUNT, "every set has its row");

static const mu_known_set sets[SET_COUNT] = {
    [SET_MNIST] = { .format = &mu_format_arrays, .files = MNIST_FILES, .mean = "0.1307", .sd = "0.3081" },
    [SET_FASHION] = { .format = &mu_format_arrays, .files = MNIST_FILES, .mean = "0.2860", .sd = "0.3530",
                      .class_names = fashion_classes, .class_count = MU_COUNT(fashion_classes) },
    [SET_CIFAR10] = { .format = &mu_format_cifar10,
                      .files = { { { CIFAR10_BATCHES(""), CIFAR10_BATCHES("cifar-10-batches-bin/"), "cifar-10-binary.tar",
                                     "train_first25000.bin" } },
                                 { { "test_batch.bin", "cifar-10-batches-bin/test_batch.bin", "cifar-10-binary.tar" } } },
                      .mean = "0.4914, 0.4822, 0.4465", .sd = "0.2470, 0.2435, 0.2616",
                      .class_names = cifar10_classes, .class_count = MU_COUNT(cifar10_classes) },
    [SET_CIFAR100] = { .format = &mu_format_cifar100,
                       .files = { { { "train.bin", "cifar-100-binary/train.bin", "cifar-100-binary.tar" } },
                                  { { "test.bin", "cifar-100-binary/test.bin", "cifar-100-binary.tar" } } },
                       .mean = "0.5071, 0.4865, 0.4409", .sd = "0.2673, 0.2564, 0.2762",
                       .class_names = cifar100_classes, .class_count = MU_COUNT(cifar100_classes) },
    [SET_FEMNIST] = { .format = &mu_format_arrays,
                      .files = { { { "x.npy" } }, { { "y.npy" } }, { { "writer.npy" } }, { { NULL } }, { { NULL } }, { { "writers.txt" } } },
                      .mean = "0.9633", .sd = "0.1610",
                      .class_names = femnist_classes, .class_count = MU_COUNT(femnist_classes) },
    [SET_SHAKESPEARE] = { .format = &mu_format_leaf, .files = { { { "roles_train.json" } }, { { "roles_test.json" } } }, .mean = "0", .sd = "1" },
    [SET_TINY] = { .format = &mu_format_text, .folder = "shakespeare", .files = { { { "input.txt" } } }, .mean = "0", .sd = "1" },
};

const mu_dataset_info *mu_datasets(size_t *count)
{
    *count = SET_COUNT;
    return infos;
}

const mu_known_set *mu_known_set_find(const char *name)
{
    for (size_t i = 0; i < SET_COUNT; i++)
        if (sets[i].format && strcmp(infos[i].name, name) == 0)
            return &sets[i];
    return NULL;
}

char *mu_data_folder(void)
{
    const char *folder = getenv("MUSTER_DATA"), *home = getenv("HOME");
    if (folder && *folder)
        return strdup(folder);
    return mu_path_join(home && *home ? home : "/", ".local/share/muster/data");
}

void mu_file_list_release(mu_file_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (mu_file_list){ 0 };
}

mu_status mu_file_list_add(mu_file_list *list, const char *folder, const char *name, mu_error *err)
{
    char **larger = realloc(list->paths, (list->count + 1u) * sizeof *larger);
    if (larger)
        list->paths = larger;
    char *path = larger ? mu_path_join(folder, name) : NULL;
    if (!path)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the path of '%s'", name);
    list->paths[list->count++] = path;
    return MU_OK;
}

/* One name of a choice, packed or not. False: not there, or no memory for its path. */
static bool add_if_there(const char *folder, const char *name, size_t length, mu_file_list *out)
{
    static const char *const endings[] = { "", ".gz", ".xz", ".zst" };
    for (size_t i = 0; i < MU_COUNT(endings); i++) {
        char file[256];
        snprintf(file, sizeof file, "%.*s%s", (int)length, name, endings[i]);
        char *path = mu_path_join(folder, file);
        bool there = path && mu_file_exists(path);
        free(path);
        if (there)
            return mu_file_list_add(out, folder, file, NULL) == MU_OK;
    }
    return false;
}

bool mu_set_find_files(const char *folder, const mu_set_file *file, mu_file_list *out)
{
    for (size_t i = 0; i < MU_SET_CHOICES_MAX && file->choices[i]; i++) {
        bool all = true;
        for (const char *name = file->choices[i]; all && *name; name += strspn(name, " ")) {
            size_t length = strcspn(name, " ");
            all = add_if_there(folder, name, length, out);
            name += length;
        }
        if (all)
            return true;
        mu_file_list_release(out);
    }
    return false;
}
