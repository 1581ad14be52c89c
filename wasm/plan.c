// Writes plans: runs the solve on coefficients and emits its sums.
#include "plan.h"
#include "dense.h"
#include "sums.h"

typedef struct Writer {
  const System *system;
  const Matrix *matrix;
  const Schedule *schedule;
  const Dense *dense;
  u32 data;        // slot of the first symbol given
  u32 hdpc;        // slot of the first q
  u32 next;        // first slot that nothing uses yet
  int direct;      // wanted symbols from the forward values and the inactive columns, without the peeled columns
  u32 *pivot;      // inactive columns that are pivots
  lane *row;       // room for the bits of one sum
  Sums residual, known, inactive;  // over the b's; over pivots and q's; over all inactive columns
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
  if (row >= S && row - S < writer->system->data_count) *at++ = writer->data + row - S;
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
  out = sums_put_tables(&writer->residual, out);
  for (u32 i = 0; i < dense->accepted; i++) {
    u32 p = writer->pivot[i], *at = out + 1;
    *at++ = writer->schedule->inactive_column[p];
    at = sums_put(&writer->residual, dense->reduced + dense->pivot_row[p] * 2 * dense->lanes + dense->lanes, at);
    out = close_count(out, at, 1);
  }
  return dense->free_count ? sums_put_tables(&writer->known, out) : out;
}

static u32 *put_free(const Writer *writer, u32 *out) {
  const Dense *dense = writer->dense;
  u32 H = writer->matrix->code->H;
  for (u32 i = 0; i < dense->free_count; i++) {
    const u8 *x_weight = dense->x_weight + i * dense->lanes * LANE_BITS;
    *out++ = writer->schedule->inactive_column[dense->free_column[i]];
    for (u32 bit = 8; bit-- > 0;) {
      memset(writer->row, 0, (dense->lanes + 1) * sizeof(lane));
      for (u32 p = 0; p < dense->accepted; p++)
        if (x_weight[writer->pivot[p]] >> bit & 1) flip_bit(writer->row, p);
      for (u32 h = 0; h < H; h++)
        if (dense->q_weight[i][h] >> bit & 1) flip_bit(writer->row, dense->accepted + h);
      out = close_count(out, sums_put(&writer->known, writer->row, out + 1), 0);
    }
  }
  return out;
}

static u32 *put_back(const Writer *writer, u32 *out) {
  const Dense *dense = writer->dense;
  const Schedule *schedule = writer->schedule;
  for (u32 i = 0; i < dense->accepted && dense->free_count > 0; i++) {
    u32 p = writer->pivot[i];
    const lane *row = dense->reduced + dense->pivot_row[p] * 2 * dense->lanes;
    u32 *at = out + 1;
    *at++ = schedule->inactive_column[p];
    *at++ = schedule->inactive_column[p];
    for (u32 f = 0; f < dense->free_count; f++)
      if (bit_of(row, dense->free_column[f])) *at++ = schedule->inactive_column[dense->free_column[f]];
    out = close_count(out, at, 1);
  }
  if (writer->direct) return sums_put_tables(&writer->inactive, out);
  for (u32 k = 0; k < schedule->peeled; k++)
    out = put_row(writer, out, schedule->peel_row[k], schedule->peel_column[k], 1);
  return out;
}

static u32 *put_outputs(const Writer *writer, u32 *out) {
  const Dense *dense = writer->dense;
  const System *system = writer->system;
  u16 columns[MAX_LT_COLUMNS];
  for (u32 n = 0; n < system->wanted_count; n++) {
    u32 lt, count = lt_columns(system->code, system->wanted[n], columns, &lt), *at = out + 1;
    *at++ = n;
    if (writer->direct) memset(writer->row, 0, dense->lanes * sizeof(lane));
    for (u32 i = 0; i < count; i++) {
      if (!writer->direct || writer->schedule->inactive_index[columns[i]] == PEELED) *at++ = columns[i];
      if (!writer->direct) continue;
      const lane *expression = dense->expression + columns[i] * dense->lanes;
      for (u32 l = 0; l < dense->lanes; l++) writer->row[l] ^= expression[l];
    }
    if (writer->direct) at = sums_put(&writer->inactive, writer->row, at);
    out = close_count(out, at, 1);
  }
  return out;
}

/** Whether the wanted symbols cost less from the inactive columns than by completing all peeled columns first. */
static int choose_direct(const System *system, const Matrix *matrix, const Schedule *schedule) {
  if (system->wanted_count == 0 || system->recovery == BY_COLUMNS) return 0;
  if (system->recovery == DIRECT) return 1;
  u32 by_columns = 0;
  for (u32 k = 0; k < schedule->peeled; k++)
    by_columns += matrix->row_start[schedule->peel_row[k] + 1] - matrix->row_start[schedule->peel_row[k]];
  return sums_cost(schedule->inactive, system->wanted_count, 0) < by_columns;
}

static void prepare(Writer *writer, Arena *arena) {
  const Dense *dense = writer->dense;
  const Schedule *schedule = writer->schedule;
  const Code *code = writer->matrix->code;
  u32 most = schedule->inactive + code->H, count = 0;
  u32 *slots = arena_alloc(arena, most, sizeof(u32));
  writer->pivot = arena_alloc(arena, schedule->inactive, sizeof(u32));
  writer->row = arena_alloc(arena, dense->lanes + 1, sizeof(lane));
  if (arena->failed) return;
  for (u32 p = 0; p < schedule->inactive; p++)
    if (dense->pivot_row[p] != NO_PIVOT) writer->pivot[count++] = p;
  for (u32 i = 0; i < count; i++) slots[i] = code->L + i;
  u32 first = writer->next;
  sums_prepare(&writer->residual, slots, count, count, &writer->next, arena);
  u32 most_slots = writer->next;
  // Each program is done with its tables before the next fills its own.
  writer->next = first;
  for (u32 i = 0; i < count; i++) slots[i] = schedule->inactive_column[writer->pivot[i]];
  for (u32 h = 0; h < code->H; h++) slots[count + h] = writer->hdpc + h;
  if (dense->free_count)
    sums_prepare(&writer->known, slots, count + code->H, 8 * dense->free_count, &writer->next, arena);
  if (writer->next > most_slots) most_slots = writer->next;
  writer->next = first;
  for (u32 i = 0; i < schedule->inactive; i++) slots[i] = schedule->inactive_column[i];
  if (writer->direct)
    sums_prepare(&writer->inactive, slots, schedule->inactive, writer->system->wanted_count, &writer->next, arena);
  if (writer->next < most_slots) writer->next = most_slots;
}

/** An upper bound of the plan's words; what it exceeds the plan by is given back. */
static u64 words_bound(const Writer *writer) {
  const Matrix *matrix = writer->matrix;
  u64 inactive = writer->schedule->inactive, free_count = writer->dense->free_count;
  u64 rows = 2 * ((u64)matrix->row_start[matrix->rows] + 3 * matrix->rows);
  u64 outputs = writer->system->wanted_count * (MAX_LT_COLUMNS + 2ull + (writer->direct ? inactive / writer->inactive.bits + 1 : 0));
  return rows + outputs + inactive * (inactive + free_count + 7) + free_count * (9 + 8 * (MAX_H + inactive)) +
         3ull * sums_bound((u32)inactive + MAX_H);
}

static Plan *write_plan(Writer *writer, const u8 *pairs, Arena *arena) {
  const Code *code = writer->matrix->code;
  u32 pair_bytes = writer->dense->free_count ? code->K + code->S : 0;
  writer->hdpc = code->L + writer->dense->accepted;
  writer->data = writer->hdpc + (pair_bytes ? code->H : 0);
  writer->next = writer->data + writer->system->data_count;
  prepare(writer, arena);
  if (arena->failed) return 0;
  u64 bound = sizeof(Plan) + 4 * words_bound(writer) + pair_bytes;
  Plan *plan = bound < 1u << 31 ? mem_alloc((u32)bound) : 0;
  if (!plan) return 0;
  memset(plan, 0, sizeof *plan);
  plan->K = code->K;
  plan->data = writer->data;
  plan->data_count = writer->system->data_count;
  plan->slots = writer->next;
  plan->hdpc = pair_bytes ? writer->hdpc : 0;
  plan->wanted = writer->system->wanted_count;
  u32 *out = put_forward(writer, plan->words);
  plan->pivots = (u32)(out - plan->words);
  out = put_pivots(writer, out);
  plan->free = (u32)(out - plan->words);
  out = put_free(writer, out);
  plan->back = (u32)(out - plan->words);
  out = put_back(writer, out);
  plan->outputs = (u32)(out - plan->words);
  out = put_outputs(writer, out);
  plan->end = (u32)(out - plan->words);
  plan->size = (u32)sizeof(Plan) + plan->end * 4 + pair_bytes;
  memcpy(out, pairs, pair_bytes);
  mem_trim(plan, plan->size);
  return plan;
}

static Plan *solve(const System *system, Arena *arena) {
  const Code *code = system->code;
  Matrix matrix;
  Schedule schedule;
  Dense dense;
  u8 *pairs = arena_alloc(arena, code->K + code->S, 1);
  matrix_build(&matrix, code, system->isis, system->symbols, arena);
  if (arena->failed) return 0;
  for (u32 j = 0; j + 1 < code->K + code->S; j++) pairs[j] = hdpc_pair(code, j);
  if (!schedule_build(&schedule, &matrix, arena) || !dense_build(&dense, &matrix, &schedule, pairs, arena))
    return arena->failed ? 0 : SINGULAR;
  Writer writer = {.system = system, .matrix = &matrix, .schedule = &schedule, .dense = &dense};
  writer.direct = choose_direct(system, &matrix, &schedule);
  return write_plan(&writer, pairs, arena);
}

Plan *plan_build(const System *system) {
  Arena arena = {0, 0};
  Plan *plan = solve(system, &arena);
  arena_free(&arena);
  return plan;
}

/** The plan that turns K' source symbols (padding included) into intermediate symbols. It depends on K' only. */
EXPORT(plan_encode) Plan *plan_encode(u32 K) {
  const Code *code = code_for(K);
  u32 *isis = mem_alloc(code->K * 4);
  if (!isis) return 0;
  for (u32 i = 0; i < code->K; i++) isis[i] = i;
  System system = {.code = code, .isis = isis, .symbols = code->K, .data_count = code->K};
  Plan *plan = plan_build(&system);
  mem_free(isis);
  return plan;
}

/**
 * The plan for the `wanted` source symbols from `count` encoding symbols of a block of K. `esis` lists first the ones that
 * are given, then the wanted ones. 0: out of memory, 1: they do not suffice.
 */
EXPORT(plan_decode) Plan *plan_decode(u32 K, const u32 *esis, u32 count, u32 wanted, enum Recovery recovery) {
  const Code *code = code_for(K);
  u32 padding = code->K - K;
  u32 *isis = mem_alloc((count + padding) * 4);
  if (!isis) return 0;
  for (u32 i = 0; i < count; i++) isis[i] = esis[i] < K ? esis[i] : esis[i] + padding;
  for (u32 i = 0; i < padding; i++) isis[count + i] = K + i;
  System system = {.code = code, .isis = isis, .symbols = count + padding, .data_count = count};
  system.wanted = esis + count;
  system.wanted_count = wanted;
  system.recovery = recovery;
  Plan *plan = plan_build(&system);
  mem_free(isis);
  return plan;
}

EXPORT(plan_size) u32 plan_size(const Plan *plan) { return plan->size; }
EXPORT(plan_free) void plan_free(Plan *plan) { mem_free(plan); }
/** Rows of the slab that the plan is applied to: room for what goes in and for what comes out. */
EXPORT(plan_rows) u32 plan_rows(const Plan *plan) {
  u32 results = plan->wanted ? plan->wanted : code_for(plan->K)->L;
  return results > plan->data_count ? results : plan->data_count;
}
EXPORT(plan_data) u32 plan_data(const Plan *plan) { return plan->data_count; }
