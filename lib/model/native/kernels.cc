// Compiled once for each level of x86-64 with KERNELS set to the table's name. No standard library: an inline function of
// it, compiled for one processor, could be linked into the code for another.
#include "kernels.h"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

extern "C" float sqrtf(float) noexcept;
extern "C" float logf(float) noexcept;

namespace {

#ifdef __AVX512F__
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif
typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));
typedef float Half __attribute__((vector_size(32)));
typedef float Quarter __attribute__((vector_size(16)));
typedef double Doubles __attribute__((vector_size(8 * LANES)));

#define INLINE static inline __attribute__((always_inline))

template <typename V> INLINE V load(const float* at) {
  V value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

template <typename V> INLINE void store(float* at, V value) { __builtin_memcpy(at, &value, sizeof value); }

/** The sum of a vector's two halves. */
template <typename Part, typename Whole> INLINE Part folded(Whole x) {
  Part parts[2];
  __builtin_memcpy(parts, &x, sizeof x);
  return parts[0] + parts[1];
}

INLINE float total(Half x) {
  const Quarter q = folded<Quarter>(x);
  return (q[0] + q[2]) + (q[1] + q[3]);
}
#ifdef __AVX512F__
INLINE float total(Vector x) { return total(folded<Half>(x)); }
#endif

INLINE float largest(Vector x) {
  float best = x[0];
  for (int i = 1; i < LANES; i++) best = x[i] > best ? x[i] : best;
  return best;
}

/** eʳ for |r| ≤ ½ log 2, to about 1 part in 10⁷: Cephes' polynomial. */
INLINE Vector smallExponential(Vector r) {
  Vector p = Vector{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + (r + 1.0f);
}

/** eˣ, 0 far below -87; NaN stays NaN. */
INLINE Vector exponential(Vector x) {
#ifdef __AVX512F__
  x = _mm512_max_ps(_mm512_set1_ps(-120.0f), x);
  const Vector whole = _mm512_roundscale_ps(x * 1.44269504f, 0);
  return _mm512_scalef_ps(smallExponential((x - whole * 0.693359375f) - whole * -2.12194440e-4f), whole);
#else
  const Vector low = Vector{} - 87.0f, high = Vector{} + 88.0f, given = x;
  x = x < low ? low : x;
  x = x > high ? high : x;
  const Vector shifted = x * 1.44269504f + 12582912.0f; // the nearest whole number, in the last bits
  const Vector whole = shifted - 12582912.0f;
  const Vector p = smallExponential((x - whole * 0.693359375f) - whole * -2.12194440e-4f);
  const Vector y = (Vector)((Integers)p + ((Integers)shifted << 23));
  return given != given ? given : given < low ? Vector{} : y;
#endif
}

INLINE Vector sigmoid(Vector x) { return 1.0f / (1.0f + exponential(-x)); }

/** The first `count` values at `at`, the others `rest`. */
INLINE Vector some(const float* at, int64_t count, float rest) {
  Vector x = Vector{} + rest;
  for (int64_t i = 0; i < count; i++) x[i] = at[i];
  return x;
}

INLINE void storeSome(float* at, Vector x, int64_t count) {
  for (int64_t i = 0; i < count; i++) at[i] = x[i];
}

/** f(offset, count) over a range in steps of LANES; count is LANES but for the last. */
template <typename F> INLINE void lanes(int64_t from, int64_t to, F f) {
  int64_t i = from;
  for (; i + LANES <= to; i += LANES) f(i, LANES);
  if (i < to) f(i, to - i);
}

INLINE Vector take(const float* at, int64_t count, float rest = 0) { return count == LANES ? load<Vector>(at) : some(at, count, rest); }
INLINE void put(float* at, Vector x, int64_t count) { if (count == LANES) store(at, x); else storeSome(at, x, count); }

void rmsNorm(const float* x, const float* weight, float epsilon, float* y, float* scale, int64_t size, int64_t from, int64_t to) {
  for (int64_t n = from; n < to; n++) {
    const float* row = x + n * size;
    Vector squares = {};
    lanes(0, size, [&](int64_t i, int64_t count) { const Vector v = take(row + i, count); squares += v * v; });
    const float s = scale[n] = 1.0f / sqrtf(total(squares) / size + epsilon);
    lanes(0, size, [&](int64_t i, int64_t count) { put(y + n * size + i, take(row + i, count) * s * take(weight + i, count), count); });
  }
}

void rmsNormGradient(const float* dy, const float* x, const float* weight, const float* scale, float* dx, float* dWeight, int64_t size, int64_t from, int64_t to) {
  for (int64_t i = 0; i < size; i++) dWeight[i] = 0;
  for (int64_t n = from; n < to; n++) {
    const float *row = x + n * size, *d = dy + n * size;
    const float s = scale[n];
    Vector products = {};
    lanes(0, size, [&](int64_t i, int64_t count) {
      const Vector normal = take(row + i, count) * s, own = take(d + i, count);
      put(dWeight + i, take(dWeight + i, count) + own * normal, count);
      products += own * take(weight + i, count) * normal;
    });
    const float along = total(products) / size;
    lanes(0, size, [&](int64_t i, int64_t count) {
      put(dx + n * size + i, (take(d + i, count) * take(weight + i, count) - take(row + i, count) * s * along) * s, count);
    });
  }
}

void rotate(const float* x, const float* cos, const float* sin, float sign, float* y, int64_t heads, int64_t half, int64_t from, int64_t to) {
  for (int64_t n = from; n < to; n++) {
    const float *c = cos + n * half, *s = sin + n * half;
    for (int64_t head = 0; head < heads; head++) {
      const float* in = x + (n * heads + head) * 2 * half;
      float* out = y + (n * heads + head) * 2 * half;
      for (int64_t i = 0; i < half; i++) {
        const float a = in[i], b = in[i + half], t = sign * s[i];
        out[i] = a * c[i] - b * t;
        out[i + half] = b * c[i] + a * t;
      }
    }
  }
}

void swiglu(const float* gate, const float* up, float* y, int64_t from, int64_t to) {
  lanes(from, to, [&](int64_t i, int64_t count) {
    const Vector g = take(gate + i, count);
    put(y + i, g * sigmoid(g) * take(up + i, count), count);
  });
}

void swigluGradient(const float* dy, const float* gate, const float* up, float* dGate, float* dUp, int64_t from, int64_t to) {
  lanes(from, to, [&](int64_t i, int64_t count) {
    const Vector g = take(gate + i, count), d = take(dy + i, count), s = sigmoid(g), silu = g * s;
    put(dGate + i, d * take(up + i, count) * (s + silu * (1.0f - s)), count);
    put(dUp + i, d * silu, count);
  });
}

/** Rows of x and of the weight whose products are summed at a time, in registers. */
constexpr int HIGH = 4, WIDE = LANES / 4;

void linearOfFewRows(const float* x, const float* weight, float* y, int64_t rows, int64_t size, int64_t outputs, int64_t from, int64_t to) {
  for (int64_t n = from; n < to; n += WIDE) {
    for (int64_t m = 0; m < rows; m += HIGH) {
      const float *a[HIGH], *b[WIDE];
      for (int i = 0; i < HIGH; i++) a[i] = x + (m + i < rows ? m + i : m) * size;
      for (int j = 0; j < WIDE; j++) b[j] = weight + (n + j < to ? n + j : n) * size;
      Vector sums[HIGH][WIDE] = {};
      lanes(0, size, [&](int64_t k, int64_t count) {
        Vector columns[WIDE];
        for (int j = 0; j < WIDE; j++) columns[j] = take(b[j] + k, count);
        for (int i = 0; i < HIGH; i++) {
          const Vector row = take(a[i] + k, count);
          for (int j = 0; j < WIDE; j++) sums[i][j] += row * columns[j];
        }
      });
      for (int i = 0; i < HIGH; i++) {
        for (int j = 0; j < WIDE; j++) if (m + i < rows && n + j < to) y[(m + i) * outputs + n + j] = total(sums[i][j]);
      }
    }
  }
}

constexpr float LOWEST = -3.0e38f;

void crossEntropy(const float* logits, const int32_t* labels, float* losses, float* logSums, int64_t size, int64_t from, int64_t to) {
  for (int64_t n = from; n < to; n++) {
    const float* row = logits + n * size;
    Vector best = Vector{} + LOWEST;
    lanes(0, size, [&](int64_t i, int64_t count) { const Vector v = take(row + i, count, LOWEST); best = v > best ? v : best; });
    const float top = largest(best);
    Vector sum = {};
    lanes(0, size, [&](int64_t i, int64_t count) { sum += exponential(take(row + i, count, LOWEST) - top); });
    logSums[n] = top + logf(total(sum));
    losses[n] = logSums[n] - row[labels[n]];
  }
}

void crossEntropyGradient(float* logits, const int32_t* labels, const float* logSums, const float* coefficients, int64_t size, int64_t from, int64_t to) {
  for (int64_t n = from; n < to; n++) {
    float* row = logits + n * size;
    const float c = coefficients[n], shift = logSums[n];
    lanes(0, size, [&](int64_t i, int64_t count) { put(row + i, exponential(take(row + i, count) - shift) * c, count); });
    row[labels[n]] -= c;
  }
}

void adamW(float* weight, float* m, float* v, const float* gradient, const float* step, int64_t from, int64_t to) {
  const float scale = step[0], beta1 = step[1], beta2 = step[2], rate = step[3], correction = step[4], epsilon = step[5], keep = step[6];
  const float rest1 = step[7], rest2 = step[8];
  for (int64_t i = from; i < to; i++) {
    const float g = gradient[i] * scale;
    m[i] = beta1 * m[i] + rest1 * g;
    v[i] = beta2 * v[i] + rest2 * g * g;
    weight[i] = keep * weight[i] - rate * m[i] / (__builtin_sqrtf(v[i]) / correction + epsilon);
  }
}

void accumulate(float* sum, const float* part, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; i++) sum[i] += part[i];
}

double squaredSum(const float* x, int64_t from, int64_t to) {
  Doubles sum = {};
  lanes(from, to, [&](int64_t i, int64_t count) {
    const Doubles v = __builtin_convertvector(take(x + i, count), Doubles);
    sum += v * v;
  });
  double all = 0;
  for (int i = 0; i < LANES; i++) all += sum[i];
  return all;
}

// ---------------------------------------------------------------- attention

/** Queries that go through together. */
constexpr int ROWS = 8;

/** A head size known to the compiler, in pieces of type V; smaller heads are padded with zeros. */
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

/** Rows of a strided matrix, padded to SIZE columns and, with zeros, to `rows` rows. */
template <int SIZE> INLINE void pack(const float* from, int64_t stride, int64_t length, int64_t headSize, float* to, int64_t rows) {
  for (int64_t t = 0; t < rows; t++) {
    for (int64_t d = 0; d < SIZE; d++) to[t * SIZE + d] = t < length && d < headSize ? from[t * stride + d] : 0.0f;
  }
}

/** Its transpose: SIZE rows of `width` columns. */
template <int SIZE> INLINE void packTransposed(const float* from, int64_t stride, int64_t length, int64_t headSize, float* to, int64_t width) {
  for (int64_t d = 0; d < SIZE; d++) {
    for (int64_t t = 0; t < width; t++) to[d * width + t] = t < length && d < headSize ? from[t * stride + d] : 0.0f;
  }
}

INLINE void unpack(const float* from, int64_t size, int64_t length, int64_t headSize, float* to, int64_t stride) {
  for (int64_t t = 0; t < length; t++) for (int64_t d = 0; d < headSize; d++) to[t * stride + d] = from[t * size + d];
}

/** out (ROWS, width) = a (ROWS, SIZE) · bᵀ for the first `columns` (a multiple of LANES) columns; b transposed (SIZE, width). */
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
  constexpr int PART = PIECES > 4 ? (PIECES % 4 == 0 ? 4 : 3) : PIECES; // pieces at a time,
  constexpr int HEIGHT = PART == 1 ? ROWS : ROWS / 2;                    // and rows: their sums stay in registers
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

struct Exponentials { float largest, sum; };

/** row := e^(row − its largest value) over `columns`, a multiple of LANES, and what the softmax needs beside it. */
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

/** Attention of one query, which looks at all keys where they lie: to prepare them as below would cost more than it saves. */
template <int SIZE> INLINE void attentionOfOne(const float* q, const float* k, const float* v, float* y, float* scores, int64_t length, int64_t keyStride) {
  using V = typename Head<SIZE>::V;
  constexpr int PIECES = Head<SIZE>::PIECES, WIDTH = SIZE / PIECES;
  const int64_t width = roundUp(length, LANES);
  V query[PIECES];
  for (int i = 0; i < PIECES; i++) query[i] = load<V>(q + i * WIDTH);
  for (int64_t j = 0; j < length; j++) {
    V sum = query[0] * load<V>(k + j * keyStride);
    for (int i = 1; i < PIECES; i++) sum += query[i] * load<V>(k + j * keyStride + i * WIDTH);
    scores[j] = total(sum);
  }
  for (int64_t j = length; j < width; j++) scores[j] = LOWEST;
  const float share = 1.0f / exponentials(scores, width).sum;
  V mean[2][PIECES] = {}; // of keys at even and odd places, so that one sum need not wait for the other
  int64_t j = 0;
  for (; j + 2 <= length; j += 2) {
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
  int64_t length, int64_t queries, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride) {
  if (queries == 1 && !logSums && headSize == SIZE) {
    for (int64_t head = 0; head < group; head++) attentionOfOne<SIZE>(q + head * SIZE, k, v, y + head * SIZE, scratch, length, keyStride);
    return;
  }
  const int64_t width = roundUp(length, LANES), before = length - queries;
  float* keys = scratch;                 // (SIZE, width)
  float* values = keys + SIZE * width;   // (width, SIZE)
  float* scores = values + SIZE * width; // (ROWS, width)
  float* block = scores + ROWS * width;  // (ROWS, SIZE)
  float* out = block + ROWS * SIZE;
  packTransposed<SIZE>(k, keyStride, length, headSize, keys, width);
  pack<SIZE>(v, keyStride, length, headSize, values, width);
  for (int64_t head = 0; head < group; head++) {
    for (int64_t start = 0; start < queries; start += ROWS) {
      const int64_t rows = queries - start < ROWS ? queries - start : ROWS;
      const int64_t seen = before + start + rows, columns = roundUp(seen, LANES);
      pack<SIZE>(q + head * headSize + start * queryStride, queryStride, rows, headSize, block, ROWS);
      products<SIZE>(block, keys, width, columns, scores);
      float shares[ROWS];
      for (int64_t r = 0; r < ROWS; r++) {
        float* row = scores + r * width;
        const int64_t own = before + start + r + 1 < seen ? before + start + r + 1 : seen; // keys this query may look at
        for (int64_t j = own; j < columns; j++) row[j] = LOWEST;
        const auto [top, all] = exponentials(row, columns);
        shares[r] = 1.0f / all;
        if (logSums && r < rows) logSums[(start + r) * logStride + head] = top + logf(all);
      }
      weightedRows<SIZE>(scores, width, values, seen, out);
      for (int64_t r = 0; r < ROWS; r++) for (int64_t d = 0; d < SIZE; d++) out[r * SIZE + d] *= shares[r];
      unpack(out, SIZE, rows, headSize, y + head * headSize + start * queryStride, queryStride);
    }
  }
}

template <int SIZE> void attentionGradientOf(const float* dy, const float* q, const float* k, const float* v, const float* y, const float* logSums,
  float* dq, float* dk, float* dv, float* scratch,
  int64_t length, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride) {
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
  packTransposed<SIZE>(k, keyStride, length, headSize, keysTransposed, width);
  packTransposed<SIZE>(v, keyStride, length, headSize, valuesTransposed, width);
  pack<SIZE>(k, keyStride, length, headSize, keys, width);
  for (int64_t i = 0; i < SIZE * width; i++) dKeys[i] = dValues[i] = 0;
  for (int64_t head = 0; head < group; head++) {
    for (int64_t start = 0; start < length; start += ROWS) {
      const int64_t rows = length - start < ROWS ? length - start : ROWS;
      const int64_t seen = start + rows, columns = roundUp(seen, LANES);
      const int64_t at = head * headSize + start * queryStride;
      pack<SIZE>(q + at, queryStride, rows, headSize, queries, ROWS);
      pack<SIZE>(dy + at, queryStride, rows, headSize, dOut, ROWS);
      products<SIZE>(queries, keysTransposed, width, columns, scores);
      products<SIZE>(dOut, valuesTransposed, width, columns, dScores);
      for (int64_t r = 0; r < ROWS; r++) {
        float *row = scores + r * width, *dRow = dScores + r * width;
        if (r >= rows) { // rows that only fill the block
          for (int64_t j = 0; j < columns; j++) row[j] = dRow[j] = 0;
          continue;
        }
        for (int64_t j = start + r + 1; j < columns; j++) row[j] = LOWEST;
        // The softmax gradient P·(dP − Σ P·dP): the sum over keys equals Σ y·dy over the head.
        float along = 0;
        for (int64_t d = 0; d < headSize; d++) along += y[at + r * queryStride + d] * dOut[r * SIZE + d];
        const float shift = logSums[(start + r) * logStride + head];
        for (int64_t j = 0; j < columns; j += LANES) {
          const Vector p = exponential(load<Vector>(row + j) - shift);
          store(row + j, p);
          store(dRow + j, p * (load<Vector>(dRow + j) - along));
        }
      }
      addOuter<SIZE>(scores, width, dOut, seen, dValues);
      addOuter<SIZE>(dScores, width, queries, seen, dKeys);
      weightedRows<SIZE>(dScores, width, keys, seen, dQueries);
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
  int64_t length, int64_t queries, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride) {
  attentionFor(headSize)(q, k, v, y, logSums, scratch, length, queries, headSize, group, queryStride, keyStride, logStride);
}

void attentionGradient(const float* dy, const float* q, const float* k, const float* v, const float* y, const float* logSums,
  float* dq, float* dk, float* dv, float* scratch,
  int64_t length, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride) {
  attentionGradientFor(headSize)(dy, q, k, v, y, logSums, dq, dk, dv, scratch, length, headSize, group, queryStride, keyStride, logStride);
}

} // namespace

const Kernels KERNELS = {
  rmsNorm, rmsNormGradient, rotate, swiglu, swigluGradient, linearOfFewRows, crossEntropy, crossEntropyGradient, adamW, accumulate, squaredSum,
  attentionScratch, attention, attentionGradient,
};
