/* Where the known data sets are published, and what their files are. A file is here only when its sum is known for certain. */
#include "data/fetch.h"

#include <string.h>

#define MNIST_HOME "https://ossci-datasets.s3.amazonaws.com/mnist/"
#define FASHION_HOME "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/"
#define CIFAR_HOME "https://www.cs.toronto.edu/~kriz/"
#define CHAR_RNN_HOME "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/"

static const mu_fetch_file mnist[] = {
    { "train-images-idx3-ubyte.gz", MNIST_HOME "train-images-idx3-ubyte.gz", 9912422,
      "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" },
    { "train-labels-idx1-ubyte.gz", MNIST_HOME "train-labels-idx1-ubyte.gz", 28881,
      "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c" },
    { "t10k-images-idx3-ubyte.gz", MNIST_HOME "t10k-images-idx3-ubyte.gz", 1648877,
      "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6" },
    { "t10k-labels-idx1-ubyte.gz", MNIST_HOME "t10k-labels-idx1-ubyte.gz", 4542,
      "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6" },
};

static const mu_fetch_file fashion_mnist[] = {
    { "train-images-idx3-ubyte.gz", FASHION_HOME "train-images-idx3-ubyte.gz", 26421880,
      "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84" },
    { "train-labels-idx1-ubyte.gz", FASHION_HOME "train-labels-idx1-ubyte.gz", 29515,
      "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845" },
    { "t10k-images-idx3-ubyte.gz", FASHION_HOME "t10k-images-idx3-ubyte.gz", 4422102,
      "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073" },
    { "t10k-labels-idx1-ubyte.gz", FASHION_HOME "t10k-labels-idx1-ubyte.gz", 5148,
      "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5" },
};

static const mu_fetch_file cifar10[] = {
    { "cifar-10-binary.tar.gz", CIFAR_HOME "cifar-10-binary.tar.gz", 170052171,
      "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd" },
};

static const mu_fetch_file cifar100[] = {
    { "cifar-100-binary.tar.gz", CIFAR_HOME "cifar-100-binary.tar.gz", 168513733,
      "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec" },
};

static const mu_fetch_file tiny_shakespeare[] = {
    { "input.txt", CHAR_RNN_HOME "input.txt", 1115394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed" },
};

static const mu_fetch_set sets[] = {
    { "mnist", "mnist", "PyTorch's mirror of yann.lecun.com/exdb/mnist", mnist, MU_COUNT(mnist) },
    { "fashion-mnist", "fashion-mnist", "github.com/zalandoresearch/fashion-mnist", fashion_mnist, MU_COUNT(fashion_mnist) },
    { "cifar10", "cifar10", "www.cs.toronto.edu/~kriz/cifar.html", cifar10, MU_COUNT(cifar10) },
    { "cifar100", "cifar100", "www.cs.toronto.edu/~kriz/cifar.html", cifar100, MU_COUNT(cifar100) },
    { "tiny-shakespeare", "shakespeare", "github.com/karpathy/char-rnn", tiny_shakespeare, MU_COUNT(tiny_shakespeare) },
};

const mu_fetch_set *mu_fetch_sets(size_t *count)
{
    *count = MU_COUNT(sets);
    return sets;
}

const mu_fetch_set *mu_fetch_find(const char *name)
{
    for (size_t i = 0; i < MU_COUNT(sets); i++)
        if (strcmp(sets[i].name, name) == 0)
            return &sets[i];
    return NULL;
}
