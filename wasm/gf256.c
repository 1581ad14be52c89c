// Scalar GF(256): the tables OCT_EXP and OCT_LOG (RFC 6330, 5.7.3 and 5.7.4), derived once from the polynomial.
#include "gf256.h"

static u8 OCT_EXP[510];
static u8 OCT_LOG[256];

static void gf_prepare(void) {
  if (OCT_EXP[0]) return;
  u32 power = 1;
  for (u32 i = 0; i < 255; i++) {
    OCT_EXP[i] = OCT_EXP[i + 255] = (u8)power;
    OCT_LOG[power] = (u8)i;
    power = (power << 1) ^ (power & 0x80 ? 0x100 | GF_REDUCTION : 0);
  }
}

/** alpha ^ exponent. The exponent wraps at 255, since alpha has that order. */
EXPORT(gf_exp) u8 gf_exp(u32 exponent) {
  gf_prepare();
  return OCT_EXP[exponent % 255];
}

EXPORT(gf_log) u8 gf_log(u8 value) {
  gf_prepare();
  return OCT_LOG[value];
}

EXPORT(gf_mul) u8 gf_mul(u8 a, u8 b) {
  if (a == 0 || b == 0) return 0;
  gf_prepare();
  return OCT_EXP[OCT_LOG[a] + OCT_LOG[b]];
}

u8 gf_inverse(u8 value) {
  gf_prepare();
  return OCT_EXP[255 - OCT_LOG[value]];
}
