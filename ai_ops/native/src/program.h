/* A whole graph in one call: every step from one memory, and its digest. */
#ifndef ENGRAM_PROGRAM_H
#define ENGRAM_PROGRAM_H

#include "blake3.h"
#include "kernels.h"

/* The most operands of a node (CONCAT), and bytes of a digest's header: 8, then at most 66 for
 * each result. */
enum { MAX_INPUTS = 1024, MAX_OUTPUTS = 8, MAX_HEADER = 8 + 66 * MAX_OUTPUTS, DIGEST = 32 };

static void hash_step(const struct program_step *s, void *const *out, int64_t n,
                      uint8_t *digest) {
    uint8_t header[MAX_HEADER];
    const void *pieces[1 + MAX_OUTPUTS] = {header};
    int64_t sizes[1 + MAX_OUTPUTS] = {s->header_bytes};
    memcpy(header, s->header, (size_t)s->header_bytes);
    for (int64_t i = 0; i < s->holes; i++)
        memcpy(header + s->places[i], &n, sizeof n);
    for (int64_t i = 0; i < s->outputs; i++) {
        pieces[1 + i] = out[i];
        sizes[1 + i] = s->sizes[2 * i] + s->sizes[2 * i + 1] * n;
    }
    blake3_digest(pieces, sizes, 1 + s->outputs, digest);
}

/* Run the steps first to stop - 1, until `cancelled` is set; returns the step that was not run any
 * more. `digests` has room for all steps. Any number of threads may run one program, each with an
 * arena and a scratch of its own. */
static int64_t run_program(const struct program *program, int64_t first, int64_t stop, int64_t n,
                           char *arena, void *scratch, const volatile int32_t *cancelled,
                           uint8_t *digests) {
    const struct program_step *steps = program->steps;
    const void *in[MAX_INPUTS];
    void *out[MAX_OUTPUTS];
    for (int64_t at = first; at < stop; at++) {
        const struct program_step *s = steps + at;
        const int64_t *operand = s->operands;
        if (cancelled && *cancelled)
            return at;
        for (int64_t i = 0; i < s->inputs; i++, operand += 2)
            in[i] = operand[0] ? arena + operand[1] : (const char *)operand[1];
        for (int64_t i = 0; i < s->outputs; i++, operand += 2)
            out[i] = operand[0] ? arena + operand[1] : (char *)operand[1];
        if (s->function)
            ((kernel_fn *)s->function)(s->constants, in, out, n, scratch);
        hash_step(s, out, n, digests + at * DIGEST);
    }
    return stop;
}

/* BLAKE3 alone, as a kernel: out 0 = BLAKE3(prefix || in 0). */
static void digest(const void *step, const void *const *in, void *const *out, int64_t n,
                   void *scratch) {
    const struct digest_step *s = step;
    const void *pieces[2] = {s->prefix, in[0]};
    const int64_t sizes[2] = {s->prefix_bytes, s->bytes_fixed + s->bytes_unit * n};
    (void)scratch;
    blake3_digest(pieces, sizes, 2, out[0]);
}

#endif
