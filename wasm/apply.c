// Applies plans to slabs, and forms encoding symbols. Symbols are worked on in strips: eight lanes stay in registers
// while a sum walks over its sources. A strip's slots lie side by side in scratch memory, whatever the symbols' stride,
// so that a whole block's strip stays in the second-level cache and on few pages.
#include "gf256.h"
#include "plan.h"

#define MAX_LANES 8

INLINE void load(lane *target, const u8 *source, const int lanes) {
  for (int i = 0; i < lanes; i++) target[i] = ((const lane *)source)[i];
}
INLINE void store(u8 *target, const lane *source, const int lanes) {
  for (int i = 0; i < lanes; i++) ((lane *)target)[i] = source[i];
}
INLINE void add(lane *target, const u8 *source, const int lanes) {
  for (int i = 0; i < lanes; i++) target[i] ^= ((const lane *)source)[i];
}
INLINE void twice(lane *target, const int lanes) {
  for (int i = 0; i < lanes; i++) target[i] = lane_double(target[i]);
}
INLINE void clear(lane *target, const int lanes) {
  for (int i = 0; i < lanes; i++) target[i] = ZERO_LANE;
}

INLINE const u32 *add_all(lane *sum, const u8 *strip, const u32 *word, u32 count, const int lanes) {
  for (; count >= 2; count -= 2, word += 2) {
    const u8 *one = strip + word[0] * (lanes * LANE_BYTES), *two = strip + word[1] * (lanes * LANE_BYTES);
    add(sum, one, lanes);
    add(sum, two, lanes);
  }
  if (count) add(sum, strip + *word++ * (lanes * LANE_BYTES), lanes);
  return word;
}

/** `target` is the strip itself, or the slab for the outputs. */
INLINE void run_sums(const u8 *strip, const u32 *word, const u32 *end, u8 *target, u32 stride, const int lanes) {
  lane sum[MAX_LANES];
  while (word < end) {
    u32 count = word[0], to = word[1];
    clear(sum, lanes);
    word = add_all(sum, strip, word + 2, count, lanes);
    store(target + to * stride, sum, lanes);
  }
}

INLINE void run_horner(u8 *strip, const u32 *word, const u32 *end, const int lanes) {
  lane sum[MAX_LANES];
  while (word < end) {
    u32 target = *word++;
    clear(sum, lanes);
    for (u32 bit = 0; bit < 8; bit++) {
      twice(sum, lanes);
      u32 count = *word++;
      word = add_all(sum, strip, word, count, lanes);
    }
    store(strip + target * (lanes * LANE_BYTES), sum, lanes);
  }
}

/**
 * q = MT * GAMMA * C (5.3.3.3) by the recursion v = alpha * v + C[j], in the original order of the columns. Each v goes to
 * the sum of its pair of rows, and those to the rows at the end: one addition a column instead of two.
 */
INLINE void run_hdpc(const Plan *plan, const Code *code, u8 *strip, const int lanes) {
  const u8 *pair = (const u8 *)(plan->words + plan->end);
  lane both[HDPC_PAIRS][MAX_LANES], sums[MAX_H][MAX_LANES], v[MAX_LANES];
  u32 pairs = code->H * (code->H - 1) / 2, last = code->K + code->S - 1;
  for (u32 i = 0; i < pairs; i++) clear(both[i], lanes);
  for (u32 h = 0; h < code->H; h++) clear(sums[h], lanes);
  clear(v, lanes);
  const u8 *symbol = strip;
  for (u32 j = 0; j < last; j++, symbol += lanes * LANE_BYTES) {
    twice(v, lanes);
    add(v, symbol, lanes);
    add(both[*pair++], (const u8 *)v, lanes);
  }
  twice(v, lanes);
  add(v, symbol, lanes);
  for (u32 b = 1, i = 0; b < code->H; b++)
    for (u32 a = 0; a < b; a++, i++) {
      add(sums[a], (const u8 *)both[i], lanes);
      add(sums[b], (const u8 *)both[i], lanes);
    }
  for (u32 h = 0; h < code->H; h++) {
    add(sums[h], (const u8 *)v, lanes);
    twice(v, lanes);
    store(strip + (plan->hdpc + h) * (lanes * LANE_BYTES), sums[h], lanes);
  }
}

/** Copies `count` strips from one stride to another. */
INLINE void move(u8 *target, u32 to, const u8 *source, u32 from, u32 count, const int lanes) {
  lane strip[MAX_LANES];
  for (; count > 0; count--, target += to, source += from) {
    load(strip, source, lanes);
    store(target, strip, lanes);
  }
}

INLINE void run_strip(const Plan *plan, const Code *code, u8 *strip, u8 *slab, u32 stride, const int lanes) {
  const u32 *words = plan->words, width = lanes * LANE_BYTES;
  move(strip + plan->data * width, width, slab, stride, plan->data_count, lanes);
  run_sums(strip, words, words + plan->pivots, strip, width, lanes);
  if (plan->hdpc) run_hdpc(plan, code, strip, lanes);
  run_sums(strip, words + plan->pivots, words + plan->free, strip, width, lanes);
  run_horner(strip, words + plan->free, words + plan->back, lanes);
  run_sums(strip, words + plan->back, words + plan->outputs, strip, width, lanes);
  if (plan->wanted) run_sums(strip, words + plan->outputs, words + plan->end, slab, stride, lanes);
  else move(slab, stride, strip, width, code->L, lanes);
}

/**
 * Turns the symbols in the first rows of `slab` into the plan's results, in place from row 0 on. `width` is a multiple of
 * 16, at most `stride`; `widest` bounds the strips' width, at most 128. 0: no memory for the scratch.
 */
EXPORT(plan_apply) int plan_apply(const Plan *plan, u8 *slab, u32 stride, u32 width, u32 widest) {
  const Code *code = code_for(plan->K);
  u8 *strip = mem_alloc(plan->slots * min_u32(width, widest));
  if (!strip) return 0;
  u32 at = 0;
  for (; at + 128 <= width && widest >= 128; at += 128) run_strip(plan, code, strip, slab + at, stride, 8);
  for (; at + 64 <= width; at += 64) run_strip(plan, code, strip, slab + at, stride, 4);
  for (; at + 32 <= width; at += 32) run_strip(plan, code, strip, slab + at, stride, 2);
  for (; at + 16 <= width; at += 16) run_strip(plan, code, strip, slab + at, stride, 1);
  mem_free(strip);
  return 1;
}

INLINE void symbol_strip(const u16 *columns, u32 count, const u8 *strip, u32 stride, u8 *target, const int lanes) {
  lane sum[MAX_LANES];
  load(sum, strip + columns[0] * stride, lanes);
  for (u32 i = 1; i < count; i++) add(sum, strip + columns[i] * stride, lanes);
  store(target, sum, lanes);
}

/** Enc[] (5.3.5.3): writes `count` encoding symbols of a block of K source symbols, from `esi` on, `stride` bytes each. */
EXPORT(symbols_encode) void symbols_encode(u32 K, const u8 *slab, u32 stride, u32 esi, u32 count, u8 *target) {
  const Code *code = code_for(K);
  u16 columns[MAX_LT_COLUMNS];
  for (; count > 0; count--, esi++, target += stride) {
    u32 lt, ones = lt_columns(code, esi < K ? esi : esi + code->K - K, columns, &lt), at = 0;
    for (; at + 128 <= stride; at += 128) symbol_strip(columns, ones, slab + at, stride, target + at, 8);
    for (; at + 16 <= stride; at += 16) symbol_strip(columns, ones, slab + at, stride, target + at, 1);
  }
}
