/* The recipes of recipes/, built in. recipes_embedded.h is made from them when the build is configured. */
#include "muster/experiment.h"

#include "recipes_embedded.h"

const mu_recipe *mu_recipes(size_t *count)
{
    *count = MU_COUNT(recipes);
    return recipes;
}
