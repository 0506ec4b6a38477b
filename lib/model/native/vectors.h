// Vectors with as many floats as a register of the instruction set (AVX-512: 16, AVX2: 8), and their operations.
#pragma once
#include <cstdint>

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
typedef uint16_t UpperHalves __attribute__((vector_size(2 * LANES)));
typedef float Half __attribute__((vector_size(32)));
typedef float Quarter __attribute__((vector_size(16)));
typedef float HalfOfVector __attribute__((vector_size(2 * LANES)));
typedef double Doubles __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))

template <typename V> INLINE V load(const float* at) {
  V value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

template <typename V> INLINE void store(float* at, V value) { __builtin_memcpy(at, &value, sizeof value); }

/** Adds the two halves of a vector. */
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

/** The bits of values rounded to bfloat16, ties to even, in the upper halves. NaN stays NaN. */
INLINE Integers roundedBits(Vector x) {
  Integers bits;
  __builtin_memcpy(&bits, &x, sizeof x);
  const Integers isNumber = (bits & 0x7fffffff) <= 0x7f800000;
  return (isNumber ? bits + 0x7fff + (bits >> 16 & 1) : bits | 0x400000) & ~0xffff;
}

/** Values rounded to bfloat16. */
INLINE Vector rounded(Vector x) {
  const Integers bits = roundedBits(x);
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

constexpr float LOWEST = -3.0e38f;

template <typename V> INLINE V larger(V a, V b) { return b > a ? b : a; }
/** The larger values of the two halves of a vector. */
template <typename Part, typename Whole> INLINE Part largerHalf(Whole x) {
  Part parts[2];
  __builtin_memcpy(parts, &x, sizeof x);
  return larger(parts[0], parts[1]);
}

INLINE float largest(Half x) {
  const Quarter q = largerHalf<Quarter>(x);
  return larger(larger(q[0], q[2]), larger(q[1], q[3]));
}
#ifdef __AVX512F__
INLINE float largest(Vector x) { return largest(largerHalf<Half>(x)); }
#endif

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

/** eˣ, 0 for x far below -87; NaN remains NaN. */
INLINE Vector exponential(Vector x) {
#ifdef __AVX512F__
  x = _mm512_max_ps(_mm512_set1_ps(-120.0f), x);
  const Vector whole = _mm512_roundscale_ps(x * 1.44269504f, 0);
  return _mm512_scalef_ps(smallExponential((x - whole * 0.693359375f) - whole * -2.12194440e-4f), whole);
#else
  const Vector low = Vector{} - 87.0f, high = Vector{} + 88.0f, given = x;
  x = x < low ? low : x;
  x = x > high ? high : x;
  const Vector shifted = x * 1.44269504f + 12582912.0f; // + 1.5 · 2²³: the nearest integer is in the last bits
  const Vector whole = shifted - 12582912.0f;
  const Vector p = smallExponential((x - whole * 0.693359375f) - whole * -2.12194440e-4f);
  const Vector y = (Vector)((Integers)p + ((Integers)shifted << 23));
  return given != given ? given : given < low ? Vector{} : y;
#endif
}

INLINE Vector sigmoid(Vector x) { return 1.0f / (1.0f + exponential(-x)); }

/** tanh x, to about 2 parts in 10⁷, also of small x: Cephes' polynomial. */
INLINE Vector hyperbolicTangent(Vector x) {
  const Vector size = x < 0.0f ? -x : x, square = x * x, e = exponential(-2.0f * size), far = (1.0f - e) / (1.0f + e);
  Vector p = Vector{} - 5.70498872745e-3f;
  p = p * square + 2.06390887954e-2f;
  p = p * square - 5.37397155531e-2f;
  p = p * square + 1.33314422036e-1f;
  p = p * square - 3.33332819422e-1f;
  return size < 0.625f ? p * square * x + x : x < 0.0f ? -far : far;
}

/** Parts of the tanh approximation of GELU, gelu(x) = x · share. */
struct Gelu { Vector share, slope; };

/**
 * share = ½(1 + tanh u) = sigmoid(z) with z = 2u = a·x + b·x³, and slope = d gelu / dx = share + x · share · (1 − share) ·
 * dz/dx; from e^(−|z|), so that nothing cancels.
 */
INLINE Gelu gelu(Vector x) {
  constexpr float A = 1.5957691216f, B = 0.071354816272f; // 2 · √(2/π), and that times 0.044715
  const Vector square = x * x, z = x * (A + B * square);
  const Vector e = exponential(z < 0.0f ? z : -z), positive = 1.0f / (1.0f + e), negative = e * positive;
  const Vector share = z < 0.0f ? negative : positive;
  return {share, share + x * (positive * negative) * (A + 3.0f * B * square)};
}

/** Loads `count` values from `at`; the other lanes are `rest`. */
INLINE Vector some(const float* at, int64_t count, float rest) {
  Vector x = Vector{} + rest;
#ifdef __AVX512F__
  return _mm512_mask_loadu_ps(x, (1 << count) - 1, at);
#else
  for (int64_t i = 0; i < count; i++) x[i] = at[i];
  return x;
#endif
}

INLINE void storeSome(float* at, Vector x, int64_t count) {
#ifdef __AVX512F__
  _mm512_mask_storeu_ps(at, (1 << count) - 1, x);
#else
  for (int64_t i = 0; i < count; i++) at[i] = x[i];
#endif
}

/** Calls f(offset, count) over a range in steps of LANES; count is LANES except in the last call. */
template <typename F> INLINE void lanes(int64_t from, int64_t to, F f) {
  int64_t i = from;
  for (; i + LANES <= to; i += LANES) f(i, LANES);
  if (i < to) f(i, to - i);
}

INLINE Vector take(const float* at, int64_t count, float rest = 0) { return count == LANES ? load<Vector>(at) : some(at, count, rest); }
INLINE void put(float* at, Vector x, int64_t count) { if (count == LANES) store(at, x); else storeSome(at, x, count); }

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/** Interleaves the first halves of a and b, or their last halves: a₀ b₀ a₁ b₁ … */
template <bool LAST> INLINE Vector interleaved(Vector a, Vector b) {
#ifdef __AVX512F__
  constexpr Integers order = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
#else
  constexpr Integers order = {0, 8, 1, 9, 2, 10, 3, 11};
#endif
  return __builtin_shuffle(a, b, LAST ? order + LANES / 2 : order);
}

/** Transposes LANES rows of LANES values: interleaves halves once for each bit of an index. */
INLINE void transpose(Vector (&rows)[LANES]) {
#pragma GCC unroll 4
  for (int step = 1; step < LANES; step *= 2) {
    Vector next[LANES];
#pragma GCC unroll 8
    for (int i = 0; i < LANES / 2; i++) {
      next[2 * i] = interleaved<false>(rows[i], rows[i + LANES / 2]);
      next[2 * i + 1] = interleaved<true>(rows[i], rows[i + LANES / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) rows[i] = next[i];
  }
}

/** The sums over the lanes of LANES vectors, which are overwritten: one vector, in their order. */
INLINE Vector totals(Vector (&x)[LANES]) {
#pragma GCC unroll 4
  for (int half = LANES / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < half; i++) x[i] = interleaved<false>(x[i], x[i + half]) + interleaved<true>(x[i], x[i + half]);
  }
  return x[0];
}

/** Copies `count` rows of `size` values, `stride` floats apart, to contiguous rows (rows, SIZE), padded with zeros. */
template <int SIZE> INLINE void pack(const float* from, int64_t stride, int64_t count, int64_t size, float* to, int64_t rows) {
  for (int64_t t = 0; t < count; t++) {
    if (size == SIZE) __builtin_memcpy(to + t * SIZE, from + t * stride, SIZE * sizeof(float));
    else for (int64_t d = 0; d < SIZE; d++) to[t * SIZE + d] = d < size ? from[t * stride + d] : 0.0f;
  }
  for (int64_t i = count * SIZE; i < rows * SIZE; i++) to[i] = 0.0f;
}

/**
 * Copies `count` rows of `size` values, `stride` floats apart, to their transpose (rows, width), padded with zeros;
 * width is a multiple of LANES.
 */
INLINE void packTransposed(const float* from, int64_t stride, int64_t count, int64_t size, float* to, int64_t rows, int64_t width) {
  for (int64_t d = 0; d < rows; d += LANES) {
    const int64_t part = least(LANES, size - d);
    for (int64_t t = 0; t < width; t += LANES) {
      Vector block[LANES];
#pragma GCC unroll 16
      for (int64_t i = 0; i < LANES; i++) block[i] = t + i < count && part > 0 ? take(from + (t + i) * stride + d, part) : Vector{};
      transpose(block);
#pragma GCC unroll 16
      for (int64_t i = 0; i < LANES; i++) if (d + i < rows) store(to + (d + i) * width + t, block[i]);
    }
  }
}

} // namespace
