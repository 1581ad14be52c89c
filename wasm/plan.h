// A plan: the solve of one system written down as sums of symbols, so that it can be applied to any symbols, any number
// of times, in strips of any width.
#ifndef HEADWATER_PLAN_H
#define HEADWATER_PLAN_H

#include "code.h"
#include "memory.h"

/**
 * A plan works on `slots` slots: intermediate symbols 0..L-1, then temporaries, then from slot `data` on the symbols that
 * were given, in their order, then the tables of sums.c. `words` holds five programs, one after the other:
 *   forward  sums: peeled columns with the inactive ones at zero, and the residuals b
 *   pivots   sums: pivot columns without the free ones, and the tables for the free ones
 *   free     Horner sums over GF(256): the free columns
 *   back     sums: pivot columns, now complete; then either the peeled ones too, or tables for the outputs
 *   outputs  sums whose target is a row of the caller's slab: the symbols wanted. Without wanted symbols, the L
 *            intermediate symbols are the result.
 * A sum is: count, target slot, source slots. A Horner sum is: target slot, then from bit 7 to bit 0 of the factors a
 * count and the source slots that have it. Between forward and pivots, with `hdpc` set, the HDPC residuals q are
 * formed; for that the recursion's row pairs, one byte each (see hdpc_pair), lie behind the words.
 */
typedef struct Plan {
  u32 K;               // K'
  u32 size;            // bytes of the whole plan
  u32 slots, data, data_count;
  u32 hdpc;            // first of H slots for q, or 0: not needed
  u32 pivots, free, back, outputs, end;  // where in `words` each program starts
  u32 wanted;          // number of outputs, 0: all intermediate symbols
  u32 unused[4];       // words start on a cache line
  u32 words[];
} Plan;

#define SINGULAR ((Plan *)1)

/** How the wanted symbols are formed: whichever needs fewer sums, or as a test says. */
enum Recovery { CHEAPEST, BY_COLUMNS, DIRECT };

typedef struct System {
  const Code *code;
  const u32 *isis;   // of the symbols given, those from data_count on being zeros
  u32 symbols, data_count;
  const u32 *wanted; // ISIs
  u32 wanted_count;  // 0: the intermediate symbols are wanted
  enum Recovery recovery;
} System;

/** Solves for the symbols of `system`. 0: out of memory, or SINGULAR. */
Plan *plan_build(const System *system);

#endif
