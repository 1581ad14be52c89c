// Applies plans to slabs, and forms encoding symbols. Symbols are worked on in strips of 64 bytes: four lanes stay in
// registers while a sum walks over its sources, two at a time; with eight, x64 runs out of registers. A strip's slots lie
// side by side in scratch memory, whatever the symbols' stride, so that a whole block's strip stays in the second-level
// cache and on few pages. What is left of the width goes in strips of 32 and 16 bytes.
#include "apply.h"
#include "gf256.h"
#include "plan.h"

#define MAX_LANES 4

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

/** Adds up `count` sources, `stride` bytes apart. */
INLINE const u32 *add_all(lane *sum, const u8 *base, u32 stride, const u32 *word, u32 count, const int lanes) {
  for (; count >= 2; count -= 2, word += 2) {
    const u8 *one = base + word[0] * stride, *two = base + word[1] * stride;
    add(sum, one, lanes);
    add(sum, two, lanes);
  }
  if (count) add(sum, base + *word++ * stride, lanes);
  return word;
}

/** `target` is the strip itself, or the slab for the outputs. */
INLINE void run_sums(const u8 *strip, const u32 *word, const u32 *end, u8 *target, u32 stride, const int lanes) {
  lane sum[MAX_LANES];
  while (word < end) {
    u32 count = word[0];
    u8 *to = target + word[1] * stride;
    word += 2;
    if (count & 1) load(sum, strip + *word++ * (lanes * LANE_BYTES), lanes);
    else clear(sum, lanes);
    word = add_all(sum, strip, lanes * LANE_BYTES, word, count & ~1u, lanes);
    store(to, sum, lanes);
  }
}

/** One sum over GF(256): from bit 7 to bit 0 of the factors, a count and the sources that have it. */
INLINE const u32 *horner(lane *sum, const u8 *base, u32 stride, const u32 *word, const int lanes) {
  clear(sum, lanes);
  for (u32 bit = 0; bit < 8; bit++) {
    if (bit) twice(sum, lanes);
    u32 count = *word++;
    word = add_all(sum, base, stride, word, count, lanes);
  }
  return word;
}

INLINE void run_horner(u8 *strip, const u32 *word, const u32 *end, const int lanes) {
  lane sum[MAX_LANES];
  while (word < end) {
    u32 target = *word++;
    word = horner(sum, strip, lanes * LANE_BYTES, word, lanes);
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
 * Turns the symbols in the first rows of `slab` into the plan's results, in place from row 0 on. `stride` is a multiple of
 * 16. 0: no memory for the scratch.
 */
EXPORT(plan_apply) int plan_apply(const Plan *plan, u8 *slab, u32 stride) {
  const Code *code = code_for(plan->K);
  u8 *strip = mem_alloc(plan->slots * min_u32(stride, MAX_LANES * LANE_BYTES));
  if (!strip) return 0;
  u32 at = 0;
  for (; at + 64 <= stride; at += 64) run_strip(plan, code, strip, slab + at, stride, 4);
  for (; at + 32 <= stride; at += 32) run_strip(plan, code, strip, slab + at, stride, 2);
  for (; at + 16 <= stride; at += 16) run_strip(plan, code, strip, slab + at, stride, 1);
  mem_free(strip);
  return 1;
}

INLINE void symbol_strip(const u32 *columns, u32 count, const u8 *strip, u32 stride, u8 *target, const int lanes) {
  lane sum[MAX_LANES];
  load(sum, strip + columns[0] * stride, lanes);
  add_all(sum, strip, stride, columns + 1, count - 1, lanes);
  store(target, sum, lanes);
}

/** Enc[] (5.3.5.3): writes `count` encoding symbols of a block of K source symbols, from `esi` on, `stride` bytes each. */
EXPORT(symbols_encode) void symbols_encode(u32 K, const u8 *slab, u32 stride, u32 esi, u32 count, u8 *target) {
  const Code *code = code_for(K);
  u16 columns[MAX_LT_COLUMNS];
  u32 wide[MAX_LT_COLUMNS];
  for (; count > 0; count--, esi++, target += stride) {
    u32 lt, ones = lt_columns(code, esi < K ? esi : esi + code->K - K, columns, &lt), at = 0;
    for (u32 i = 0; i < ones; i++) wide[i] = columns[i];
    for (; at + 64 <= stride; at += 64) symbol_strip(wide, ones, slab + at, stride, target + at, 4);
    for (; at + 16 <= stride; at += 16) symbol_strip(wide, ones, slab + at, stride, target + at, 1);
  }
}

/** Applies `count` Horner sums to the rows of `slab`; the n-th result goes to `target` + n * stride. */
void apply_horner(const u32 *words, u32 count, const u8 *slab, u32 stride, u8 *target) {
  for (u32 at = 0, width; at < stride; at += width) {
    const u32 *word = words;
    lane sum[MAX_LANES];
    width = stride - at >= 64 ? 64 : 16;
    for (u32 n = 0; n < count; n++) {
      u8 *to = target + n * stride + at;
      if (width == 64) {
        word = horner(sum, slab + at, stride, word, 4);
        store(to, sum, 4);
      } else {
        word = horner(sum, slab + at, stride, word, 1);
        store(to, sum, 1);
      }
    }
  }
}
