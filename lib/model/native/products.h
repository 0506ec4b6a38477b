// Matrix products of few rows, part of kernels.cc: weights are read once, where they are. oneDNN computes all others.
#pragma once
#include "kernels.h"
#include "vectors.h"

namespace {

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
