// The binary rows of one system in sparse form, by row and by column.
#ifndef HEADWATER_MATRIX_H
#define HEADWATER_MATRIX_H

#include "code.h"
#include "memory.h"

/** Rows 0..S-1 are LDPC, row S + n is the n-th symbol given. HDPC rows are no part of it: they stay implicit. */
typedef struct Matrix {
  const Code *code;
  u32 symbols;      // LT rows
  u32 rows;         // S + symbols
  u32 *row_start;   // rows + 1 offsets into `columns`
  u32 *row_lt;      // offset where the row's PI columns begin; the columns before it are below W
  u16 *columns;
  u32 *column_start;  // W + 1 offsets into `column_rows`; PI columns have no lists
  u32 *column_rows;
} Matrix;

/** Builds the matrix of the symbols with these ISIs. On exhaustion arena->failed is set. */
void matrix_build(Matrix *matrix, const Code *code, const u32 *isis, u32 symbols, Arena *arena);

#endif
