/* Inner loops in plain C, for processors that have no file of their own. */
#include "micro_portable.h"

typedef int16_t left8;
enum { NARROW_BYTES = 2, NARROW_OFFSET = 0, TILE_ROWS = 4, TILE_PANELS = 2 };

PORTABLE_TILE(tile8, left8, int8_t, 4)
PORTABLE_TILE(tile16, int16_t, int16_t, 2)
PORTABLE_TILE(tile32, int32_t, int32_t, 1)
