// What is applied to symbols besides plans.
#ifndef HEADWATER_APPLY_H
#define HEADWATER_APPLY_H

#include "base.h"

/** Applies `count` Horner sums (see plan.h, without targets) to the rows of `slab`; result n goes to `target` + n * stride. */
void apply_horner(const u32 *words, u32 count, const u8 *slab, u32 stride, u8 *target);
void symbols_encode(u32 K, const u8 *slab, u32 stride, u32 esi, u32 count, u8 *target);

#endif
