// Small cases by coefficients: every encoding symbol is a sum over GF(256) of the K source symbols, and its factors are
// what the code makes of unit vectors. With few sources, or few of them lost, such sums beat the way through the
// intermediate symbols. The factors come from a generator: the intermediate symbols of K' unit vectors, a slab whose
// "symbols" are `pitch` bytes long, byte i belonging to source symbol i.
#include "apply.h"
#include "code.h"
#include "gf256.h"
#include "memory.h"

/** Writes the sum over `count` rows with these factors as a Horner sum; returns its end. */
static u32 *put_factors(const u8 *factors, const u32 *rows, u32 count, u32 *out) {
  for (u32 bit = 8; bit-- > 0;) {
    u32 *start = out++;
    for (u32 i = 0; i < count; i++) {
      *out = rows[i];
      out += factors[i] >> bit & 1;
    }
    *start = (u32)(out - start) - 1;
  }
  return out;
}

/** Writes `count` encoding symbols from `esi` on, straight from the K source symbols in `source`. 0: out of memory. */
EXPORT(coefficients_encode)
int coefficients_encode(u32 K, const u8 *generator, u32 pitch, const u8 *source, u32 stride, u32 esi, u32 count, u8 *target) {
  Arena arena = {0, 0};
  u8 *factors = arena_alloc(&arena, 1, pitch);
  u32 *rows = arena_alloc(&arena, K, sizeof(u32)), *words = arena_alloc(&arena, 8 * K + 9, sizeof(u32));
  if (!arena.failed) {
    for (u32 i = 0; i < K; i++) rows[i] = i;
    for (; count > 0; count--, esi++, target += stride) {
      symbols_encode(K, generator, pitch, esi, 1, factors);
      put_factors(factors, rows, K, words);
      apply_horner(words, 1, source, stride, target);
    }
  }
  arena_free(&arena);
  return !arena.failed;
}

/** target += factor * source. */
static void add_product(lane *target, const lane *source, u8 factor, u32 lanes) {
  for (u32 i = 0; i < lanes; i++) {
    lane product = ZERO_LANE;
    for (u32 bit = 8; bit-- > 0;) {
      product = lane_double(product);
      if (factor >> bit & 1) product ^= source[i];
    }
    target[i] ^= product;
  }
}

typedef struct Unknowns {
  u32 K, pitch, lanes;  // a row: factors of the K source symbols (pitch bytes), then of the repair symbols used
  const u32 *wanted;
  u32 count;            // unknowns
  lane *rows;           // by pivot; row i has 1 at unknown i and 0 at the other unknowns, once all are there
  u32 *repair_row;      // by pivot: the slab's row with the repair symbol used
} Unknowns;

/** Takes one repair symbol's factors, in `fresh`, as the equation for unknown `pivot`; 0 if it says nothing new. */
static int take(Unknowns *unknowns, u32 taken, lane *fresh, u32 *order) {
  u8 *bytes = (u8 *)fresh;
  u32 lanes = unknowns->lanes, pivot = taken;
  for (u32 i = 0; i < taken; i++)
    add_product(fresh, unknowns->rows + i * lanes, bytes[unknowns->wanted[order[i]]], lanes);
  while (pivot < unknowns->count && bytes[unknowns->wanted[order[pivot]]] == 0) pivot++;
  if (pivot == unknowns->count) return 0;
  u32 swapped = order[pivot];
  order[pivot] = order[taken];
  order[taken] = swapped;
  u32 column = unknowns->wanted[swapped];
  u8 scale = (u8)(gf_inverse(bytes[column]) ^ 1);
  lane *row = unknowns->rows + taken * lanes;
  for (u32 l = 0; l < lanes; l++) row[l] = fresh[l];
  add_product(row, fresh, scale, lanes);
  for (u32 i = 0; i < taken; i++) {
    lane *other = unknowns->rows + i * lanes;
    add_product(other, row, ((u8 *)other)[column], lanes);
  }
  return 1;
}

/**
 * Finds the `wanted` source symbols of a block of K, by elimination among them only. The rows of `slab` hold the symbols
 * with the `count` ESIs in `esis`, which the wanted ESIs follow; results go to the rows behind. 1: done, 0: out of memory,
 * 2: the symbols do not suffice.
 */
EXPORT(coefficients_decode)
int coefficients_decode(u32 K, const u8 *generator, u32 pitch, const u32 *esis, u32 count, u32 wanted, u8 *slab, u32 stride) {
  Arena arena = {0, 0};
  u32 used_bytes = round_up(wanted, LANE_BYTES), lanes = (pitch + used_bytes) / LANE_BYTES, taken = 0;
  Unknowns unknowns = {.K = K, .pitch = pitch, .lanes = lanes, .wanted = esis + count, .count = wanted};
  unknowns.rows = arena_alloc(&arena, wanted + 1, lanes * sizeof(lane));
  unknowns.repair_row = arena_alloc(&arena, wanted, sizeof(u32));
  u32 *order = arena_alloc(&arena, wanted, sizeof(u32)), *rows = arena_alloc(&arena, K + wanted, sizeof(u32));
  u8 *factors = arena_alloc(&arena, 1, K + wanted);
  u32 *words = arena_alloc(&arena, wanted, 8 * (K + wanted + 1) * sizeof(u32)), *out = words;
  lane *fresh = unknowns.rows + wanted * lanes;
  for (u32 i = 0; i < wanted && !arena.failed; i++) order[i] = i;
  for (u32 n = 0; n < count && taken < wanted && !arena.failed; n++) {
    if (esis[n] < K) continue;
    memset(fresh, 0, lanes * sizeof(lane));
    symbols_encode(K, generator, pitch, esis[n], 1, (u8 *)fresh);
    ((u8 *)fresh)[pitch + taken] = 1;
    unknowns.repair_row[taken] = n;
    taken += (u32)take(&unknowns, taken, fresh, order);
  }
  if (!arena.failed && taken == wanted) {
    for (u32 n = 0; n < count; n++)
      if (esis[n] < K) rows[esis[n]] = n;
    for (u32 i = 0; i < wanted; i++) rows[K + i] = unknowns.repair_row[i];
    // Row i belongs to unknown order[i]: write them in the order wanted.
    for (u32 n = 0; n < wanted; n++) {
      u32 i = 0;
      while (order[i] != n) i++;
      const u8 *row = (const u8 *)(unknowns.rows + i * lanes);
      memcpy(factors, row, K);
      for (u32 u = 0; u < wanted; u++) factors[unknowns.wanted[u]] = 0;
      memcpy(factors + K, row + pitch, wanted);
      out = put_factors(factors, rows, K + wanted, out);
    }
    apply_horner(words, wanted, slab, stride, slab + count * stride);
  }
  arena_free(&arena);
  return arena.failed ? 0 : taken == wanted ? 1 : 2;
}
