/* Runs kernels block by block, the threads of a block as fibers (see shim.h). */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include "kernels.h" /* the concatenated kernels: made by the build */

#define MOST_THREADS 1024
#define STACK_BYTES (64 * 1024)
#define MOST_TILES 512

__thread struct Index3 threadIdx, blockIdx, blockDim, gridDim;

enum { READY, AT_WARP, AT_BLOCK, DONE };
enum { BARE, SHUFFLE };

struct Tile {
  int *c;
  unsigned x[4], w[2];
};
struct Fiber {
#if defined(__x86_64__)
  void *stack_pointer;
#else
  ucontext_t context;
#endif
  int state;
  int kind;   /* of the warp operation it waits in */
  int parity; /* of its shuffles */
  int slots[2];
  int tiles;
  struct Tile *tile;
};

static __thread struct Fiber *fibers;
static __thread char *stacks;
static __thread struct Tile *tile_room;
static __thread int current;
static __thread void (*body)(const struct Arguments);
static __thread struct Arguments arguments;
static __thread char fault[160];

#if defined(__x86_64__)
static __thread void *home;
void shim_switch(void **from, void *to);
__asm__(
    ".text\n.type shim_switch,@function\nshim_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp,(%rdi)\nmovq %rsi,%rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");
#define LEAVE(fiber) shim_switch(&(fiber)->stack_pointer, home)
#define ENTER(fiber) shim_switch(&home, (fiber)->stack_pointer)
#else
static __thread ucontext_t home;
#define LEAVE(fiber) swapcontext(&(fiber)->context, &home)
#define ENTER(fiber) swapcontext(&home, &(fiber)->context)
#endif

static __attribute__((noinline)) void begin(void) {
  body(arguments);
  fibers[current].state = DONE;
  for (;;) LEAVE(&fibers[current]);
}

static void prepare(int at) {
  struct Fiber *fiber = &fibers[at];
  /* Stacks begin in different cache sets, or the fibers of a block push each other out. */
  char *top = stacks + (size_t)(at + 1) * STACK_BYTES - (size_t)(at % 128) * 320;
  fiber->state = READY;
  fiber->tiles = fiber->parity = 0;
#if defined(__x86_64__)
  void **words = (void **)top - 8; /* one below a multiple of 16, as after a call */
  memset(words, 0, 64);
  words[6] = (void *)begin;
  fiber->stack_pointer = words;
#else
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = stacks + (size_t)at * STACK_BYTES;
  fiber->context.uc_stack.ss_size = (size_t)(top - (stacks + (size_t)at * STACK_BYTES));
  fiber->context.uc_link = 0;
  makecontext(&fiber->context, begin, 0);
#endif
}

static void wait_in(int state, int kind) {
  struct Fiber *fiber = &fibers[current];
  fiber->state = state;
  fiber->kind = kind;
  LEAVE(fiber);
}

void shim_block_barrier(void) { wait_in(AT_BLOCK, BARE); }
void shim_warp_barrier(void) { wait_in(AT_WARP, BARE); }

int shim_shuffle_xor(int value, int mask) {
  struct Fiber *fiber = &fibers[current];
  const int side = fiber->parity ^= 1;
  fiber->slots[side] = value;
  wait_in(AT_WARP, SHUFFLE);
  return fibers[current ^ mask].slots[side];
}

/* End the launch with an error; does not return. */
void shim_fault(const char *what) {
  struct Fiber *fiber = &fibers[current];
  snprintf(fault, sizeof fault, "%s", what);
  fiber->state = DONE;
  for (;;) LEAVE(fiber);
}

void shim_multiply_tile(int *c, const unsigned *x, const unsigned *w) {
  struct Fiber *fiber = &fibers[current];
  if (fiber->tiles == MOST_TILES) {
    shim_fault("too many tile products without a barrier");
  }
  struct Tile *tile = &fiber->tile[fiber->tiles++];
  tile->c = c;
  memcpy(tile->x, x, 16);
  memcpy(tile->w, w, 8);
}

/* Fragments of m16n8k32: lane 4g + t holds x at rows g and g + 8, columns 4t and 4t + 16; w at
   column g, rows 4t and 4t + 16; c at rows g and g + 8, columns 2t and 2t + 1. */
static void do_tile(struct Fiber *warp, int at) {
  signed char x[16][32], w[8][32];
  for (int lane = 0; lane < 32; lane++) {
    const int g = lane / 4, t = lane % 4;
    const struct Tile *tile = &warp[lane].tile[at];
    for (int part = 0; part < 4; part++)
      memcpy(&x[g + 8 * (part & 1)][4 * t + 16 * (part >> 1)], &tile->x[part], 4);
    for (int part = 0; part < 2; part++) memcpy(&w[g][4 * t + 16 * part], &tile->w[part], 4);
  }
  for (int lane = 0; lane < 32; lane++) {
    const int g = lane / 4, t = lane % 4;
    int *c = warp[lane].tile[at].c;
    for (int part = 0; part < 4; part++) {
      const signed char *row = x[g + 8 * (part >> 1)], *column = w[2 * t + (part & 1)];
      int sum = 0;
      for (int k = 0; k < 32; k++) sum += row[k] * column[k];
      c[part] = (int)((unsigned)c[part] + (unsigned)sum);
    }
  }
}

static int do_tiles(struct Fiber *warp, int lanes) {
  for (int lane = 1; lane < lanes; lane++)
    if (warp[lane].tiles != warp[0].tiles) return 1;
  if (warp[0].tiles && lanes != 32) return 1;
  for (int at = 0; at < warp[0].tiles; at++) do_tile(warp, at);
  for (int lane = 0; lane < lanes; lane++) warp[lane].tiles = 0;
  return 0;
}

/* Run a warp until all its lanes stand at a barrier of the block or are done. */
static int run_warp(int first, int lanes) {
  struct Fiber *warp = fibers + first;
  for (;;) {
    for (int lane = 0; lane < lanes; lane++) {
      if (warp[lane].state != READY) continue;
      current = first + lane;
      threadIdx.x = (unsigned)current;
      ENTER(&warp[lane]);
      if (fault[0]) return 1;
    }
    int counts[4] = {0, 0, 0, 0}, kinds[2] = {0, 0};
    for (int lane = 0; lane < lanes; lane++) {
      counts[warp[lane].state]++;
      if (warp[lane].state == AT_WARP) kinds[warp[lane].kind]++;
    }
    if (do_tiles(warp, lanes)) {
      snprintf(fault, sizeof fault, "lanes of a warp made different tile products");
      return 1;
    }
    if (!counts[AT_WARP]) return 0;
    if (counts[AT_WARP] != lanes || (kinds[BARE] && kinds[SHUFFLE])) {
      snprintf(fault, sizeof fault, "lanes of a warp wait in different places");
      return 1;
    }
    for (int lane = 0; lane < lanes; lane++) warp[lane].state = READY;
  }
}

static int run_block(int threads) {
  for (int at = 0; at < threads; at++) prepare(at);
  for (;;) {
    int waiting = 0;
    for (int first = 0; first < threads; first += 32)
      if (run_warp(first, threads - first < 32 ? threads - first : 32)) return 1;
    for (int at = 0; at < threads; at++) waiting += fibers[at].state == AT_BLOCK;
    if (!waiting) return 0;
    if (waiting != threads) {
      snprintf(fault, sizeof fault, "%d of %d threads reached a barrier", waiting, threads);
      return 1;
    }
    for (int at = 0; at < threads; at++) fibers[at].state = READY;
  }
}

/* Run a kernel over a grid; returns 0, or a text that says what it did wrong. */
const char *shim_launch(void (*kernel)(const struct Arguments), const unsigned *grid,
                        unsigned threads, const struct Arguments *given) {
  if (!fibers) {
    const size_t room = (size_t)MOST_THREADS * STACK_BYTES;
    fibers = calloc(MOST_THREADS, sizeof *fibers);
    tile_room = calloc((size_t)MOST_THREADS * MOST_TILES, sizeof *tile_room);
    stacks = mmap(0, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!fibers || !tile_room || stacks == MAP_FAILED) return "no memory for fibers";
    for (int at = 0; at < MOST_THREADS; at++) fibers[at].tile = tile_room + at * MOST_TILES;
  }
  body = kernel;
  arguments = *given;
  fault[0] = 0;
  gridDim.x = grid[0], gridDim.y = grid[1], gridDim.z = grid[2];
  blockDim.x = threads, blockDim.y = blockDim.z = 1;
  for (blockIdx.z = 0; blockIdx.z < grid[2]; blockIdx.z++)
    for (blockIdx.y = 0; blockIdx.y < grid[1]; blockIdx.y++)
      for (blockIdx.x = 0; blockIdx.x < grid[0]; blockIdx.x++)
        if (run_block((int)threads)) return fault;
  return 0;
}

/* For the test of the shim itself: 33 of 64 threads reach the barrier. */
KERNEL(shim_bad_barrier, 64) {
  (void)a;
  if (threadIdx.x < 33) BARRIER();
}

unsigned long shim_arguments_bytes(void) { return sizeof(struct Arguments); }
