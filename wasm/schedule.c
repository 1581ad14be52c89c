// Peeling with inactivation (RFC 6330, 5.4.2.2), without touching any row: a row that has a single active column left
// yields that column; where no such row exists, a column is made inactive. Since a pivot row has no other active
// column, eliminating it never changes the active part, so the order can be found by counting alone. Any choice gives
// the same intermediate symbols; the choices made here aim at few inactive columns:
//   - the component of the graph (active columns, rows of weight 2) with the most columns is opened first;
//   - failing that, a row of least weight, of least original weight among those.
#include "schedule.h"

typedef struct Peeler {
  const Matrix *matrix;
  Schedule *schedule;
  u32 *weight;      // by row: active columns left
  u32 *sum;         // by row: XOR of its active columns, the column itself once the weight is 1
  u8 *active;       // by column
  u32 active_count;
  u32 *ready;       // rows that reached weight 1: LT rows from the front, LDPC rows from the back
  u32 ready_lt, ready_ldpc;
  u16 *parent;      // union-find over columns joined by rows of weight 2
  u16 *size;
  u16 *heaviest;    // by root: the component's column with the most rows
  u16 *roots;       // one for each component, and some that are none any more
  u32 root_count;
} Peeler;

static u32 component(Peeler *peeler, u32 column) {
  u16 *parent = peeler->parent;
  while (parent[column] != column) column = parent[column] = parent[parent[column]];
  return column;
}

static u32 column_weight(Peeler *peeler, u32 column) {
  return peeler->matrix->column_start[column + 1] - peeler->matrix->column_start[column];
}

/**
 * Queues a row that can be peeled. LDPC rows wait for when there is no other: they have dozens of ones, and a row that
 * peels is added up twice, one that does not only once.
 */
static void note_ready(Peeler *peeler, u32 row) {
  if (row >= peeler->matrix->code->S) peeler->ready[peeler->ready_lt++] = row;
  else peeler->ready[peeler->matrix->rows - ++peeler->ready_ldpc] = row;
}

static u32 next_ready(Peeler *peeler) {
  if (peeler->ready_lt) return peeler->ready[--peeler->ready_lt];
  return peeler->ready[peeler->matrix->rows - peeler->ready_ldpc--];
}

/** Joins the two columns that a row of weight 2 has left. */
static void note_pair(Peeler *peeler, u32 row) {
  const u16 *column = peeler->matrix->columns + peeler->matrix->row_start[row];
  while (!peeler->active[*column]) column++;
  u32 a = component(peeler, *column), b = component(peeler, *column ^ peeler->sum[row]);
  if (a == b) return;
  u32 big = peeler->size[a] >= peeler->size[b] ? a : b, small = big == a ? b : a;
  if (peeler->size[big] == 1) peeler->roots[peeler->root_count++] = (u16)big;
  peeler->parent[small] = (u16)big;
  peeler->size[big] += peeler->size[small];
  if (column_weight(peeler, peeler->heaviest[small]) > column_weight(peeler, peeler->heaviest[big]))
    peeler->heaviest[big] = peeler->heaviest[small];
}

/** Takes a column out of the active part, as a pivot or as an inactive one. */
static void retire(Peeler *peeler, u32 column) {
  const Matrix *matrix = peeler->matrix;
  peeler->active[column] = 0;
  peeler->active_count--;
  for (u32 at = matrix->column_start[column]; at < matrix->column_start[column + 1]; at++) {
    u32 row = matrix->column_rows[at];
    peeler->sum[row] ^= column;
    u32 weight = --peeler->weight[row];
    if (weight == 1) note_ready(peeler, row);
    else if (weight == 2) note_pair(peeler, row);
  }
}

static void inactivate(Peeler *peeler, u32 column) {
  Schedule *schedule = peeler->schedule;
  schedule->inactive_index[column] = schedule->inactive;
  schedule->inactive_column[schedule->inactive++] = (u16)column;
  if (column < peeler->matrix->code->W) retire(peeler, column);
}

static void peel(Peeler *peeler, u32 row) {
  Schedule *schedule = peeler->schedule;
  u32 column = peeler->sum[row];
  schedule->row_used[row] = 1;
  schedule->peel_row[schedule->peeled] = row;
  schedule->peel_column[schedule->peeled++] = (u16)column;
  schedule->inactive_index[column] = PEELED;
  retire(peeler, column);
}

/**
 * The root of the largest component, 0xffffffff if there is none. A component disappears as a whole, since opening it
 * leaves each of its rows with one column in turn; so the root is active as long as the component is there.
 */
static u32 largest_component(Peeler *peeler) {
  u32 best = 0xffffffffu, best_size = 0, kept = 0;
  for (u32 i = 0; i < peeler->root_count; i++) {
    u32 root = peeler->roots[i];
    if (!peeler->active[root] || peeler->parent[root] != root) continue;
    peeler->roots[kept++] = (u16)root;
    if (peeler->size[root] > best_size) best_size = peeler->size[root], best = root;
  }
  peeler->root_count = kept;
  return best;
}

/** An unused row of least weight > 0, then of least original weight. 0xffffffff if no row has an active column. */
static u32 lightest_row(Peeler *peeler) {
  const Matrix *matrix = peeler->matrix;
  u32 best = 0xffffffffu, best_key = 0xffffffffu;
  for (u32 row = 0; row < matrix->rows; row++) {
    if (peeler->weight[row] == 0) continue;
    u32 key = peeler->weight[row] << 16 | (matrix->row_lt[row] - matrix->row_start[row]);
    if (key < best_key) best_key = key, best = row;
  }
  return best;
}

/** No row of weight 1 is left: gives up active columns until there is one, or none is active. */
static void open_component(Peeler *peeler) {
  u32 root = largest_component(peeler);
  if (root != 0xffffffffu) {
    inactivate(peeler, peeler->heaviest[root]);
    return;
  }
  const Matrix *matrix = peeler->matrix;
  u32 row = lightest_row(peeler);
  if (row == 0xffffffffu) {
    for (u32 column = 0; column < matrix->code->W; column++)
      if (peeler->active[column]) inactivate(peeler, column);
    return;
  }
  for (u32 at = matrix->row_start[row]; at < matrix->row_lt[row] && peeler->weight[row] > 1; at++)
    if (peeler->active[matrix->columns[at]]) inactivate(peeler, matrix->columns[at]);
}

/**
 * Random symbols make 10 to 190 columns inactive besides the P, growing like the square root of K'. Whoever chooses the
 * ISIs could make it thousands, and elimination costs their cube, so such a set counts as not decodable. What passes
 * costs at most some 4 times the symbol operations of an ordinary solve.
 */
static u32 inactive_limit(const Code *code) { return code->P + 256 + code->W / 32; }

int schedule_build(Schedule *schedule, const Matrix *matrix, Arena *arena) {
  const Code *code = matrix->code;
  schedule->peeled = schedule->inactive = 0;
  schedule->peel_row = arena_alloc(arena, code->W, sizeof(u32));
  schedule->peel_column = arena_alloc(arena, code->W, sizeof(u16));
  schedule->inactive_column = arena_alloc(arena, code->L, sizeof(u16));
  schedule->inactive_index = arena_alloc(arena, code->L, sizeof(u32));
  schedule->row_used = arena_alloc(arena, matrix->rows, 1);
  Peeler peeler = {.matrix = matrix, .schedule = schedule, .active_count = code->W};
  peeler.weight = arena_alloc(arena, matrix->rows, sizeof(u32));
  peeler.sum = arena_alloc(arena, matrix->rows, sizeof(u32));
  peeler.active = arena_alloc(arena, code->W, 1);
  peeler.ready = arena_alloc(arena, matrix->rows, sizeof(u32));
  peeler.parent = arena_alloc(arena, code->W, sizeof(u16));
  peeler.size = arena_alloc(arena, code->W, sizeof(u16));
  peeler.heaviest = arena_alloc(arena, code->W, sizeof(u16));
  peeler.roots = arena_alloc(arena, code->W, sizeof(u16));
  if (arena->failed) return 0;

  for (u32 column = 0; column < code->W; column++) {
    peeler.active[column] = 1;
    peeler.parent[column] = peeler.heaviest[column] = (u16)column;
    peeler.size[column] = 1;
  }
  for (u32 column = code->W; column < code->L; column++) inactivate(&peeler, column);
  for (u32 row = 0; row < matrix->rows; row++) {
    for (u32 at = matrix->row_start[row]; at < matrix->row_lt[row]; at++) peeler.sum[row] ^= matrix->columns[at];
    peeler.weight[row] = matrix->row_lt[row] - matrix->row_start[row];
    if (peeler.weight[row] == 1) note_ready(&peeler, row);
    else if (peeler.weight[row] == 2) note_pair(&peeler, row);
  }
  while (peeler.active_count > 0) {
    if (peeler.ready_lt + peeler.ready_ldpc == 0) {
      open_component(&peeler);
      if (schedule->inactive > inactive_limit(code)) return 0;
      continue;
    }
    u32 row = next_ready(&peeler);
    if (peeler.weight[row] == 1) peel(&peeler, row);
  }
  return 1;
}
