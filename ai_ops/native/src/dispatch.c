/* What the library exports, compiled for the oldest processor: which variants it holds, which of
 * them this processor and operating system run, and where their kernels are. */
#include <string.h>

#include "abi.h"

#ifndef ENGRAM_SOURCE
#define ENGRAM_SOURCE "unknown"
#endif

extern const struct variant engram_variant_baseline;
#ifdef HAVE_AVX2
extern const struct variant engram_variant_avx2;
#endif
#ifdef HAVE_VNNI
extern const struct variant engram_variant_vnni;
#endif

static const struct variant *find(const char *name) {
    if (!strcmp(name, "baseline"))
        return &engram_variant_baseline;
#ifdef HAVE_AVX2
    if (!strcmp(name, "avx2"))
        return &engram_variant_avx2;
#endif
#ifdef HAVE_VNNI
    if (!strcmp(name, "vnni"))
        return &engram_variant_vnni;
#endif
    return NULL;
}

/* A digest of the sources this library was compiled from (ai_ops/native/build.py). */
EXPORT const char *engram_source(void) { return ENGRAM_SOURCE; }

/* 1 when the library holds the variant and this machine runs it. The compiler's builtin asks the
 * processor (CPUID) and the operating system (XGETBV: are the wide registers saved?). */
EXPORT int64_t engram_supports(const char *name) {
    if (!find(name))
        return 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!strcmp(name, "avx2"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
    if (!strcmp(name, "vnni"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#endif
    return 1;
}

/* The address of a kernel, NULL where there is none of that name. */
EXPORT kernel_fn *engram_kernel(const char *variant, const char *name) {
    const struct variant *found = find(variant);
    for (const struct kernel_entry *entry = found ? found->kernels : NULL; entry && entry->name;
         entry++)
        if (!strcmp(entry->name, name))
            return entry->function;
    return NULL;
}

EXPORT int64_t engram_narrow_bytes(const char *variant) {
    const struct variant *found = find(variant);
    return found ? found->narrow_bytes : 0;
}
