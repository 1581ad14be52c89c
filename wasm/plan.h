// A plan: the solve of one system written down as sums of symbols, so that it can be applied to any symbols, any number
// of times, in strips of any width.
#ifndef HEADWATER_PLAN_H
#define HEADWATER_PLAN_H

#include "code.h"

/**
 * The slab a plan works on is `slots` symbols: intermediate symbols 0..L-1, then temporaries, then from slot `data` on
 * the symbols that were given, in their order. `words` holds four programs, one after the other:
 *   forward  sums: peeled columns with the inactive ones at zero, and the residuals b
 *   pivots   sums: pivot columns without the free ones
 *   free     Horner sums over GF(256): the free columns
 *   back     sums: pivot columns, then the peeled ones again, now complete
 * A sum is: count, target slot, source slots. A Horner sum is: target slot, then from bit 7 to bit 0 of the factors a
 * count and the source slots that have it. Between forward and pivots, with `hdpc` set, the HDPC residuals q are
 * formed; the recursion's row pairs lie behind the words.
 */
typedef struct Plan {
  u32 K;               // K'
  u32 size;            // bytes of the whole plan
  u32 slots, data;
  u32 hdpc;            // first of H slots for q, or 0: not needed
  u32 pivots, free, back, end;  // where in `words` each program starts
  u32 unused[7];       // words start on a cache line
  u32 words[];
} Plan;

#define SINGULAR ((Plan *)1)

/** Solves for the symbols with these ISIs, those from `data_count` on being zeros. 0: out of memory, or SINGULAR. */
Plan *plan_build(const Code *code, const u32 *isis, u32 symbols, u32 data_count);

#endif
