/* From a name in a configuration to the file itself. */
#include "base/conf_path.h"

#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

mu_status mu_conf_path(const mu_conf_node *node, char **out, mu_error *err)
{
    const char *name = mu_conf_text(node), *said_in = mu_conf_file(node);
    const char *slash = mu_conf_line(node) ? strrchr(said_in, '/') : NULL; /* no line: from --set, which is no file */
    char *folder = slash ? strndup(said_in, slash == said_in ? 1 : (size_t)(slash - said_in)) : strdup("");
    char *path = folder && name ? mu_path_join(folder, name) : NULL;
    free(folder);
    if (!path)
        return name ? mu_error_set(err, MU_E_MEMORY, "no memory for a path")
                    : mu_conf_error(err, MU_E_CONFIG, node, "expected the name of a file");
    mu_status status = MU_OK;
    char *absolute = realpath(path, NULL);
    if (absolute)
        *out = absolute;
    else
        status = mu_conf_error(err, MU_E_IO, node, "%s: %s", path, strerror(errno));
    free(path);
    return status;
}
