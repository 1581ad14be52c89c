// A best-fit allocator with boundary tags over the part of linear memory behind the module's own data. Allocations are
// few and large (slabs, plans, the working set of a solve), so the free list is short and a linear search is fine.
// Every block starts with a 64-byte header, so payloads are aligned to cache lines. Memory grows on demand up to the
// maximum the module was instantiated with; it never shrinks, but freed neighbours merge.
#include "memory.h"

#define HEADER 64u
#define PAGE 65536u
#define LARGEST 0x7fff0000u

typedef struct Block {
  u32 size;        // header included
  u32 before;      // size of the block in front of this one, 0 for the first
  u32 used;
  struct Block *next_free, *previous_free;
} Block;

extern u8 __heap_base;

static Block *last_block;  // the block at the end of memory, 0 before the first allocation
static u32 heap_end;
static Block *free_list;
static u32 bytes_used;

static Block *block_after(Block *block) {
  return block == last_block ? 0 : (Block *)((u8 *)block + block->size);
}
static Block *block_before(Block *block) {
  return block->before ? (Block *)((u8 *)block - block->before) : 0;
}

static void list_add(Block *block) {
  block->used = 0;
  block->previous_free = 0;
  block->next_free = free_list;
  if (free_list) free_list->previous_free = block;
  free_list = block;
}

static void list_remove(Block *block) {
  if (block->previous_free) block->previous_free->next_free = block->next_free;
  else free_list = block->next_free;
  if (block->next_free) block->next_free->previous_free = block->previous_free;
}

/** Makes `block` reach over its free successor. */
static void absorb_next(Block *block) {
  Block *next = block_after(block);
  if (!next || next->used) return;
  list_remove(next);
  block->size += next->size;
  if (next == last_block) last_block = block;
  else block_after(block)->before = block->size;
}

/** Cuts `block` to `size` and frees the rest, if the rest is a block of its own. */
static void split(Block *block, u32 size) {
  if (block->size - size < 2 * HEADER) return;
  Block *rest = (Block *)((u8 *)block + size);
  rest->size = block->size - size;
  rest->before = size;
  if (block == last_block) last_block = rest;
  else block_after(block)->before = rest->size;
  block->size = size;
  list_add(rest);
  absorb_next(rest);
}

/** Extends memory so that its last block is free and holds `size` bytes. 0 if it cannot grow that far. */
static Block *grow(u32 size) {
  if (!heap_end) heap_end = round_up((u32)(uintptr_t)&__heap_base, HEADER);
  u32 spare = last_block && !last_block->used ? last_block->size : 0;
  u32 capacity = (u32)__builtin_wasm_memory_size(0) * PAGE;
  u64 wanted = (u64)heap_end + size - spare;
  if (wanted > LARGEST) return 0;
  if (wanted > capacity) {
    u32 pages = ((u32)wanted - capacity + PAGE - 1) / PAGE;
    if (__builtin_wasm_memory_grow(0, pages) == ~0ul) return 0;
    capacity += pages * PAGE;
  }
  Block *fresh = (Block *)(uintptr_t)heap_end;
  fresh->size = capacity - heap_end;
  fresh->before = last_block ? last_block->size : 0;
  heap_end = capacity;
  Block *front = last_block;
  last_block = fresh;
  list_add(fresh);
  if (!spare) return fresh;
  absorb_next(front);
  return front;
}

EXPORT(mem_alloc) void *mem_alloc(u32 size) {
  if (size > LARGEST - 2 * HEADER) return 0;
  u32 total = round_up(size, HEADER) + HEADER;
  Block *best = 0;
  for (Block *block = free_list; block; block = block->next_free)
    if (block->size >= total && (!best || block->size < best->size)) best = block;
  if (!best) best = grow(total);
  if (!best) return 0;
  list_remove(best);
  best->used = 1;
  split(best, total);
  bytes_used += best->size;
  return (u8 *)best + HEADER;
}

EXPORT(mem_free) void mem_free(void *pointer) {
  if (!pointer) return;
  Block *block = (Block *)((u8 *)pointer - HEADER);
  bytes_used -= block->size;
  Block *front = block_before(block);
  if (front && !front->used) {
    block->used = 0;
    list_add(block);  // absorb_next takes free blocks off the list
    absorb_next(front);
    absorb_next(front);
    return;
  }
  list_add(block);
  absorb_next(block);
}

EXPORT(mem_trim) void mem_trim(void *pointer, u32 size) {
  Block *block = (Block *)((u8 *)pointer - HEADER);
  u32 total = round_up(size, HEADER) + HEADER;
  if (total >= block->size) return;
  bytes_used -= block->size;
  split(block, total);
  bytes_used += block->size;
}

/** Bytes in live allocations, headers included: what a leak test watches. */
EXPORT(mem_used) u32 mem_used(void) { return bytes_used; }

void *arena_alloc(Arena *arena, u32 count, u32 item_size) {
  u64 size = (u64)count * item_size;
  if (arena->failed || size > LARGEST - HEADER) {
    arena->failed = 1;
    return 0;
  }
  void **block = mem_alloc((u32)size + HEADER);
  if (!block) {
    arena->failed = 1;
    return 0;
  }
  memset(block, 0, size + HEADER);
  *block = arena->last;
  arena->last = block;
  return (u8 *)block + HEADER;
}

void arena_free(Arena *arena) {
  while (arena->last) {
    void *before = *(void **)arena->last;
    mem_free(arena->last);
    arena->last = before;
  }
}

// Without -mbulk-memory the compiler turns block operations into calls; with it, these compile to one instruction.
void *memset(void *target, int value, unsigned long size) {
#ifdef __wasm_bulk_memory__
  return __builtin_memset(target, value, size);
#else
  u8 *byte = target;
  u64 word = (u8)value * 0x0101010101010101ull;
  for (; size >= 8; size -= 8, byte += 8) *(volatile u64 *)byte = word;
  while (size--) *(volatile u8 *)byte++ = (u8)value;
  return target;
#endif
}

void *memcpy(void *target, const void *source, unsigned long size) {
#ifdef __wasm_bulk_memory__
  return __builtin_memcpy(target, source, size);
#else
  u8 *to = target;
  const u8 *from = source;
  for (; size >= 8; size -= 8, to += 8, from += 8) *(volatile u64 *)to = *(const u64 *)from;
  while (size--) *(volatile u8 *)to++ = *from++;
  return target;
#endif
}
