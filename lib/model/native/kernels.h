// Fused float32 kernels for the CPU, independent of TensorFlow. Each processes a range from … to − 1 of independent
// units (rows, pairs of sequence and key-value head), so that results do not depend on how the ranges are distributed
// over threads.
#pragma once
#include <cstdint>

/**
 * Which keys a query sees: its own and those before it, at most `window`. Scores become softCap · tanh(score / softCap)
 * unless softCap is 0.
 */
struct Pattern { int64_t window; float softCap; };

struct Kernels {
  /** y = x · rsqrt(mean(x²) + ε) · weight; x, y (N, size), scale (N). */
  void (*rmsNorm)(const float* x, const float* weight, float epsilon, float* y, float* scale, int64_t size, int64_t from, int64_t to);
  /** dx (N, size), and the range's contribution to dWeight (size), which is overwritten; null: not wanted. */
  void (*rmsNormGradient)(const float* dy, const float* x, const float* weight, const float* scale, float* dx, float* dWeight, int64_t size, int64_t from, int64_t to);
  /**
   * Rotates the pairs (i, i + half) of each head in rows (N, heads · headSize) by cos, sin (N, half), and multiplies a
   * head's values from 2 · half on by `rest`; `sign` -1 applies the transpose.
   */
  void (*rotate)(const float* x, const float* cos, const float* sin, float sign, float rest, float* y, int64_t heads, int64_t headSize, int64_t half, int64_t from, int64_t to);
  /** y = gate · sigmoid(gate) · up, elementwise. */
  void (*swiglu)(const float* gate, const float* up, float* y, int64_t from, int64_t to);
  /** Gradients of swiglu, elementwise. */
  void (*swigluGradient)(const float* dy, const float* gate, const float* up, float* dGate, float* dUp, int64_t from, int64_t to);
  /** y = gelu(gate) · up, elementwise, with the tanh approximation of gelu. */
  void (*geglu)(const float* gate, const float* up, float* y, int64_t from, int64_t to);
  /** Gradients of geglu, elementwise. */
  void (*gegluGradient)(const float* dy, const float* gate, const float* up, float* dGate, float* dUp, int64_t from, int64_t to);
  /** y (rows, outputs) = x (rows, size) · weightᵀ (outputs, size), for a range of outputs. */
  void (*linearOfFewRows)(const float* x, const float* weight, float* y, int64_t rows, int64_t size, int64_t outputs, int64_t from, int64_t to);
  /** The same with factors rounded to bfloat16. */
  void (*linearOfFewRowsBfloat16)(const float* x, const float* weight, float* y, int64_t rows, int64_t size, int64_t outputs, int64_t from, int64_t to);
  /** y = x rounded to bfloat16, ties to even, elementwise. */
  void (*bfloat16)(const float* x, uint16_t* y, int64_t from, int64_t to);
  /** losses (m) and log Σ exp (m) of logits (m, size). */
  void (*crossEntropy)(const float* logits, const int32_t* labels, float* losses, float* logSums, int64_t size, int64_t from, int64_t to);
  /** logits := coefficient · (softmax − one-hot). */
  void (*crossEntropyGradient)(float* logits, const int32_t* labels, const float* logSums, const float* coefficients, int64_t size, int64_t from, int64_t to);
  /** AdamW in place, elementwise; `step` holds the settings in the order of adamW in kernels.cc. */
  void (*adamW)(float* weight, float* m, float* v, const float* gradient, const float* step, int64_t from, int64_t to);
  /** sum += part, elementwise. */
  void (*accumulate)(float* sum, const float* part, int64_t from, int64_t to);
  /** Σ x², in double precision. */
  double (*squaredSum)(const float* x, int64_t from, int64_t to);
  /** Number of floats of scratch memory for attention over `length` positions. */
  int64_t (*attentionScratch)(int64_t length, int64_t headSize);
  /**
   * Causal softmax attention of one sequence and key-value head: the last `queries` of `length` positions attend to
   * themselves and the positions before them that `pattern` shows. Rows are `queryStride` and `keyStride` floats apart; the `group` query
   * heads of a row are contiguous. logSums: (queries, group) with rows `logStride` apart, or null.
   */
  void (*attention)(const float* q, const float* k, const float* v, float* y, float* logSums, float* scratch,
    int64_t length, int64_t queries, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride, Pattern pattern);
  /**
   * Gradients of attention with `queries` = `length`, from its inputs and results; dk and dv are sums over the group.
   */
  void (*attentionGradient)(const float* dy, const float* q, const float* k, const float* v, const float* y, const float* logSums,
    float* dq, float* dk, float* dv, float* scratch,
    int64_t length, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride, Pattern pattern);
};

/** The kernels compiled for two levels of x86-64: v4 with AVX-512, v3 with AVX2. */
extern const Kernels kernelsV4, kernelsV3;
