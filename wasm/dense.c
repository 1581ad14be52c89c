// Bit-packed GF(2) elimination over the inactive columns, then the few that remain over GF(256) through the HDPC rows.
// Only coefficients are handled here; symbols are touched when the plan is applied.
#include "dense.h"
#include "gf256.h"

INLINE void row_xor(lane *target, const lane *source, u32 lanes) {
  for (u32 i = 0; i < lanes; i++) target[i] ^= source[i];
}

/** Adds up the row's columns but `own`, the one it yields. */
static void row_expression(const Dense *dense, const Matrix *matrix, u32 row, u32 own, lane *target) {
  for (u32 at = matrix->row_start[row]; at < matrix->row_start[row + 1]; at++)
    if (matrix->columns[at] != own)
      row_xor(target, dense->expression + matrix->columns[at] * dense->lanes, dense->lanes);
}

/** Every column in terms of the inactive ones, in peeling order, so that each needs only what is there already. */
static void build_expressions(Dense *dense, const Matrix *matrix, const Schedule *schedule) {
  for (u32 i = 0; i < schedule->inactive; i++)
    flip_bit(dense->expression + schedule->inactive_column[i] * dense->lanes, i);
  for (u32 k = 0; k < schedule->peeled; k++) {
    u32 own = schedule->peel_column[k];
    row_expression(dense, matrix, schedule->peel_row[k], own, dense->expression + own * dense->lanes);
  }
}

/** Reduces `row` by the accepted ones; 0 if nothing is left of it. Accepted rows meet no pivot column but their own. */
static int reduce(const Dense *dense, const lane *pivots, lane *row) {
  const u64 *mask = (const u64 *)pivots, *words = (const u64 *)row;
  u64 rest = 0;
  for (u32 w = 0; w < 2 * dense->lanes; w++) {
    for (u64 bits = words[w] & mask[w]; bits; bits &= bits - 1) {
      u32 pivot = dense->pivot_row[w * 64 + (u32)__builtin_ctzll(bits)];
      row_xor(row, dense->reduced + pivot * 2 * dense->lanes, 2 * dense->lanes);
    }
  }
  for (u32 w = 0; w < 2 * dense->lanes; w++) rest |= words[w];
  return rest != 0;
}

/** Makes `row` the reduced row of its first column and clears that column from the others. */
static void accept(Dense *dense, lane *pivots, lane *row) {
  const u64 *words = (const u64 *)row;
  u32 w = 0;
  while (!words[w]) w++;
  u32 column = w * 64 + (u32)__builtin_ctzll(words[w]);
  flip_bit(row + dense->lanes, dense->accepted);
  for (u32 i = 0; i < dense->accepted; i++) {
    lane *other = dense->reduced + i * 2 * dense->lanes;
    if (bit_of(other, column)) row_xor(other, row, 2 * dense->lanes);
  }
  flip_bit(pivots, column);
  dense->pivot_row[column] = dense->accepted++;
}

/** Takes rows that peeled nothing until every inactive column has its pivot, or no row is left. */
static void eliminate(Dense *dense, const Matrix *matrix, const Schedule *schedule, Arena *arena) {
  u32 width = 2 * dense->lanes;
  lane *pivots = arena_alloc(arena, dense->lanes, sizeof(lane));
  if (arena->failed) return;
  for (u32 row = 0; row < matrix->rows && dense->accepted < schedule->inactive; row++) {
    if (schedule->row_used[row]) continue;
    lane *fresh = dense->reduced + dense->accepted * width;
    for (u32 i = 0; i < width; i++) fresh[i] = ZERO_LANE;
    row_expression(dense, matrix, row, NO_PIVOT, fresh);
    if (!reduce(dense, pivots, fresh)) continue;
    dense->accepted_row[dense->accepted] = row;
    accept(dense, pivots, fresh);
  }
}

/** The HDPC rows in terms of the inactive columns: H rows of bytes, by the recursion v = alpha * v + next column. */
static void build_hdpc(const Dense *dense, const Code *code, const Schedule *schedule, const u8 *pairs, u8 *target) {
  u32 last = code->K + code->S - 1, stride = dense->lanes * LANE_BITS;
  for (u32 from = 0; from < schedule->inactive; from += LANE_BYTES) {
    lane sums[MAX_H] = {ZERO_LANE}, both[HDPC_PAIRS] = {ZERO_LANE}, v = ZERO_LANE;
    const u16 *bits = (const u16 *)dense->expression + from / 16;
    for (u32 j = 0; j <= last; j++, bits += dense->lanes * 8) {
      v = lane_double(v) ^ spread16(*bits);
      if (j == last) break;
      both[pairs[j]] ^= v;
    }
    for (u32 b = 1, pair = 0; b < code->H; b++)
      for (u32 a = 0; a < b; a++, pair++) sums[a] ^= both[pair], sums[b] ^= both[pair];
    for (u32 h = 0; h < code->H; h++, v = lane_double(v)) *(lane *)(target + h * stride + from) = sums[h] ^ v;
  }
  for (u32 h = 0; h < code->H; h++) target[h * stride + schedule->inactive_index[last + 1 + h]] ^= 1;
}

/** Solves for the free columns: [M | I] to [I | q_weight] by elimination. 0 if M has not full column rank. */
static int invert(u8 M[MAX_H][2 * MAX_H], u32 rows, u32 unknowns) {
  for (u32 i = 0; i < unknowns; i++) {
    u32 pivot = i;
    while (pivot < rows && M[pivot][i] == 0) pivot++;
    if (pivot == rows) return 0;
    u8 scale = gf_inverse(M[pivot][i]);
    for (u32 c = 0; c < 2 * MAX_H; c++) {
      u8 value = M[pivot][c];
      M[pivot][c] = M[i][c];
      M[i][c] = gf_mul(value, scale);
    }
    for (u32 r = 0; r < rows; r++) {
      u8 factor = M[r][i];
      if (r == i || factor == 0) continue;
      for (u32 c = 0; c < 2 * MAX_H; c++) M[r][c] ^= gf_mul(factor, M[i][c]);
    }
  }
  return 1;
}

static int solve_free(Dense *dense, const Code *code, const Schedule *schedule, const u8 *hdpc) {
  u32 stride = dense->lanes * LANE_BITS;
  u8 M[MAX_H][2 * MAX_H];
  memset(M, 0, sizeof M);
  for (u32 h = 0; h < code->H; h++) {
    const u8 *row = hdpc + h * stride;
    M[h][MAX_H + h] = 1;
    for (u32 i = 0; i < dense->free_count; i++) M[h][i] = row[dense->free_column[i]];
    for (u32 p = 0; p < schedule->inactive; p++) {
      if (dense->pivot_row[p] == NO_PIVOT) continue;
      const lane *reduced = dense->reduced + dense->pivot_row[p] * 2 * dense->lanes;
      for (u32 i = 0; i < dense->free_count; i++)
        if (bit_of(reduced, dense->free_column[i])) M[h][i] ^= row[p];
    }
  }
  if (!invert(M, code->H, dense->free_count)) return 0;
  for (u32 i = 0; i < dense->free_count; i++) {
    for (u32 h = 0; h < code->H; h++) {
      u8 factor = dense->q_weight[i][h] = M[i][MAX_H + h];
      if (factor == 0) continue;
      for (u32 p = 0; p < schedule->inactive; p++)
        if (dense->pivot_row[p] != NO_PIVOT) dense->x_weight[i * stride + p] ^= gf_mul(factor, hdpc[h * stride + p]);
    }
  }
  return 1;
}

int dense_build(Dense *dense, const Matrix *matrix, const Schedule *schedule, const u8 *hdpc_pairs, Arena *arena) {
  const Code *code = matrix->code;
  u32 inactive = schedule->inactive, lanes = (inactive + LANE_BITS - 1) / LANE_BITS;
  memset(dense, 0, sizeof *dense);
  dense->lanes = lanes;
  dense->expression = arena_alloc(arena, code->L, lanes * sizeof(lane));
  dense->accepted_row = arena_alloc(arena, inactive, sizeof(u32));
  dense->pivot_row = arena_alloc(arena, inactive, sizeof(u32));
  dense->reduced = arena_alloc(arena, inactive + 1, 2 * lanes * sizeof(lane));
  dense->x_weight = arena_alloc(arena, MAX_H, lanes * LANE_BITS);
  u8 *hdpc = arena_alloc(arena, MAX_H, lanes * LANE_BITS);
  if (arena->failed) return 0;
  for (u32 i = 0; i < inactive; i++) dense->pivot_row[i] = NO_PIVOT;

  build_expressions(dense, matrix, schedule);
  eliminate(dense, matrix, schedule, arena);
  if (arena->failed || inactive - dense->accepted > code->H) return 0;
  for (u32 i = 0; i < inactive; i++)
    if (dense->pivot_row[i] == NO_PIVOT) dense->free_column[dense->free_count++] = i;
  if (dense->free_count == 0) return 1;
  build_hdpc(dense, code, schedule, hdpc_pairs, hdpc);
  return solve_free(dense, code, schedule, hdpc);
}
