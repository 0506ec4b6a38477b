// Matrix products, part of kernels.cc: of many rows, with the columns packed into panels of a tile's width, and of few
// rows, without packing.
#pragma once
#include "kernels.h"
#include "vectors.h"

namespace {

/** Size of a tile of a product; its sums stay in registers. */
constexpr int TILE_ROWS = LANES == 16 ? 12 : 6, TILE_COLUMNS = 2 * LANES;
/**
 * Number of products that are summed before a tile is stored, so that this part of a panel stays in the L1/L2 caches.
 */
constexpr int64_t DEPTH = 384;

/** Packs `count` columns into a panel (depth, TILE_COLUMNS), padded with zeros. */
INLINE void pack(Operand columns, int64_t count, int64_t depth, float* panel) {
  if (columns.neighbour == 1) pack<TILE_COLUMNS>(columns.data, columns.depth, depth, count, panel, depth);
  else packTransposed(columns.data, columns.neighbour, count, depth, panel, depth, TILE_COLUMNS);
}

/** Computes c (HEIGHT, TILE_COLUMNS) = rows · panel, or adds it to c. CONTIGUOUS: a row's values are contiguous. */
template <int HEIGHT, bool CONTIGUOUS> INLINE void tile(Operand rows, const float* panel, int64_t depth, float* c, int64_t stride, bool add) {
  for (int r = 0; r < HEIGHT; r++) { // prefetched, so that c is in the cache when the sums are complete
    __builtin_prefetch(c + r * stride, 1);
    __builtin_prefetch(c + r * stride + LANES, 1);
  }
  const int64_t neighbour = CONTIGUOUS ? rows.neighbour : 1, along = CONTIGUOUS ? 1 : rows.depth;
  Vector sums[HEIGHT][2] = {};
#pragma GCC unroll 2
  for (int64_t d = 0; d < depth; d++) {
    const Vector left = load<Vector>(panel + d * TILE_COLUMNS), right = load<Vector>(panel + d * TILE_COLUMNS + LANES);
#pragma GCC unroll 16
    for (int r = 0; r < HEIGHT; r++) {
      const float x = rows.data[d * along + r * neighbour];
      sums[r][0] += x * left;
      sums[r][1] += x * right;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < HEIGHT; r++) {
    float *left = c + r * stride, *right = left + LANES;
    store(left, add ? load<Vector>(left) + sums[r][0] : sums[r][0]);
    store(right, add ? load<Vector>(right) + sums[r][1] : sums[r][1]);
  }
}

/** Computes a tile of `height` rows, at most HEIGHT. */
template <int HEIGHT> void tileOf(int64_t height, Operand rows, const float* panel, int64_t depth, float* c, int64_t stride, bool add) {
  if (height == HEIGHT) return rows.depth == 1 ? tile<HEIGHT, true>(rows, panel, depth, c, stride, add) : tile<HEIGHT, false>(rows, panel, depth, c, stride, add);
  if constexpr (HEIGHT > 1) tileOf<HEIGHT - 1>(height, rows, panel, depth, c, stride, add);
}

/** The part of an operand from neighbour `first` and depth `depth` on. */
INLINE Operand at(Operand x, int64_t first, int64_t depth) { return {x.data + first * x.neighbour + depth * x.depth, x.neighbour, x.depth}; }

/** Row stride of the scratch memory; not a power of two, so that rows do not map to the same cache set, as a's may. */
constexpr int64_t SCRATCH_STRIDE = DEPTH + 16;
int64_t productScratch(int64_t rows) { return rows * SCRATCH_STRIDE; }

void product(Operand a, Operand b, float* c, float* scratch, int64_t stride, int64_t rows, int64_t columns, int64_t depth, bool add) {
  alignas(64) float panel[DEPTH * TILE_COLUMNS], edge[TILE_ROWS * TILE_COLUMNS];
  const int64_t parts = (depth + DEPTH - 1) / DEPTH;
  for (int64_t part = 0; part < parts; part++, add = true) {
    const int64_t first = part * depth / parts, deep = (part + 1) * depth / parts - first;
    Operand own = at(a, 0, first);
    if (scratch && a.depth == 1) {
      for (int64_t i = 0; i < rows; i++) __builtin_memcpy(scratch + i * SCRATCH_STRIDE, own.data + i * a.neighbour, deep * sizeof(float));
      own = {scratch, SCRATCH_STRIDE, 1};
    }
    for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
      const int64_t width = least(TILE_COLUMNS, columns - j);
      pack(at(b, j, first), width, deep, panel);
      for (int64_t i = 0; i < rows; i += TILE_ROWS) {
        const int64_t height = least(TILE_ROWS, rows - i);
        float* out = c + i * stride + j;
        if (width == TILE_COLUMNS) {
          tileOf<TILE_ROWS>(height, at(own, i, 0), panel, deep, out, stride, add);
          continue;
        }
        tileOf<TILE_ROWS>(height, at(own, i, 0), panel, deep, edge, TILE_COLUMNS, false);
        for (int64_t r = 0; r < height; r++) {
          for (int64_t k = 0; k < width; k++) out[r * stride + k] = (add ? out[r * stride + k] : 0.0f) + edge[r * TILE_COLUMNS + k];
        }
      }
    }
  }
}

/** Numbers of rows of x and of the weight whose dot products are summed at the same time, in registers. */
constexpr int HIGH = 4, WIDE = LANES / 4;

template <bool BFLOAT16> void linearOfFewRows(const float* x, const float* weight, float* y, int64_t rows, int64_t size, int64_t outputs, int64_t from, int64_t to) {
  const auto factor = [](Vector v) { return BFLOAT16 ? rounded(v) : v; };
  for (int64_t n = from; n < to; n += WIDE) {
    for (int64_t m = 0; m < rows; m += HIGH) {
      const float *a[HIGH], *b[WIDE];
      for (int i = 0; i < HIGH; i++) a[i] = x + (m + i < rows ? m + i : m) * size;
      for (int j = 0; j < WIDE; j++) b[j] = weight + (n + j < to ? n + j : n) * size;
      Vector sums[HIGH][WIDE] = {};
      lanes(0, size, [&](int64_t k, int64_t count) {
        if (m == 0) for (int j = 0; j < WIDE; j++) __builtin_prefetch(b[j] + WIDE * size + k); // the next columns
        Vector columns[WIDE];
        for (int j = 0; j < WIDE; j++) columns[j] = factor(take(b[j] + k, count));
        for (int i = 0; i < HIGH; i++) {
          const Vector row = factor(take(a[i] + k, count));
          for (int j = 0; j < WIDE; j++) sums[i][j] += row * columns[j];
        }
      });
      for (int i = 0; i < HIGH; i++) {
        for (int j = 0; j < WIDE; j++) if (m + i < rows && n + j < to) y[(m + i) * outputs + n + j] = total(sums[i][j]);
      }
    }
  }
}

} // namespace
