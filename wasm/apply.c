// Applies plans to slabs, and forms encoding symbols. Symbols are worked on in strips of 128 bytes: eight lanes stay in
// registers while a sum walks over its sources, and one strip of a whole block fits the second-level cache. What is
// left of the width goes in strips of 64, 32 and 16 bytes.
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

INLINE const u32 *add_all(lane *sum, u8 *strip, u32 stride, const u32 *word, u32 count, const int lanes) {
  for (; count >= 2; count -= 2, word += 2) {
    const u8 *one = strip + word[0] * stride, *two = strip + word[1] * stride;
    add(sum, one, lanes);
    add(sum, two, lanes);
  }
  if (count) add(sum, strip + *word++ * stride, lanes);
  return word;
}

INLINE void run_sums(u8 *strip, u32 stride, const u32 *word, const u32 *end, const int lanes) {
  lane sum[MAX_LANES];
  while (word < end) {
    u32 count = word[0], target = word[1];
    clear(sum, lanes);
    word = add_all(sum, strip, stride, word + 2, count, lanes);
    store(strip + target * stride, sum, lanes);
  }
}

INLINE void run_horner(u8 *strip, u32 stride, const u32 *word, const u32 *end, const int lanes) {
  lane sum[MAX_LANES];
  while (word < end) {
    u32 target = *word++;
    clear(sum, lanes);
    for (u32 bit = 0; bit < 8; bit++) {
      twice(sum, lanes);
      u32 count = *word++;
      word = add_all(sum, strip, stride, word, count, lanes);
    }
    store(strip + target * stride, sum, lanes);
  }
}

/** q = MT * GAMMA * C (5.3.3.3) by the recursion v = alpha * v + C[j], in the original order of the columns. */
INLINE void run_hdpc(const Plan *plan, const Code *code, u8 *strip, u32 stride, const int lanes) {
  const u8 *pair = (const u8 *)(plan->words + plan->end);
  lane sums[MAX_H][MAX_LANES], v[MAX_LANES];
  for (u32 h = 0; h < code->H; h++) clear(sums[h], lanes);
  clear(v, lanes);
  u32 last = code->K + code->S - 1;
  const u8 *symbol = strip;
  for (u32 j = 0; j <= last; j++, symbol += stride, pair += 2) {
    twice(v, lanes);
    add(v, symbol, lanes);
    if (j == last) break;
    add(sums[pair[0]], (const u8 *)v, lanes);
    add(sums[pair[1]], (const u8 *)v, lanes);
  }
  for (u32 h = 0; h < code->H; h++) {
    add(sums[h], (const u8 *)v, lanes);
    twice(v, lanes);
    store(strip + (plan->hdpc + h) * stride, sums[h], lanes);
  }
}

INLINE void run_strip(const Plan *plan, const Code *code, u8 *strip, u32 stride, const int lanes) {
  const u32 *words = plan->words;
  run_sums(strip, stride, words, words + plan->pivots, lanes);
  if (plan->hdpc) run_hdpc(plan, code, strip, stride, lanes);
  run_sums(strip, stride, words + plan->pivots, words + plan->free, lanes);
  run_horner(strip, stride, words + plan->free, words + plan->back, lanes);
  run_sums(strip, stride, words + plan->back, words + plan->end, lanes);
}

/** Turns the data slots of `slab` into intermediate symbols. `width` is a multiple of 16, at most `stride`. */
EXPORT(plan_apply) void plan_apply(const Plan *plan, u8 *slab, u32 stride, u32 width) {
  const Code *code = code_for(plan->K);
  u32 at = 0;
  for (; at + 128 <= width; at += 128) run_strip(plan, code, slab + at, stride, 8);
  for (; at + 64 <= width; at += 64) run_strip(plan, code, slab + at, stride, 4);
  for (; at + 32 <= width; at += 32) run_strip(plan, code, slab + at, stride, 2);
  for (; at + 16 <= width; at += 16) run_strip(plan, code, slab + at, stride, 1);
}

INLINE void symbol_strip(const u16 *columns, u32 count, const u8 *strip, u32 stride, u8 *target, const int lanes) {
  lane sum[MAX_LANES];
  load(sum, strip + columns[0] * stride, lanes);
  for (u32 i = 1; i < count; i++) add(sum, strip + columns[i] * stride, lanes);
  store(target, sum, lanes);
}

/** Enc[] (5.3.5.3): writes the encoding symbol `esi` of a block of K source symbols to `target`. */
EXPORT(symbol_encode) void symbol_encode(u32 K, const u8 *slab, u32 stride, u32 esi, u8 *target) {
  const Code *code = code_for(K);
  u16 columns[MAX_LT_COLUMNS];
  u32 lt, count = lt_columns(code, esi < K ? esi : esi + code->K - K, columns, &lt), at = 0;
  for (; at + 128 <= stride; at += 128) symbol_strip(columns, count, slab + at, stride, target + at, 8);
  for (; at + 16 <= stride; at += 16) symbol_strip(columns, count, slab + at, stride, target + at, 1);
}
