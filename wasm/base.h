// Ground for the freestanding codec: integer names, the 16-byte lane that symbol arithmetic works on, and block
// copies. No libc, no floats. The same source compiles with and without -msimd128: a lane is then two 64-bit words.
#ifndef HEADWATER_BASE_H
#define HEADWATER_BASE_H

#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/** 16 bytes of symbol data, or 128 bits of a GF(2) row. */
typedef u64 lane __attribute__((vector_size(16)));

#define LANE_BYTES 16u
#define LANE_BITS 128u

/** A function that JavaScript may call. */
#define EXPORT(name) __attribute__((export_name(#name)))
#define INLINE static inline __attribute__((always_inline))

static const lane ZERO_LANE = {0, 0};

INLINE u32 min_u32(u32 a, u32 b) { return a < b ? a : b; }
INLINE u32 round_up(u32 value, u32 step) { return (value + step - 1) / step * step; }

void *memset(void *target, int value, unsigned long size);
void *memcpy(void *target, const void *source, unsigned long size);

#endif
