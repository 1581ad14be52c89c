// Phase 2 of the solve: the values of the inactive columns.
#ifndef HEADWATER_DENSE_H
#define HEADWATER_DENSE_H

#include "schedule.h"

#define NO_PIVOT 0xffffffffu

/**
 * With the inactive columns set to zero, peeling gives a residual b for each row that peeled nothing, and a residual q
 * for each HDPC row. The inactive columns x follow from them:
 *   pivots  x_p = (sum of the b's in combination p) + (sum of the free columns in row p)
 *   free    y_i = sum over h of q_weight[i][h] * q_h + sum over pivots p of x_weight[i][p] * (x_p without the y's)
 * The binary rows alone leave at most H columns free in a solvable system; with enough symbols, none, and then the
 * HDPC rows are not needed at all.
 */
typedef struct Dense {
  u32 lanes;           // lanes in a bit row over the inactive columns
  lane *expression;    // by column (L of them): what it holds of each inactive column
  u32 accepted;        // independent binary rows
  u32 *accepted_row;   // their rows in the matrix
  lane *reduced;       // accepted x (2 x lanes): the fully reduced row, then its combination of accepted rows
  u32 *pivot_row;      // by inactive column: its reduced row, or NO_PIVOT if the column is free
  u32 free_count;
  u32 free_column[MAX_H];  // as inactive columns
  u8 q_weight[MAX_H][MAX_H];
  u8 *x_weight;        // MAX_H rows of lanes * LANE_BITS bytes
} Dense;

/** 1 if the system has exactly one solution, else 0 (also if arena->failed). */
int dense_build(Dense *dense, const Matrix *matrix, const Schedule *schedule, const u8 *hdpc_pairs, Arena *arena);

INLINE int bit_of(const lane *row, u32 index) { return ((const u64 *)row)[index / 64] >> (index % 64) & 1; }
INLINE void flip_bit(lane *row, u32 index) { ((u64 *)row)[index / 64] ^= 1ull << (index % 64); }

#endif
