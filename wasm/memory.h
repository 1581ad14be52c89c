// The allocator of the codec's linear memory.
#ifndef HEADWATER_MEMORY_H
#define HEADWATER_MEMORY_H

#include "base.h"

/** 0 when the memory cannot grow any further. Results are aligned to 64 bytes, contents undefined. */
void *mem_alloc(u32 size);
void mem_free(void *pointer);
/** Gives back what lies behind the first `size` bytes. */
void mem_trim(void *pointer, u32 size);

/** A group of allocations that are freed together: the working set of one solve. */
typedef struct Arena {
  void *last;
  int failed;
} Arena;

/** Zeroed memory that lives until arena_free. After a failure `failed` is set and every later call returns 0. */
void *arena_alloc(Arena *arena, u32 count, u32 item_size);
void arena_free(Arena *arena);

#endif
