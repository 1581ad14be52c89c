// Builds the sparse rows: LDPC rows from their columns (they are defined by column), LT rows from their tuples.
#include "matrix.h"

static void build_ldpc(Matrix *matrix) {
  const Code *code = matrix->code;
  u32 rows[3];
  // row_lt[i] first counts, then serves as the write position of row i.
  for (u32 i = 0; i < code->S; i++) matrix->row_lt[i] = 1;
  for (u32 j = 0; j < code->B; j++) {
    ldpc_rows(code, j, rows);
    for (u32 n = 0; n < 3; n++) matrix->row_lt[rows[n]]++;
  }
  u32 at = 0;
  for (u32 i = 0; i < code->S; i++) {
    u32 count = matrix->row_lt[i];
    matrix->row_start[i] = matrix->row_lt[i] = at;
    u16 *pi = matrix->columns + at + count;
    pi[0] = (u16)(code->W + i % code->P);
    pi[1] = (u16)(code->W + (i + 1) % code->P);
    at += count + 2;
  }
  for (u32 j = 0; j < code->B; j++) {
    ldpc_rows(code, j, rows);
    for (u32 n = 0; n < 3; n++) matrix->columns[matrix->row_lt[rows[n]]++] = (u16)j;
  }
  for (u32 i = 0; i < code->S; i++) matrix->columns[matrix->row_lt[i]++] = (u16)(code->B + i);
  matrix->row_start[code->S] = at;
}

static void build_lt(Matrix *matrix, const u32 *isis) {
  u32 at = matrix->row_start[matrix->code->S];
  for (u32 n = 0; n < matrix->symbols; n++) {
    u32 row = matrix->code->S + n, lt;
    u32 count = lt_columns(matrix->code, isis[n], matrix->columns + at, &lt);
    matrix->row_lt[row] = at + lt;
    at += count;
    matrix->row_start[row + 1] = at;
  }
}

static void build_columns(Matrix *matrix) {
  u32 W = matrix->code->W, *start = matrix->column_start;
  for (u32 row = 0; row < matrix->rows; row++)
    for (u32 at = matrix->row_start[row]; at < matrix->row_lt[row]; at++) start[matrix->columns[at] + 1]++;
  for (u32 column = 0; column < W; column++) start[column + 1] += start[column];
  u32 total = start[W];
  // start[c + 1] is the end of column c; filling backwards turns it into the beginning.
  for (u32 row = matrix->rows; row-- > 0;)
    for (u32 at = matrix->row_start[row]; at < matrix->row_lt[row]; at++)
      matrix->column_rows[--start[matrix->columns[at] + 1]] = row;
  for (u32 column = 0; column < W; column++) start[column] = start[column + 1];
  start[W] = total;
}

void matrix_build(Matrix *matrix, const Code *code, const u32 *isis, u32 symbols, Arena *arena) {
  // LT rows have 7 ones on average, but a sender may choose its ISIs: the bound must hold for the worst.
  u32 bound = 3 * code->B + 3 * code->S + MAX_LT_COLUMNS * symbols;
  matrix->code = code;
  matrix->symbols = symbols;
  matrix->rows = code->S + symbols;
  matrix->row_start = arena_alloc(arena, matrix->rows + 1, sizeof(u32));
  matrix->row_lt = arena_alloc(arena, matrix->rows, sizeof(u32));
  matrix->columns = arena_alloc(arena, bound, sizeof(u16));
  matrix->column_start = arena_alloc(arena, code->W + 1, sizeof(u32));
  if (arena->failed) return;
  build_ldpc(matrix);
  build_lt(matrix, isis);
  matrix->column_rows = arena_alloc(arena, matrix->row_start[matrix->rows], sizeof(u32));
  if (arena->failed) return;
  build_columns(matrix);
}
