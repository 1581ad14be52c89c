// The tables of RFC 6330 (see tables.c).
#ifndef HEADWATER_TABLES_H
#define HEADWATER_TABLES_H

#include "base.h"

#define SYSTEMATIC_ROWS 477
#define DEGREE_ROWS 31

extern const u32 RANDOM_TABLE[4][256];
extern const u16 SYSTEMATIC_TABLE[SYSTEMATIC_ROWS][5];
extern const u32 DEGREE_TABLE[DEGREE_ROWS];

#endif
