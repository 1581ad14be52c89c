// Writes plans: runs the solve on coefficients and emits its sums. Each program is emitted twice, first to be counted.
#include "plan.h"
#include "dense.h"

typedef struct Writer {
  const Matrix *matrix;
  const Schedule *schedule;
  const Dense *dense;
  Plan *plan;
  u32 data_count;
  u32 *words;   // 0 while counting
  u32 at;
} Writer;

static void put(Writer *writer, u32 word) {
  if (writer->words) writer->words[writer->at] = word;
  writer->at++;
}

/** Begins a sequence whose length is written by `close_count`. */
static u32 open_count(Writer *writer) { return writer->at++; }
static void close_count(Writer *writer, u32 opened, u32 others) {
  if (writer->words) writer->words[opened] = writer->at - opened - 1 - others;
}

/** target = what the row says about it: the row's symbol, if it has one, and its other columns. */
static void put_row(Writer *writer, u32 row, u32 target, int with_inactive) {
  const Matrix *matrix = writer->matrix;
  u32 count = open_count(writer), S = matrix->code->S;
  put(writer, target);
  if (row >= S && row - S < writer->data_count) put(writer, writer->plan->data + row - S);
  for (u32 at = matrix->row_start[row]; at < matrix->row_start[row + 1]; at++) {
    u32 column = matrix->columns[at];
    if (column == target) continue;
    if (with_inactive || writer->schedule->inactive_index[column] == PEELED) put(writer, column);
  }
  close_count(writer, count, 1);
}

static void put_forward(Writer *writer) {
  const Schedule *schedule = writer->schedule;
  for (u32 k = 0; k < schedule->peeled; k++) put_row(writer, schedule->peel_row[k], schedule->peel_column[k], 0);
  for (u32 i = 0; i < schedule->inactive; i++) {
    put(writer, 0);
    put(writer, schedule->inactive_column[i]);
  }
  for (u32 i = 0; i < writer->dense->accepted; i++)
    put_row(writer, writer->dense->accepted_row[i], writer->matrix->code->L + i, 0);
}

static void put_pivots(Writer *writer) {
  const Dense *dense = writer->dense;
  for (u32 p = 0; p < writer->schedule->inactive; p++) {
    if (dense->pivot_row[p] == NO_PIVOT) continue;
    const lane *combination = dense->reduced + dense->pivot_row[p] * 2 * dense->lanes + dense->lanes;
    u32 count = open_count(writer);
    put(writer, writer->schedule->inactive_column[p]);
    for (u32 i = 0; i < dense->accepted; i++)
      if (bit_of(combination, i)) put(writer, writer->matrix->code->L + i);
    close_count(writer, count, 1);
  }
}

static void put_free(Writer *writer) {
  const Dense *dense = writer->dense;
  const Schedule *schedule = writer->schedule;
  for (u32 i = 0; i < dense->free_count; i++) {
    const u8 *x_weight = dense->x_weight + i * dense->lanes * LANE_BITS;
    put(writer, schedule->inactive_column[dense->free_column[i]]);
    for (u32 bit = 8; bit-- > 0;) {
      u32 count = open_count(writer);
      for (u32 h = 0; h < writer->matrix->code->H; h++)
        if (dense->q_weight[i][h] >> bit & 1) put(writer, writer->plan->hdpc + h);
      for (u32 p = 0; p < schedule->inactive; p++)
        if (x_weight[p] >> bit & 1) put(writer, schedule->inactive_column[p]);
      close_count(writer, count, 0);
    }
  }
}

static void put_back(Writer *writer) {
  const Dense *dense = writer->dense;
  const Schedule *schedule = writer->schedule;
  for (u32 p = 0; p < schedule->inactive && dense->free_count > 0; p++) {
    if (dense->pivot_row[p] == NO_PIVOT) continue;
    const lane *row = dense->reduced + dense->pivot_row[p] * 2 * dense->lanes;
    u32 count = open_count(writer);
    put(writer, schedule->inactive_column[p]);
    put(writer, schedule->inactive_column[p]);
    for (u32 i = 0; i < dense->free_count; i++)
      if (bit_of(row, dense->free_column[i])) put(writer, schedule->inactive_column[dense->free_column[i]]);
    close_count(writer, count, 1);
  }
  for (u32 k = 0; k < schedule->peeled; k++) put_row(writer, schedule->peel_row[k], schedule->peel_column[k], 1);
}

static void put_all(Writer *writer) {
  Plan *plan = writer->plan;
  writer->at = 0;
  put_forward(writer);
  plan->pivots = writer->at;
  put_pivots(writer);
  plan->free = writer->at;
  put_free(writer);
  plan->back = writer->at;
  put_back(writer);
  plan->end = writer->at;
}

static Plan *write_plan(Writer *writer, const u8 *pairs) {
  const Code *code = writer->matrix->code;
  u32 temporaries = writer->dense->accepted + (writer->dense->free_count ? code->H : 0);
  Plan shape;
  memset(&shape, 0, sizeof shape);
  shape.K = code->K;
  shape.data = code->L + temporaries;
  shape.slots = shape.data + writer->data_count;
  shape.hdpc = writer->dense->free_count ? code->L + writer->dense->accepted : 0;
  writer->plan = &shape;
  put_all(writer);
  u32 pair_bytes = shape.hdpc ? 2 * (code->K + code->S) : 0;
  shape.size = (u32)sizeof(Plan) + shape.end * 4 + pair_bytes;
  Plan *plan = mem_alloc(shape.size);
  if (!plan) return 0;
  *plan = shape;
  writer->plan = plan;
  writer->words = plan->words;
  put_all(writer);
  memcpy(plan->words + plan->end, pairs, pair_bytes);
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
