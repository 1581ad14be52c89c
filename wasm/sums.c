// Four-Russians tables as part of a plan (see sums.h).
#include "sums.h"

u32 sums_cost(u32 count, u32 users, u32 *best) {
  u32 least = 0xffffffffu;
  for (u32 bits = 1; bits <= MAX_GROUP; bits++) {
    u32 groups = (count + bits - 1) / bits, size = 1u << bits;
    u32 cost = groups * (2 * (size - 1 - bits) + users * (size - 1) / size);
    if (cost >= least) continue;
    least = cost;
    if (best) *best = bits;
  }
  return least;
}

void sums_prepare(Sums *sums, const u32 *source, u32 count, u32 users, u32 *next, Arena *arena) {
  sums->count = count;
  sums_cost(count, users, &sums->bits);
  u32 bits = sums->bits, groups = (count + bits - 1) / bits;
  sums->slots = arena_alloc(arena, groups << bits, sizeof(u32));
  if (arena->failed) return;
  for (u32 group = 0; group < groups; group++) {
    u32 *slots = sums->slots + (group << bits), members = min_u32(bits, count - group * bits);
    for (u32 value = 1; value < 1u << members; value++)
      slots[value] = value & (value - 1) ? (*next)++ : source[group * bits + (u32)__builtin_ctz(value)];
  }
}

u32 *sums_put_tables(const Sums *sums, u32 *out) {
  for (u32 from = 0; from < sums->count && sums->bits > 1; from += sums->bits) {
    u32 *slots = sums->slots + (from / sums->bits << sums->bits), members = min_u32(sums->bits, sums->count - from);
    for (u32 value = 3; value < 1u << members; value++) {
      u32 rest = value & (value - 1);
      if (!rest) continue;
      *out++ = 2;
      *out++ = slots[value];
      *out++ = slots[rest];
      *out++ = slots[value ^ rest];
    }
  }
  return out;
}

u32 *sums_put(const Sums *sums, const lane *row, u32 *out) {
  const u64 *words = (const u64 *)row;
  u32 bits = sums->bits;
  for (u32 from = 0; from < sums->count; from += bits) {
    u32 shift = from % 64, word = from / 64;
    u64 value = words[word] >> shift;
    if (shift + bits > 64 && (word + 1) * 64 < sums->count) value |= words[word + 1] << (64 - shift);
    value &= (1u << bits) - 1;
    if (value) *out++ = sums->slots[(from / bits << bits) + (u32)value];
  }
  return out;
}
