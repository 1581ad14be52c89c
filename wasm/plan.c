// Writes plans: runs the solve on coefficients and emits its sums.
#include "plan.h"
#include "dense.h"

typedef struct Writer {
  const Matrix *matrix;
  const Schedule *schedule;
  const Dense *dense;
  u32 data;        // slot of the first symbol given
  u32 data_count;
  u32 hdpc;        // slot of the first q
} Writer;

/** Ends a sequence begun at `start`, which is a count and `others` more words before what is counted. */
INLINE u32 *close_count(u32 *start, u32 *end, u32 others) {
  *start = (u32)(end - start) - 1 - others;
  return end;
}

/** target = what the row says about it: the row's symbol, if it has one, and its other columns. */
INLINE u32 *put_row(const Writer *writer, u32 *out, u32 row, u32 target, const int with_inactive) {
  const Matrix *matrix = writer->matrix;
  const u32 *inactive_index = writer->schedule->inactive_index;
  const u16 *column = matrix->columns + matrix->row_start[row], *end = matrix->columns + matrix->row_start[row + 1];
  u32 S = matrix->code->S, *at = out + 1;
  *at++ = target;
  if (row >= S && row - S < writer->data_count) *at++ = writer->data + row - S;
  for (; column < end; column++) {
    *at = *column;
    at += *column != target && (with_inactive || inactive_index[*column] == PEELED);
  }
  return close_count(out, at, 1);
}

static u32 *put_forward(const Writer *writer, u32 *out) {
  const Schedule *schedule = writer->schedule;
  for (u32 k = 0; k < schedule->peeled; k++)
    out = put_row(writer, out, schedule->peel_row[k], schedule->peel_column[k], 0);
  for (u32 i = 0; i < schedule->inactive; i++) {
    *out++ = 0;
    *out++ = schedule->inactive_column[i];
  }
  for (u32 i = 0; i < writer->dense->accepted; i++)
    out = put_row(writer, out, writer->dense->accepted_row[i], writer->matrix->code->L + i, 0);
  return out;
}

static u32 *put_pivots(const Writer *writer, u32 *out) {
  const Dense *dense = writer->dense;
  for (u32 p = 0; p < writer->schedule->inactive; p++) {
    if (dense->pivot_row[p] == NO_PIVOT) continue;
    const lane *combination = dense->reduced + dense->pivot_row[p] * 2 * dense->lanes + dense->lanes;
    u32 *at = out + 1;
    *at++ = writer->schedule->inactive_column[p];
    for (u32 i = 0; i < dense->accepted; i++)
      if (bit_of(combination, i)) *at++ = writer->matrix->code->L + i;
    out = close_count(out, at, 1);
  }
  return out;
}

static u32 *put_free(const Writer *writer, u32 *out) {
  const Dense *dense = writer->dense;
  const Schedule *schedule = writer->schedule;
  for (u32 i = 0; i < dense->free_count; i++) {
    const u8 *x_weight = dense->x_weight + i * dense->lanes * LANE_BITS;
    *out++ = schedule->inactive_column[dense->free_column[i]];
    for (u32 bit = 8; bit-- > 0;) {
      u32 *at = out + 1;
      for (u32 h = 0; h < writer->matrix->code->H; h++)
        if (dense->q_weight[i][h] >> bit & 1) *at++ = writer->hdpc + h;
      for (u32 p = 0; p < schedule->inactive; p++)
        if (x_weight[p] >> bit & 1) *at++ = schedule->inactive_column[p];
      out = close_count(out, at, 0);
    }
  }
  return out;
}

static u32 *put_back(const Writer *writer, u32 *out) {
  const Dense *dense = writer->dense;
  const Schedule *schedule = writer->schedule;
  for (u32 p = 0; p < schedule->inactive && dense->free_count > 0; p++) {
    if (dense->pivot_row[p] == NO_PIVOT) continue;
    const lane *row = dense->reduced + dense->pivot_row[p] * 2 * dense->lanes;
    u32 *at = out + 1;
    *at++ = schedule->inactive_column[p];
    *at++ = schedule->inactive_column[p];
    for (u32 i = 0; i < dense->free_count; i++)
      if (bit_of(row, dense->free_column[i])) *at++ = schedule->inactive_column[dense->free_column[i]];
    out = close_count(out, at, 1);
  }
  for (u32 k = 0; k < schedule->peeled; k++)
    out = put_row(writer, out, schedule->peel_row[k], schedule->peel_column[k], 1);
  return out;
}

/** An upper bound of the plan's words; what it exceeds the plan by is given back. */
static u64 words_bound(const Writer *writer) {
  const Matrix *matrix = writer->matrix;
  u64 inactive = writer->schedule->inactive, free_count = writer->dense->free_count;
  u64 rows = 2 * ((u64)matrix->row_start[matrix->rows] + 3 * matrix->rows);
  return rows + inactive * (inactive + free_count + 7) + free_count * (9 + 8 * (MAX_H + inactive));
}

static Plan *write_plan(Writer *writer, const u8 *pairs) {
  const Code *code = writer->matrix->code;
  u32 pair_bytes = writer->dense->free_count ? 2 * (code->K + code->S) : 0;
  u64 bound = sizeof(Plan) + 4 * words_bound(writer) + pair_bytes;
  Plan *plan = bound < 1u << 31 ? mem_alloc((u32)bound) : 0;
  if (!plan) return 0;
  writer->hdpc = code->L + writer->dense->accepted;
  writer->data = writer->hdpc + (pair_bytes ? code->H : 0);
  memset(plan, 0, sizeof *plan);
  plan->K = code->K;
  plan->data = writer->data;
  plan->slots = writer->data + writer->data_count;
  plan->hdpc = pair_bytes ? writer->hdpc : 0;
  u32 *out = put_forward(writer, plan->words);
  plan->pivots = (u32)(out - plan->words);
  out = put_pivots(writer, out);
  plan->free = (u32)(out - plan->words);
  out = put_free(writer, out);
  plan->back = (u32)(out - plan->words);
  out = put_back(writer, out);
  plan->end = (u32)(out - plan->words);
  plan->size = (u32)sizeof(Plan) + plan->end * 4 + pair_bytes;
  memcpy(out, pairs, pair_bytes);
  mem_trim(plan, plan->size);
  return plan;
}

static Plan *solve(const Code *code, const u32 *isis, u32 symbols, u32 data_count, Arena *arena) {
  Matrix matrix;
  Schedule schedule;
  Dense dense;
  u8 *pairs = arena_alloc(arena, code->K + code->S, 2);
  matrix_build(&matrix, code, isis, symbols, arena);
  if (arena->failed) return 0;
  for (u32 j = 0; j < code->K + code->S; j++) hdpc_rows(code, j, pairs + 2 * j);
  if (!schedule_build(&schedule, &matrix, arena) || !dense_build(&dense, &matrix, &schedule, pairs, arena))
    return arena->failed ? 0 : SINGULAR;
  Writer writer = {.matrix = &matrix, .schedule = &schedule, .dense = &dense, .data_count = data_count};
  return write_plan(&writer, pairs);
}

Plan *plan_build(const Code *code, const u32 *isis, u32 symbols, u32 data_count) {
  Arena arena = {0, 0};
  Plan *plan = solve(code, isis, symbols, data_count, &arena);
  arena_free(&arena);
  return plan;
}

/** The plan that turns K' source symbols (padding included) into intermediate symbols. It depends on K' only. */
EXPORT(plan_encode) Plan *plan_encode(u32 K) {
  const Code *code = code_for(K);
  u32 *isis = mem_alloc(code->K * 4);
  if (!isis) return 0;
  for (u32 i = 0; i < code->K; i++) isis[i] = i;
  Plan *plan = plan_build(code, isis, code->K, code->K);
  mem_free(isis);
  return plan;
}

/** The plan for the `count` encoding symbols with these ESIs of a block of K; 0: out of memory, 1: they do not suffice. */
EXPORT(plan_decode) Plan *plan_decode(u32 K, const u32 *esis, u32 count) {
  const Code *code = code_for(K);
  u32 padding = code->K - K;
  u32 *isis = mem_alloc((count + padding) * 4);
  if (!isis) return 0;
  for (u32 i = 0; i < count; i++) isis[i] = esis[i] < K ? esis[i] : esis[i] + padding;
  for (u32 i = 0; i < padding; i++) isis[count + i] = K + i;
  Plan *plan = plan_build(code, isis, count + padding, count);
  mem_free(isis);
  return plan;
}

EXPORT(plan_size) u32 plan_size(const Plan *plan) { return plan->size; }
EXPORT(plan_slots) u32 plan_slots(const Plan *plan) { return plan->slots; }
EXPORT(plan_data) u32 plan_data(const Plan *plan) { return plan->data; }
EXPORT(plan_free) void plan_free(Plan *plan) { mem_free(plan); }
