// GF(256) of RFC 6330, 5.7: polynomial x^8 + x^4 + x^3 + x^2 + 1, generator alpha = 2.
// On lanes only the doubling is needed: every other product is written as a Horner sum over the bits of the factor.
#ifndef HEADWATER_GF256_H
#define HEADWATER_GF256_H

#include "base.h"

#define GF_REDUCTION 0x1d

#ifdef __wasm_simd128__
typedef signed char bytes16 __attribute__((vector_size(16)));

/**
 * Twice x, and -1 where the byte's high bit is set, as an addition and a comparison. The compiler would make both into
 * shifts of bytes, which x64 does not have: the empty asm keeps it from seeing that.
 */
INLINE lane lane_double(lane x) {
  lane same = x, zero = ZERO_LANE;
  __asm__("" : "+r"(same));
  __asm__("" : "+r"(zero));
  lane carry = (lane)((bytes16)zero > (bytes16)x);
  return (lane)((bytes16)x + (bytes16)same) ^ (carry & (lane){0x1d1d1d1d1d1d1d1dull, 0x1d1d1d1d1d1d1d1dull});
}
#else
INLINE u64 word_double(u64 x) {
  u64 carry = (x >> 7) & 0x0101010101010101ull;
  return ((x & 0x7f7f7f7f7f7f7f7full) << 1) ^ (((carry << 8) - carry) & 0x1d1d1d1d1d1d1d1dull);
}

INLINE lane lane_double(lane x) { return (lane){word_double(x[0]), word_double(x[1])}; }
#endif

/** Bit i of `bits` (16 of them) becomes byte i, 0 or 1. */
INLINE u64 spread8(u32 bits) {
  u64 picked = (u64)(bits & 0xff) * 0x0101010101010101ull & 0x8040201008040201ull;
  return ((picked + 0x7f7f7f7f7f7f7f7full) >> 7) & 0x0101010101010101ull;
}
INLINE lane spread16(u32 bits) { return (lane){spread8(bits), spread8(bits >> 8)}; }

u8 gf_exp(u32 exponent);
u8 gf_log(u8 value);
u8 gf_mul(u8 a, u8 b);
u8 gf_inverse(u8 value);

#endif
