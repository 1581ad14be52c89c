// Parameters, random and tuple generators, and the sparse rows of RFC 6330. ISI is the internal symbol id: the ESI for
// source symbols, padding from K to K'-1, and ESI + K' - K for repair symbols (5.3.1).
#include "code.h"
#include "tables.h"

static u32 least_prime_from(u32 n) {
  for (;; n++) {
    u32 factor = 2;
    while (factor * factor <= n && n % factor) factor++;
    if (factor * factor > n) return n;
  }
}

const Code *code_for(u32 K) {
  static Code code;
  u32 low = 0, high = SYSTEMATIC_ROWS - 1;
  while (low < high) {
    u32 middle = (low + high) / 2;
    if (SYSTEMATIC_TABLE[middle][0] < K) low = middle + 1;
    else high = middle;
  }
  const u16 *row = SYSTEMATIC_TABLE[low];
  if (code.K == row[0]) return &code;
  code.K = row[0];
  code.J = row[1];
  code.S = row[2];
  code.H = row[3];
  code.W = row[4];
  code.L = code.K + code.S + code.H;
  code.P = code.L - code.W;
  code.P1 = least_prime_from(code.P);
  code.B = code.W - code.S;
  return &code;
}

/** Rand[y, i, m] (5.3.5.1). The index sums wrap at 256. */
EXPORT(rand_rfc) u32 rand_rfc(u32 y, u32 i, u32 m) {
  return (RANDOM_TABLE[0][(u8)(y + i)] ^ RANDOM_TABLE[1][(u8)((y >> 8) + i)] ^ RANDOM_TABLE[2][(u8)((y >> 16) + i)] ^
          RANDOM_TABLE[3][(u8)((y >> 24) + i)]) %
         m;
}

/** Deg[v] (5.3.5.2). */
static u32 degree(const Code *code, u32 v) {
  u32 d = 1;
  while (v >= DEGREE_TABLE[d]) d++;
  return min_u32(d, code->W - 2);
}

typedef struct Tuple {
  u32 d, a, b, d1, a1, b1;
} Tuple;

/** Tuple[K', X] (5.3.5.4). y wraps at 2^32. */
static Tuple tuple(const Code *code, u32 X) {
  u32 A = 53591 + code->J * 997;
  if (A % 2 == 0) A++;
  u32 y = 10267 * (code->J + 1) + X * A;
  Tuple t;
  t.d = degree(code, rand_rfc(y, 0, 1u << 20));
  t.a = 1 + rand_rfc(y, 1, code->W - 1);
  t.b = rand_rfc(y, 2, code->W);
  t.d1 = t.d < 4 ? 2 + rand_rfc(X, 3, 2) : 2;
  t.a1 = 1 + rand_rfc(X, 4, code->P1 - 1);
  t.b1 = rand_rfc(X, 5, code->P1);
  return t;
}

/** The walk of Enc[] (5.3.5.3), as columns. W and P1 are primes, so that no column comes twice. */
u32 lt_columns(const Code *code, u32 isi, u16 *columns, u32 *lt) {
  Tuple t = tuple(code, isi);
  u32 count = 0;
  for (u32 b = t.b; count < t.d; b = b + t.a >= code->W ? b + t.a - code->W : b + t.a) columns[count++] = (u16)b;
  *lt = count;
  for (u32 b1 = t.b1; count < t.d + t.d1; b1 = (b1 + t.a1) % code->P1)
    if (b1 < code->P) columns[count++] = (u16)(code->W + b1);
  return count;
}

void ldpc_rows(const Code *code, u32 j, u32 rows[3]) {
  u32 a = 1 + j / code->S;
  rows[0] = j % code->S;
  rows[1] = (rows[0] + a) % code->S;
  rows[2] = (rows[1] + a) % code->S;
}

u8 hdpc_pair(const Code *code, u32 j) {
  u32 one = rand_rfc(j + 1, 6, code->H), two = (one + rand_rfc(j + 1, 7, code->H - 1) + 1) % code->H;
  u32 low = min_u32(one, two), high = one + two - low;
  return (u8)(high * (high - 1) / 2 + low);
}

EXPORT(code_padded) u32 code_padded(u32 K) { return code_for(K)->K; }
EXPORT(code_intermediates) u32 code_intermediates(u32 K) { return code_for(K)->L; }

/** For JavaScript's tests: writes K', J, S, H, W, L, P, P1, B to `target`. */
EXPORT(code_parameters) void code_parameters(u32 K, u32 *target) {
  const Code *code = code_for(K);
  const u32 values[] = {code->K, code->J, code->S, code->H, code->W, code->L, code->P, code->P1, code->B};
  for (u32 i = 0; i < 9; i++) target[i] = values[i];
}

/** For JavaScript's tests: writes the tuple (d, a, b, d1, a1, b1) of an ISI to `target`. */
EXPORT(code_tuple) void code_tuple(u32 K, u32 isi, u32 *target) {
  Tuple t = tuple(code_for(K), isi);
  const u32 values[] = {t.d, t.a, t.b, t.d1, t.a1, t.b1};
  for (u32 i = 0; i < 6; i++) target[i] = values[i];
}
