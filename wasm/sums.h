// Many sums over the same slots, by the method of the Four Russians: slots are taken in groups, all sums within a group
// are formed once, and each sum then needs one source for a group.
#ifndef HEADWATER_SUMS_H
#define HEADWATER_SUMS_H

#include "base.h"
#include "memory.h"

#define MAX_GROUP 6u

typedef struct Sums {
  u32 bits;      // slots in a group; 1: no tables
  u32 count;     // slots
  u32 *slots;    // by group: the slot of each of its 2^bits sums, the first unused
} Sums;

/** Number of sources that `users` sums over `count` slots take on average, tables included; the best group size if asked. */
u32 sums_cost(u32 count, u32 users, u32 *bits);

/** Chooses groups for the slots in `source`. `*next` is the first free slot for tables and moves on. */
void sums_prepare(Sums *sums, const u32 *source, u32 count, u32 users, u32 *next, Arena *arena);

/** Writes the sums that fill the tables; returns the end of the program. */
u32 *sums_put_tables(const Sums *sums, u32 *out);

/** Writes the source slots of the sum that `row` picks by bits. */
u32 *sums_put(const Sums *sums, const lane *row, u32 *out);

/** The most words that the tables of `count` slots take. */
INLINE u32 sums_bound(u32 count) { return (count + MAX_GROUP) / MAX_GROUP * (4u << MAX_GROUP); }

#endif
