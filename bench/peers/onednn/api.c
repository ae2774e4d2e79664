/* What both versions of oneDNN have in common. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_alg_kind_t convolution;

void api_check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "onednn_step: %s: oneDNN's status %d\n", what, (int)status);
    exit(1);
}

void api_begin(bool automatic)
{
    convolution = automatic ? dnnl_convolution_auto : dnnl_convolution_direct;
    api_check(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    api_check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
}

dnnl_engine_t api_engine(void)
{
    return engine;
}

dnnl_stream_t api_stream(void)
{
    return stream;
}

dnnl_alg_kind_t api_convolution(void)
{
    return convolution;
}

bool api_layout_same(api_layout a, api_layout b)
{
    return dnnl_memory_desc_equal(a, b);
}

size_t api_layout_bytes(api_layout layout)
{
    return dnnl_memory_desc_get_size(layout);
}

api_layout api_chosen(const_dnnl_primitive_desc_t desc, dnnl_query_t what, int index)
{
    return dnnl_primitive_desc_query_md(desc, what, index);
}
