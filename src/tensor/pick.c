/* Rows and columns of a matrix, out of it and back. A training of submodels does this for every mini-batch, with weights that may have
 * left the caches since the last one: what a row needs is asked for while rows before it are worked on. */
#include "tensor/pick_row.h"

/* How far ahead: about a page of the whole. */
static uint32_t rows_ahead(const mu_pick *pick)
{
    return 1 + 1024 / pick->width;
}

/* The place of a picked row in the whole. */
static size_t row_place(const mu_pick *pick, uint32_t plane, uint32_t row)
{
    return ((size_t)plane * pick->height + (pick->row ? pick->row[row] : row)) * pick->width;
}

static void fetch_row(const mu_pick *pick, const float *whole, uint32_t plane, uint32_t row)
{
    if (row >= pick->rows)
        return;
    const float   *from = whole + row_place(pick, plane, row);
    const uint32_t columns = pick->column ? pick->width : pick->columns;
    for (uint32_t j = 0; j < columns; j += MU_LANES)
        __builtin_prefetch(from + j);
}

void MU_KERNEL(gather)(const mu_pick *pick, const float *whole, float *part)
{
    const float *end = part + (size_t)pick->planes * pick->rows * pick->columns;
    const uint32_t ahead = rows_ahead(pick);
    for (uint32_t p = 0; p < pick->planes; p++)
        for (uint32_t i = 0; i < pick->rows; i++, part += pick->columns) {
            fetch_row(pick, whole, p, i + ahead);
            gather_row(pick, whole + row_place(pick, p, i), part, end);
        }
}

void MU_KERNEL(scatter)(const mu_pick *pick, const float *part, float *whole)
{
    const float *end = part + (size_t)pick->planes * pick->rows * pick->columns;
    const uint32_t ahead = rows_ahead(pick);
    for (uint32_t p = 0; p < pick->planes; p++)
        for (uint32_t i = 0; i < pick->rows; i++, part += pick->columns) {
            fetch_row(pick, whole, p, i + ahead);
            scatter_row(pick, part, end, whole + row_place(pick, p, i));
        }
}

void MU_KERNEL(scatter_add)(const mu_pick *pick, float alpha, const float *part, float *whole)
{
    const float *end = part + (size_t)pick->planes * pick->rows * pick->columns;
    const uint32_t ahead = rows_ahead(pick);
    for (uint32_t p = 0; p < pick->planes; p++)
        for (uint32_t i = 0; i < pick->rows; i++, part += pick->columns) {
            fetch_row(pick, whole, p, i + ahead);
            scatter_add_row(pick, alpha, part, end, whole + row_place(pick, p, i));
        }
}
