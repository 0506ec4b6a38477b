// Fused float32 kernels for the CPU, without TensorFlow. Each works on a range of independent units (rows, pairs of sequence
// and key-value head, blocks of a product), so that results do not depend on how the ranges are shared among threads.
#pragma once
#include <cstdint>

/** One side of a matrix product: floats between neighbours (a's rows, b's columns), and along the depth that is summed; one of them is 1. */
struct Operand { const float* data; int64_t neighbour, depth; };

struct Kernels {
  /** y = x · rsqrt(mean(x²) + ε) · weight; x, y (N, size), scale (N). */
  void (*rmsNorm)(const float* x, const float* weight, float epsilon, float* y, float* scale, int64_t size, int64_t from, int64_t to);
  /** dx, and this range's part of dWeight (size), which starts from 0. */
  void (*rmsNormGradient)(const float* dy, const float* x, const float* weight, const float* scale, float* dx, float* dWeight, int64_t size, int64_t from, int64_t to);
  /** Rotates each head's pairs (i, i + half) of rows (N, heads · 2 · half) by cos, sin (N, half); `sign` -1 transposes. */
  void (*rotate)(const float* x, const float* cos, const float* sin, float sign, float* y, int64_t heads, int64_t half, int64_t from, int64_t to);
  /** y = gate · sigmoid(gate) · up, over values. */
  void (*swiglu)(const float* gate, const float* up, float* y, int64_t from, int64_t to);
  void (*swigluGradient)(const float* dy, const float* gate, const float* up, float* dGate, float* dUp, int64_t from, int64_t to);
  /** Rows and columns of a product whose sums are made together. */
  int64_t tileRows, tileColumns;
  /** Floats of scratch memory for a product of so many rows. */
  int64_t (*productScratch)(int64_t rows);
  /** c (rows, columns) = a · b, or added to it; rows of c lie `stride` apart. Scratch memory, or null: worth it where many columns share rows from afar. */
  void (*product)(Operand a, Operand b, float* c, float* scratch, int64_t stride, int64_t rows, int64_t columns, int64_t depth, bool add);
  /** y (rows, outputs) = x (rows, size) · weightᵀ (outputs, size), for a range of outputs. */
  void (*linearOfFewRows)(const float* x, const float* weight, float* y, int64_t rows, int64_t size, int64_t outputs, int64_t from, int64_t to);
  /** losses (m) and log Σ exp (m) of logits (m, size). */
  void (*crossEntropy)(const float* logits, const int32_t* labels, float* losses, float* logSums, int64_t size, int64_t from, int64_t to);
  /** logits := coefficient · (softmax − one-hot). */
  void (*crossEntropyGradient)(float* logits, const int32_t* labels, const float* logSums, const float* coefficients, int64_t size, int64_t from, int64_t to);
  /** AdamW in place, over values; `step` as in ops.cc. */
  void (*adamW)(float* weight, float* m, float* v, const float* gradient, const float* step, int64_t from, int64_t to);
  /** sum += part, over values. */
  void (*accumulate)(float* sum, const float* part, int64_t from, int64_t to);
  double (*squaredSum)(const float* x, int64_t from, int64_t to);
  /** Floats of scratch memory that attention needs for a sequence of `length`; 0 if the head size is not supported. */
  int64_t (*attentionScratch)(int64_t length, int64_t headSize);
  /**
   * Causal softmax attention of one sequence and key-value head: the last `queries` of `length` positions look at them all.
   * Rows are `queryStride` and `keyStride` floats apart; `group` query heads lie beside each other.
   * logSums: (queries, group) with rows `logStride` apart, or null.
   */
  void (*attention)(const float* q, const float* k, const float* v, float* y, float* logSums, float* scratch,
    int64_t length, int64_t queries, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride);
  void (*attentionGradient)(const float* dy, const float* q, const float* k, const float* v, const float* y, const float* logSums,
    float* dq, float* dk, float* dv, float* scratch,
    int64_t length, int64_t headSize, int64_t group, int64_t queryStride, int64_t keyStride, int64_t logStride);
};

/** The same source compiled for the two levels of x86-64 that are worth it: with AVX-512, and with AVX2. */
extern const Kernels kernelsV4, kernelsV3;
