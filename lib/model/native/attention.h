// Causal attention and its gradient, part of kernels.cc.
#pragma once
#include "kernels.h"
#include "vectors.h"

namespace {

/** Number of queries that are processed together. */
constexpr int ROWS = 8;

/** A head size as a compile-time constant, in PIECES vectors of type V; smaller heads are padded with zeros. */
template <int SIZE> struct Head {
  using V = Vector;
  static constexpr int PIECES = SIZE / LANES;
};
#ifdef __AVX512F__
template <> struct Head<8> {
  using V = Half;
  static constexpr int PIECES = 1;
};
#endif

INLINE int64_t roundUp(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

INLINE void unpack(const float* from, int64_t size, int64_t length, int64_t headSize, float* to, int64_t stride) {
  for (int64_t t = 0; t < length; t++) for (int64_t d = 0; d < headSize; d++) to[t * stride + d] = from[t * size + d];
}

/**
 * out (ROWS, width) = a (ROWS, SIZE) · bᵀ for the first `columns` columns, a multiple of LANES; bt is b transposed,
 * (SIZE, width).
 */
template <int SIZE> INLINE void products(const float* a, const float* bt, int64_t width, int64_t columns, float* out) {
  int64_t j = 0;
  for (; j + 2 * LANES <= columns; j += 2 * LANES) {
    for (int half = 0; half < ROWS; half += ROWS / 2) {
      Vector sum[ROWS / 2][2] = {};
#pragma GCC unroll 8
      for (int d = 0; d < SIZE; d++) {
        const Vector b0 = load<Vector>(bt + d * width + j), b1 = load<Vector>(bt + d * width + j + LANES);
        for (int r = 0; r < ROWS / 2; r++) {
          const float x = a[(half + r) * SIZE + d];
          sum[r][0] += x * b0;
          sum[r][1] += x * b1;
        }
      }
      for (int r = 0; r < ROWS / 2; r++) {
        store(out + (half + r) * width + j, sum[r][0]);
        store(out + (half + r) * width + j + LANES, sum[r][1]);
      }
    }
  }
  for (; j < columns; j += LANES) {
    Vector sum[ROWS] = {};
    for (int d = 0; d < SIZE; d++) {
      const Vector b = load<Vector>(bt + d * width + j);
      for (int r = 0; r < ROWS; r++) sum[r] += a[r * SIZE + d] * b;
    }
    for (int r = 0; r < ROWS; r++) store(out + r * width + j, sum[r]);
  }
}

/** out (ROWS, SIZE) = p (ROWS, width) · b (keys, SIZE). */
template <int SIZE> INLINE void weightedRows(const float* p, int64_t width, const float* b, int64_t keys, float* out) {
  using V = typename Head<SIZE>::V;
  constexpr int PIECES = Head<SIZE>::PIECES, WIDTH = SIZE / PIECES;
  constexpr int PART = PIECES > 4 ? (PIECES % 4 == 0 ? 4 : 3) : PIECES; // pieces and rows per block,
  constexpr int HEIGHT = PART == 1 ? ROWS : ROWS / 2;                    // whose sums stay in registers
  for (int top = 0; top < ROWS; top += HEIGHT) {
    for (int first = 0; first < PIECES; first += PART) {
      V sum[HEIGHT][PART] = {};
#pragma GCC unroll 2
      for (int64_t j = 0; j < keys; j++) {
#pragma GCC unroll 8
        for (int i = 0; i < PART; i++) {
          const V row = load<V>(b + j * SIZE + (first + i) * WIDTH);
#pragma GCC unroll 8
          for (int r = 0; r < HEIGHT; r++) sum[r][i] += p[(top + r) * width + j] * row;
        }
      }
#pragma GCC unroll 8
      for (int r = 0; r < HEIGHT; r++) {
#pragma GCC unroll 8
        for (int i = 0; i < PART; i++) store(out + (top + r) * SIZE + (first + i) * WIDTH, sum[r][i]);
      }
    }
  }
}

/** out (keys, SIZE) += pᵀ · a for p (ROWS, width), a (ROWS, SIZE). */
template <int SIZE> INLINE void addOuter(const float* p, int64_t width, const float* a, int64_t keys, float* out) {
  using V = typename Head<SIZE>::V;
  constexpr int PIECES = Head<SIZE>::PIECES, WIDTH = SIZE / PIECES;
  for (int i = 0; i < PIECES; i++) {
    V row[ROWS];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++) row[r] = load<V>(a + r * SIZE + i * WIDTH);
#pragma GCC unroll 2
    for (int64_t j = 0; j < keys; j++) {
      V sum = load<V>(out + j * SIZE + i * WIDTH);
#pragma GCC unroll 8
      for (int r = 0; r < ROWS; r++) sum += p[r * width + j] * row[r];
      store(out + j * SIZE + i * WIDTH, sum);
    }
  }
}

/** The first key that the queries from position `query` on see, rounded down to whole vectors. */
INLINE int64_t firstSeen(int64_t query, int64_t window) {
  const int64_t first = query - window + 1;
  return first > 0 ? first / LANES * LANES : 0;
}

/** row := softCap · tanh(row / softCap) over `columns` values. */
INLINE void cap(float* row, int64_t columns, float softCap) {
  const float inverse = 1.0f / softCap;
  lanes(0, columns, [&](int64_t j, int64_t count) { put(row + j, softCap * hyperbolicTangent(take(row + j, count) * inverse), count); });
}

struct Exponentials { float largest, sum; };

/** row := e^(row − max) over `columns` values, a multiple of LANES; returns the maximum and the sum for the softmax. */
INLINE Exponentials exponentials(float* row, int64_t columns) {
  Vector best = Vector{} + LOWEST;
  for (int64_t j = 0; j < columns; j += LANES) { const Vector s = load<Vector>(row + j); best = s > best ? s : best; }
  const float top = largest(best);
  Vector sum = {};
  for (int64_t j = 0; j < columns; j += LANES) {
    const Vector e = exponential(load<Vector>(row + j) - top);
    store(row + j, e);
    sum += e;
  }
  return {top, total(sum)};
}

/**
 * Attention of one query over all keys, which are read in place: packing them as below would cost more than it saves.
 */
template <int SIZE> INLINE void attentionOfOne(const float* q, const float* k, const float* v, float* y, float* scores, int64_t length, int64_t keyStride, float softCap) {
  using V = typename Head<SIZE>::V;
  constexpr int PIECES = Head<SIZE>::PIECES, WIDTH = SIZE / PIECES;
  constexpr int64_t AHEAD = 32; // positions ahead of which keys and values are prefetched into the L2 cache
  const int64_t width = roundUp(length, LANES);
  V query[PIECES];
  for (int i = 0; i < PIECES; i++) query[i] = load<V>(q + i * WIDTH);
  const auto prefetch = [&](const float* row) { for (int i = 0; i < PIECES; i++) __builtin_prefetch(row + i * WIDTH, 0, 2); };
  const auto product = [&](int64_t j) {
    prefetch(j + AHEAD < length ? k + (j + AHEAD) * keyStride : v + (j + AHEAD - length) * keyStride);
    V sum = query[0] * load<V>(k + j * keyStride);
    for (int i = 1; i < PIECES; i++) sum += query[i] * load<V>(k + j * keyStride + i * WIDTH);
    return sum;
  };
  if constexpr (WIDTH < LANES) {
    for (int64_t j = 0; j < length; j++) scores[j] = total(product(j));
  } else {
    for (int64_t j = 0; j < length; j += LANES) {
      Vector sums[LANES];
#pragma GCC unroll 16
      for (int i = 0; i < LANES; i++) sums[i] = product(least(j + i, length - 1));
      store(scores + j, totals(sums));
    }
  }
  if (softCap > 0) cap(scores, length, softCap);
  for (int64_t j = length; j < width; j++) scores[j] = LOWEST;
  const float share = 1.0f / exponentials(scores, width).sum;
  V mean[2][PIECES] = {}; // separate sums over even and odd keys, so that their additions do not depend on each other
  int64_t j = 0;
  for (; j + 2 <= length; j += 2) {
    prefetch(v + (j + AHEAD) * keyStride);
    prefetch(v + (j + AHEAD + 1) * keyStride);
    for (int i = 0; i < PIECES; i++) {
      mean[0][i] += scores[j] * load<V>(v + j * keyStride + i * WIDTH);
      mean[1][i] += scores[j + 1] * load<V>(v + (j + 1) * keyStride + i * WIDTH);
    }
  }
  for (int i = 0; i < PIECES; i++) {
    if (j < length) mean[0][i] += scores[j] * load<V>(v + j * keyStride + i * WIDTH);
    store(y + i * WIDTH, (mean[0][i] + mean[1][i]) * share);
  }
}

template <int SIZE> void attentionOf(const float* q, const float* k, const float* v, float* y, float* logSums, float* scratch,
  int64_t length, int64_t queries, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride, Pattern pattern) {
  const auto [window, softCap] = pattern;
  if (length - queries - window + 1 > 0) { // keys that no query sees
    const int64_t unseen = length - queries - window + 1;
    k += unseen * keyStride;
    v += unseen * keyStride;
    length -= unseen;
  }
  if (queries == 1 && !logSums && headSize == SIZE) {
    for (int64_t head = 0; head < group; head++) attentionOfOne<SIZE>(q + head * SIZE, k, v, y + head * SIZE, scratch, length, keyStride, softCap);
    return;
  }
  const int64_t width = roundUp(length, LANES), before = length - queries;
  float* keys = scratch;                 // (SIZE, width)
  float* values = keys + SIZE * width;   // (width, SIZE)
  float* scores = values + SIZE * width; // (ROWS, width)
  float* block = scores + ROWS * width;  // (ROWS, SIZE)
  float* out = block + ROWS * SIZE;
  packTransposed(k, keyStride, length, headSize, keys, SIZE, width);
  pack<SIZE>(v, keyStride, length, headSize, values, width);
  for (int64_t head = 0; head < group; head++) {
    for (int64_t start = 0; start < queries; start += ROWS) {
      const int64_t rows = least(ROWS, queries - start);
      const int64_t seen = before + start + rows, columns = roundUp(seen, LANES), first = firstSeen(before + start, window);
      pack<SIZE>(q + head * headSize + start * queryStride, queryStride, rows, headSize, block, ROWS);
      products<SIZE>(block, keys + first, width, columns - first, scores + first);
      float shares[ROWS];
      for (int64_t r = 0; r < ROWS; r++) {
        float* row = scores + r * width;
        const int64_t own = least(before + start + r + 1, seen); // this query attends to the keys before this one
        if (softCap > 0) cap(row + first, columns - first, softCap);
        for (int64_t j = first; j < own - window; j++) row[j] = LOWEST;
        for (int64_t j = own; j < columns; j++) row[j] = LOWEST;
        const auto [top, all] = exponentials(row + first, columns - first);
        shares[r] = 1.0f / all;
        if (logSums && r < rows) logSums[(start + r) * logStride + head] = top + logf(all);
      }
      weightedRows<SIZE>(scores + first, width, values + first * SIZE, seen - first, out);
      for (int64_t r = 0; r < ROWS; r++) for (int64_t d = 0; d < SIZE; d++) out[r * SIZE + d] *= shares[r];
      unpack(out, SIZE, rows, headSize, y + head * headSize + start * queryStride, queryStride);
    }
  }
}

/**
 * The softmax gradient P·(dP − Σ P·dP), from a row of scores and one of dP to P and the gradient of the scores, over
 * `columns` values; the sum over keys, `along`, equals Σ y·dy over the head.
 */
INLINE void softmaxGradient(float* row, float* dRow, int64_t columns, float shift, float along) {
  for (int64_t j = 0; j < columns; j += LANES) {
    const Vector p = exponential(load<Vector>(row + j) - shift);
    store(row + j, p);
    store(dRow + j, p * (load<Vector>(dRow + j) - along));
  }
}

/** As softmaxGradient, of capped scores; the gradient is that of the scores before, 1 − tanh² of that of the capped ones. */
INLINE void cappedSoftmaxGradient(float* row, float* dRow, int64_t columns, float shift, float along, float softCap) {
  const float inverse = 1.0f / softCap;
  for (int64_t j = 0; j < columns; j += LANES) {
    const Vector score = load<Vector>(row + j), p = exponential(score - shift), given = score * inverse;
    const Vector tanh = given < -1.0f ? Vector{} - 1.0f : given; // of hidden keys, whose score is LOWEST
    store(row + j, p);
    store(dRow + j, p * (load<Vector>(dRow + j) - along) * (1.0f - tanh * tanh));
  }
}

template <int SIZE> void attentionGradientOf(const float* dy, const float* q, const float* k, const float* v, const float* y, const float* logSums,
  float* dq, float* dk, float* dv, float* scratch,
  int64_t length, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride, Pattern pattern) {
  const auto [window, softCap] = pattern;
  const int64_t width = roundUp(length, LANES);
  float* keysTransposed = scratch;                      // (SIZE, width)
  float* valuesTransposed = keysTransposed + SIZE * width;
  float* keys = valuesTransposed + SIZE * width;        // (width, SIZE)
  float* dKeys = keys + SIZE * width;
  float* dValues = dKeys + SIZE * width;
  float* scores = dValues + SIZE * width;               // (ROWS, width)
  float* dScores = scores + ROWS * width;
  float* queries = dScores + ROWS * width;              // (ROWS, SIZE)
  float* dOut = queries + ROWS * SIZE;
  float* dQueries = dOut + ROWS * SIZE;
  packTransposed(k, keyStride, length, headSize, keysTransposed, SIZE, width);
  packTransposed(v, keyStride, length, headSize, valuesTransposed, SIZE, width);
  pack<SIZE>(k, keyStride, length, headSize, keys, width);
  for (int64_t i = 0; i < SIZE * width; i++) dKeys[i] = dValues[i] = 0;
  for (int64_t head = 0; head < group; head++) {
    for (int64_t start = 0; start < length; start += ROWS) {
      const int64_t rows = least(ROWS, length - start);
      const int64_t seen = start + rows, columns = roundUp(seen, LANES), first = firstSeen(start, window);
      const int64_t at = head * headSize + start * queryStride;
      pack<SIZE>(q + at, queryStride, rows, headSize, queries, ROWS);
      pack<SIZE>(dy + at, queryStride, rows, headSize, dOut, ROWS);
      products<SIZE>(queries, keysTransposed + first, width, columns - first, scores + first);
      products<SIZE>(dOut, valuesTransposed + first, width, columns - first, dScores + first);
      for (int64_t r = 0; r < ROWS; r++) {
        float *row = scores + r * width, *dRow = dScores + r * width;
        if (r >= rows) { // rows that pad the block
          for (int64_t j = first; j < columns; j++) row[j] = dRow[j] = 0;
          continue;
        }
        if (softCap > 0) cap(row + first, columns - first, softCap);
        for (int64_t j = first; j < start + r + 1 - window; j++) row[j] = LOWEST;
        for (int64_t j = start + r + 1; j < columns; j++) row[j] = LOWEST;
        float along = 0;
        for (int64_t d = 0; d < headSize; d++) along += y[at + r * queryStride + d] * dOut[r * SIZE + d];
        const float shift = logSums[(start + r) * logStride + head];
        if (softCap > 0) cappedSoftmaxGradient(row + first, dRow + first, columns - first, shift, along, softCap);
        else softmaxGradient(row + first, dRow + first, columns - first, shift, along);
      }
      addOuter<SIZE>(scores + first, width, dOut, seen - first, dValues + first * SIZE);
      addOuter<SIZE>(dScores + first, width, queries, seen - first, dKeys + first * SIZE);
      weightedRows<SIZE>(dScores + first, width, keys + first * SIZE, seen - first, dQueries);
      unpack(dQueries, SIZE, rows, headSize, dq + at, queryStride);
    }
  }
  unpack(dKeys, SIZE, length, headSize, dk, keyStride);
  unpack(dValues, SIZE, length, headSize, dv, keyStride);
}

int64_t padded(int64_t headSize) {
  constexpr int64_t sizes[] = {8, 16, 32, 48, 64, 96, 128, 256};
  for (int64_t size : sizes) if (headSize <= size) return size;
  return 0;
}

int64_t attentionScratch(int64_t length, int64_t headSize) {
  const int64_t size = padded(headSize), width = roundUp(length, LANES);
  return size * (5 * width + 3 * ROWS) + 2 * ROWS * width;
}

#define FOR_HEAD_SIZE(call) \
  switch (padded(headSize)) { \
    case 8: return call<8>; case 16: return call<16>; case 32: return call<32>; case 48: return call<48>; \
    case 64: return call<64>; case 96: return call<96>; case 128: return call<128>; default: return call<256>; \
  }

auto attentionFor(int64_t headSize) -> decltype(&attentionOf<8>) { FOR_HEAD_SIZE(attentionOf) }
auto attentionGradientFor(int64_t headSize) -> decltype(&attentionGradientOf<8>) { FOR_HEAD_SIZE(attentionGradientOf) }

void attention(const float* q, const float* k, const float* v, float* y, float* logSums, float* scratch,
  int64_t length, int64_t queries, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride, Pattern pattern) {
  attentionFor(headSize)(q, k, v, y, logSums, scratch, length, queries, headSize, group, queryStride, keyStride, logStride, pattern);
}

void attentionGradient(const float* dy, const float* q, const float* k, const float* v, const float* y, const float* logSums,
  float* dq, float* dk, float* dv, float* scratch,
  int64_t length, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride, Pattern pattern) {
  attentionGradientFor(headSize)(dy, q, k, v, y, logSums, dq, dk, dv, scratch, length, headSize, group, queryStride, keyStride, logStride, pattern);
}

} // namespace
