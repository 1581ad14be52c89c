// The code of one K': its parameters and the rows of its constraint matrix A (RFC 6330, 5.3.3).
#ifndef HEADWATER_CODE_H
#define HEADWATER_CODE_H

#include "base.h"

#define MAX_K 56403u
/** Degree at most 30 among the LT symbols and 3 among the PI symbols (5.3.5.2, 5.3.5.4). */
#define MAX_LT_COLUMNS 33u
#define MAX_H 16u

/** Names as in RFC 6330, 5.3.3.3; `K` here is K', P1 the least prime >= P. */
typedef struct Code {
  u32 K, J, S, H, W, L, P, P1, B;
} Code;

/** The parameters of the least K' >= K. K must be in 1..MAX_K. Valid until the next call. */
const Code *code_for(u32 K);

u32 rand_rfc(u32 y, u32 i, u32 m);

/** Writes the columns of the LT row of `isi`, the `*lt` ones below W first; returns how many there are. All differ. */
u32 lt_columns(const Code *code, u32 isi, u16 *columns, u32 *lt);

/** The rows (0..S-1) in which the LDPC part has a one in column j, j < B; always three. */
void ldpc_rows(const Code *code, u32 j, u32 rows[3]);

/** The rows a < b in which column j < K'+S-1 of the matrix MT has a one (5.3.3.3), as b(b-1)/2 + a: below HDPC_PAIRS. */
u8 hdpc_pair(const Code *code, u32 j);
#define HDPC_PAIRS (MAX_H * (MAX_H - 1) / 2)

#endif
