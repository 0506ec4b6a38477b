// Matrix products of few rows, part of kernels.cc: weights are read once, where they are. oneDNN computes all others.
#pragma once
#include "kernels.h"
#include "vectors.h"

namespace {

/** Numbers of rows of x and of the weight whose dot products are summed at the same time, in registers: LANES sums. */
constexpr int HIGH = 4, WIDE = LANES / HIGH;

template <bool BFLOAT16> void linearOfFewRows(const float* x, const float* weight, float* y, int64_t rows, int64_t size, int64_t outputs, int64_t from, int64_t to) {
  const auto factor = [](Vector v) { return BFLOAT16 ? rounded(v) : v; };
  const int64_t passes = (rows + HIGH - 1) / HIGH;
  for (int64_t n = from; n < to; n += WIDE) {
    for (int64_t m = 0; m < rows; m += HIGH) {
      const float *a[HIGH], *b[WIDE];
      for (int i = 0; i < HIGH; i++) a[i] = x + (m + i < rows ? m + i : m) * size;
      for (int j = 0; j < WIDE; j++) b[j] = weight + (n + j < to ? n + j : n) * size;
      // The weight's rows of two steps of n later are prefetched into the L2 cache; the passes over x's rows share them.
      const int64_t pass = m / HIGH, firstAhead = (pass * WIDE + passes - 1) / passes, endAhead = ((pass + 1) * WIDE + passes - 1) / passes;
      Vector sums[HIGH * WIDE] = {};
      lanes(0, size, [&](int64_t k, int64_t count) {
        for (int64_t j = firstAhead; j < endAhead; j++) __builtin_prefetch(b[j] + 2 * WIDE * size + k, 0, 2);
        Vector columns[WIDE];
        for (int j = 0; j < WIDE; j++) columns[j] = factor(take(b[j] + k, count));
        for (int i = 0; i < HIGH; i++) {
          const Vector row = factor(take(a[i] + k, count));
          for (int j = 0; j < WIDE; j++) sums[i * WIDE + j] += row * columns[j];
        }
      });
      float block[HIGH * WIDE];
      store(block, totals(sums));
      for (int i = 0; i < HIGH && m + i < rows; i++) {
        for (int j = 0; j < WIDE && n + j < to; j++) y[(m + i) * outputs + n + j] = block[i * WIDE + j];
      }
    }
  }
}

} // namespace
