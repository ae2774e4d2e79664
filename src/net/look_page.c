/* The page's files, which are part of the program: those of src/net/page, and Chart.js where it was there when this was built. */
#include "net/look_internal.h"

#include <string.h>

typedef struct page_text { const char *name, *text; } page_text;

#include "page_embedded.h"

static const struct { const char *path, *name, *media_type, *otherwise; } files[] = {
    { "/", "page", "text/html; charset=utf-8", NULL },
    { "/style.css", "style", "text/css; charset=utf-8", NULL },
    { "/live.js", "live", "text/javascript; charset=utf-8", NULL },
    { "/chart.js", "chart", "text/javascript; charset=utf-8", "/* Chart.js was not there when this program was built. */\n" },
};

static const char *text_named(const char *name)
{
    for (size_t i = 0; i < MU_COUNT(page_texts); i++)
        if (strcmp(page_texts[i].name, name) == 0)
            return page_texts[i].text;
    return NULL;
}

bool mu_look_page_has_charts(void) { return text_named("chart") != NULL; }

const char *mu_look_page_file(const char *path, const char **media_type)
{
    size_t length = strcspn(path, "?");
    *media_type = NULL;
    for (size_t i = 0; i < MU_COUNT(files); i++)
        if (strlen(files[i].path) == length && strncmp(path, files[i].path, length) == 0) {
            const char *text = text_named(files[i].name);
            *media_type = files[i].media_type;
            return text ? text : files[i].otherwise;
        }
    return NULL;
}
