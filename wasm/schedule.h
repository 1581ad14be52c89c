// Phase 1 of the solve: which column each sparse row gives, and which columns become inactive.
#ifndef HEADWATER_SCHEDULE_H
#define HEADWATER_SCHEDULE_H

#include "matrix.h"

#define PEELED 0xffffffffu

typedef struct Schedule {
  u32 peeled;        // number of (row, column) pairs, in an order in which each needs only earlier ones
  u32 *peel_row;
  u16 *peel_column;
  u32 inactive;      // number of inactive columns: the P PI columns first, then those that phase 1 gave up
  u16 *inactive_column;
  u32 *inactive_index;  // by column: its place among the inactive ones, or PEELED
  u8 *row_used;      // by row: 1 if it peeled a column
} Schedule;

/** 0 if the system is hopeless (see inactive_limit) or if arena->failed. */
int schedule_build(Schedule *schedule, const Matrix *matrix, Arena *arena);

#endif
