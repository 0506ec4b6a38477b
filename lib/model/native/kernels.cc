// The table of kernels. Compiled once for each level of x86-64, with KERNELS set to the table's name. It does not use
// the standard library: the linker could use an inline function that was compiled for one level in the code for
// another.
#include "kernels.h"

#include "attention.h"
#include "products.h"
#include "vectors.h"

namespace {

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
  if (dWeight) for (int64_t i = 0; i < size; i++) dWeight[i] = 0;
  for (int64_t n = from; n < to; n++) {
    const float *row = x + n * size, *d = dy + n * size;
    const float s = scale[n];
    Vector products = {};
    lanes(0, size, [&](int64_t i, int64_t count) {
      const Vector normal = take(row + i, count) * s, own = take(d + i, count);
      if (dWeight) put(dWeight + i, take(dWeight + i, count) + own * normal, count);
      products += own * take(weight + i, count) * normal;
    });
    const float along = total(products) / size;
    lanes(0, size, [&](int64_t i, int64_t count) {
      put(dx + n * size + i, (take(d + i, count) * take(weight + i, count) - take(row + i, count) * s * along) * s, count);
    });
  }
}

void rotate(const float* x, const float* cos, const float* sin, float sign, float rest, float* y, int64_t heads, int64_t headSize, int64_t half, int64_t from, int64_t to) {
  for (int64_t n = from; n < to; n++) {
    const float *c = cos + n * half, *s = sin + n * half;
    for (int64_t head = 0; head < heads; head++) {
      const float* in = x + (n * heads + head) * headSize;
      float* out = y + (n * heads + head) * headSize;
      for (int64_t i = 0; i < half; i++) {
        const float a = in[i], b = in[i + half], t = sign * s[i];
        out[i] = a * c[i] - b * t;
        out[i + half] = b * c[i] + a * t;
      }
      for (int64_t i = 2 * half; i < headSize; i++) out[i] = in[i] * rest;
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

void geglu(const float* gate, const float* up, float* y, int64_t from, int64_t to) {
  lanes(from, to, [&](int64_t i, int64_t count) {
    const Vector g = take(gate + i, count);
    put(y + i, g * gelu(g).share * take(up + i, count), count);
  });
}

void gegluGradient(const float* dy, const float* gate, const float* up, float* dGate, float* dUp, int64_t from, int64_t to) {
  lanes(from, to, [&](int64_t i, int64_t count) {
    const Vector g = take(gate + i, count), d = take(dy + i, count);
    const Gelu parts = gelu(g);
    put(dGate + i, d * take(up + i, count) * parts.slope, count);
    put(dUp + i, d * (g * parts.share), count);
  });
}

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

void bfloat16(const float* x, uint16_t* y, int64_t from, int64_t to) {
  lanes(from, to, [&](int64_t i, int64_t count) {
    const UpperHalves halves = __builtin_convertvector(roundedBits(take(x + i, count)) >> 16, UpperHalves);
    if (count == LANES) __builtin_memcpy(y + i, &halves, sizeof halves);
    else for (int64_t k = 0; k < count; k++) y[i + k] = halves[k];
  });
}

void accumulate(float* sum, const float* part, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; i++) sum[i] += part[i];
}

double squaredSum(const float* x, int64_t from, int64_t to) {
  Doubles sums[2] = {};
  lanes(from, to, [&](int64_t i, int64_t count) {
    const Vector v = take(x + i, count);
    HalfOfVector halves[2];
    __builtin_memcpy(halves, &v, sizeof v);
    for (int half = 0; half < 2; half++) {
      const Doubles wide = __builtin_convertvector(halves[half], Doubles);
      sums[half] += wide * wide;
    }
  });
  double all = 0;
  for (int i = 0; i < LANES / 2; i++) all += sums[0][i] + sums[1][i];
  return all;
}

} // namespace

const Kernels KERNELS = {
  rmsNorm, rmsNormGradient, rotate, swiglu, swigluGradient, geglu, gegluGradient, linearOfFewRows<false>, linearOfFewRows<true>, bfloat16, crossEntropy, crossEntropyGradient, adamW, accumulate, squaredSum,
  attentionScratch, attention, attentionGradient,
};
