// The whole codec as one translation unit, so that one compiler call sees everything. Layers, lowest first:
//   gf256, memory, tables -> code (RFC 6330 rows) -> matrix -> schedule (phase 1) -> dense (phase 2) -> sums -> plan -> apply -> coefficients
#include "gf256.c"
#include "memory.c"
#include "tables.c"
#include "code.c"
#include "matrix.c"
#include "schedule.c"
#include "dense.c"
#include "sums.c"
#include "plan.c"
#include "apply.c"
#include "coefficients.c"
