// The fused kernels and oneDNN's matrix products as TensorFlow operations, and one that reads a GPU's memory statistics.
// Node loads this library next to the addon of tfjs-node, which registers the operations. Some write their result into an input's memory, as TensorFlow's InplaceAdd does; they use `inPlace`
// or `data`.
#include <node_api.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <tuple>
#include <vector>

#include "kernels.h"
#include "onednn.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

/** The kernels for this CPU; null without AVX2, or if PROMPTLOSS_OPERATIONS is "TensorFlow". */
const Kernels* supported() {
  const char* wanted = getenv("PROMPTLOSS_OPERATIONS");
  if (wanted && !strcmp(wanted, "TensorFlow")) return nullptr;
  if (!(wanted && !strcmp(wanted, "AVX2")) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd")) return &kernelsV4;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return &kernelsV3;
  return nullptr;
}
const Kernels* const kernels = supported();

/** Whether the factors of the products of linear layers are rounded to bfloat16. */
bool asksForBfloat16() {
  const char* wanted = getenv("PROMPTLOSS_PRECISION");
  return wanted && !strcmp(wanted, "bfloat16");
}
const bool isBfloat16 = asksForBfloat16();

template <void (*compute)(OpKernelContext*)>
class Operation : public OpKernel {
 public:
  explicit Operation(OpKernelConstruction* construction) : OpKernel(construction) {}
  void Compute(OpKernelContext* context) override { compute(context); }
};

#define OPERATION(name, compute) \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU), Operation<compute>)

/** n / unit, rounded up. */
int64_t quotient(int64_t n, int64_t unit) { return (n + unit - 1) / unit; }

/**
 * Work divided into phases of independent chunks; a phase starts when the previous one is complete. Each thread takes
 * the next chunk when it is free, so that no thread waits for another that has not started.
 */
class Phases {
 public:
  /** Adds a phase that calls f(from, to) over ranges of at most `size` units. */
  void add(int64_t units, int64_t size, std::function<void(int64_t, int64_t)> f) {
    const int64_t first = total;
    total += quotient(units, size);
    list.push_back({first, total, [=](int64_t chunk) { f(chunk * size, std::min(units, (chunk + 1) * size)); }});
  }

  /** Processes chunks until all have been taken. */
  void work() {
    size_t phase = 0;
    for (int64_t chunk = next++; chunk < total; chunk = next++) {
      while (chunk >= list[phase].end) phase++;
      while (done.load(std::memory_order_acquire) < list[phase].first) sched_yield();
      list[phase].f(chunk - list[phase].first);
      done.fetch_add(1, std::memory_order_release);
    }
  }

  /** Processes all chunks on this process's threads. */
  void run(OpKernelContext* context);

 private:
  struct Phase { int64_t first, end; std::function<void(int64_t)> f; };
  std::vector<Phase> list;
  int64_t total = 0;
  std::atomic<int64_t> next{0}, done{0};
};

/**
 * Worker threads beside the calling thread. They keep polling for a while after each operation: the next one usually
 * comes within microseconds, and waking a thread can take as long as a small operation.
 */
class Helpers {
 public:
  explicit Helpers(int count) {
    try {
      for (int i = 0; i < count; i++) std::thread([this] { help(); }).detach();
    } catch (const std::system_error&) {
      // The system refuses more threads: continue with those that exist.
    }
  }

  /** Returns when all phases are complete. If another thread uses the helpers, the caller works alone. */
  void run(Phases& phases) {
    const std::unique_lock<std::mutex> one(computing, std::try_to_lock);
    if (one) {
      job = &phases;
      if (asleep > 0) {
        const std::lock_guard<std::mutex> lock(sleep);
        awake.notify_all();
      }
    }
    phases.work();
    if (!one) return;
    job = nullptr;
    while (inside > 0) sched_yield();
  }

 private:
  static constexpr auto PATIENCE = std::chrono::microseconds(200);
  std::mutex computing, sleep;
  std::condition_variable awake;
  std::atomic<Phases*> job{nullptr};
  std::atomic<int> inside{0}, asleep{0};

  void help() {
    for (auto last = std::chrono::steady_clock::now();;) {
      if (job) {
        inside++; // run() waits for `inside` to be 0, so from here on the job stays valid
        if (Phases* work = job) work->work();
        inside--;
        last = std::chrono::steady_clock::now();
      } else if (std::chrono::steady_clock::now() - last > PATIENCE) {
        std::unique_lock<std::mutex> lock(sleep);
        asleep++;
        awake.wait(lock, [this] { return job.load() != nullptr; });
        asleep--;
        last = std::chrono::steady_clock::now();
      }
      sched_yield(); // lets another thread use this core
    }
  }
};

int threads(OpKernelContext* context) { return context->device()->tensorflow_cpu_worker_threads()->num_threads; }

void Phases::run(OpKernelContext* context) {
  static Helpers* const helpers = new Helpers(threads(context) - 1); // never deleted: its threads end with the process
  helpers->run(*this);
}

/** Calls f(from, to) over all units, on this process's threads; `cost` is the time of a unit in nanoseconds. */
template <typename F>
void parallel(OpKernelContext* context, int64_t units, int64_t cost, F f) {
  constexpr int64_t WORTH_SHARING = 10000;
  const int64_t size = std::max({int64_t{1}, WORTH_SHARING / std::max<int64_t>(1, cost), units / (4 * threads(context))});
  if (size >= units) return f(0, units);
  Phases phases;
  phases.add(units, size, f);
  phases.run(context);
}

const float* in(OpKernelContext* context, int index) { return context->input(index).flat<float>().data(); }

float* out(OpKernelContext* context, int index, const TensorShape& shape) {
  Tensor* tensor = nullptr;
  const auto status = context->allocate_output(index, shape, &tensor);
  if (!status.ok()) {
    context->CtxFailure(status);
    return nullptr;
  }
  return tensor->flat<float>().data();
}

/** An input's memory, for writing. */
float* inPlace(OpKernelContext* context, int index) { return const_cast<float*>(in(context, index)); }

void rmsNorm(OpKernelContext* c) {
  const TensorShape& shape = c->input(0).shape();
  const int64_t rows = shape.dim_size(0), size = shape.dim_size(1);
  float *y = out(c, 0, shape), *scale = out(c, 1, TensorShape({rows}));
  if (!c->status().ok()) return;
  const float *x = in(c, 0), *weight = in(c, 1), epsilon = *in(c, 2);
  parallel(c, rows, size / 2, [=](int64_t from, int64_t to) { kernels->rmsNorm(x, weight, epsilon, y, scale, size, from, to); });
}

/**
 * Number of rows whose contributions to a weight's gradient are summed first. The order of summation is thus the same
 * for any number of threads.
 */
constexpr int64_t BLOCK = 128;

void rmsNormGradient(OpKernelContext* c) {
  const TensorShape& shape = c->input(0).shape();
  const int64_t rows = shape.dim_size(0), size = shape.dim_size(1), blocks = quotient(rows, BLOCK);
  float *dx = out(c, 0, shape), *dWeight = out(c, 1, TensorShape({size}));
  if (!c->status().ok()) return;
  const float *dy = in(c, 0), *x = in(c, 1), *weight = in(c, 2), *scale = in(c, 3);
  std::vector<float> parts(blocks * size);
  float* part = parts.data();
  parallel(c, blocks, BLOCK * size, [=](int64_t from, int64_t to) {
    for (int64_t block = from; block < to; block++) {
      kernels->rmsNormGradient(dy, x, weight, scale, dx, part + block * size, size, block * BLOCK, std::min(rows, (block + 1) * BLOCK));
    }
  });
  std::fill(dWeight, dWeight + size, 0.0f);
  for (int64_t block = 0; block < blocks; block++) kernels->accumulate(dWeight, part + block * size, 0, size);
}

void rmsNormInputGradient(OpKernelContext* c) {
  const TensorShape& shape = c->input(0).shape();
  const int64_t rows = shape.dim_size(0), size = shape.dim_size(1);
  float* dx = out(c, 0, shape);
  if (!c->status().ok()) return;
  const float *dy = in(c, 0), *x = in(c, 1), *weight = in(c, 2), *scale = in(c, 3);
  parallel(c, rows, size, [=](int64_t from, int64_t to) { kernels->rmsNormGradient(dy, x, weight, scale, dx, nullptr, size, from, to); });
}

void rotate(OpKernelContext* c) {
  const TensorShape& shape = c->input(0).shape();
  const int64_t rows = shape.dim_size(0), size = shape.dim_size(1), half = c->input(1).dim_size(1);
  float* y = out(c, 0, shape);
  if (!c->status().ok()) return;
  const int64_t headSize = c->input(3).flat<int32_t>().data()[0];
  const float *x = in(c, 0), *cos = in(c, 1), *sin = in(c, 2), sign = in(c, 4)[0], rest = in(c, 4)[1];
  parallel(c, rows, size, [=](int64_t from, int64_t to) { kernels->rotate(x, cos, sin, sign, rest, y, size / headSize, headSize, half, from, to); });
}

void swiglu(OpKernelContext* c) {
  float* y = out(c, 0, c->input(0).shape());
  if (!c->status().ok()) return;
  const float *gate = in(c, 0), *up = in(c, 1);
  parallel(c, c->input(0).NumElements(), 1, [=](int64_t from, int64_t to) { kernels->swiglu(gate, up, y, from, to); });
}

void swigluGradient(OpKernelContext* c) {
  const TensorShape& shape = c->input(0).shape();
  float *dGate = out(c, 0, shape), *dUp = out(c, 1, shape);
  if (!c->status().ok()) return;
  const float *dy = in(c, 0), *gate = in(c, 1), *up = in(c, 2);
  parallel(c, shape.num_elements(), 2, [=](int64_t from, int64_t to) { kernels->swigluGradient(dy, gate, up, dGate, dUp, from, to); });
}

void geglu(OpKernelContext* c) {
  float* y = out(c, 0, c->input(0).shape());
  if (!c->status().ok()) return;
  const float *gate = in(c, 0), *up = in(c, 1);
  parallel(c, c->input(0).NumElements(), 1, [=](int64_t from, int64_t to) { kernels->geglu(gate, up, y, from, to); });
}

void gegluGradient(OpKernelContext* c) {
  const TensorShape& shape = c->input(0).shape();
  float *dGate = out(c, 0, shape), *dUp = out(c, 1, shape);
  if (!c->status().ok()) return;
  const float *dy = in(c, 0), *gate = in(c, 1), *up = in(c, 2);
  parallel(c, shape.num_elements(), 2, [=](int64_t from, int64_t to) { kernels->gegluGradient(dy, gate, up, dGate, dUp, from, to); });
}

/** Adds a bias to each row, in place. */
void addBias(OpKernelContext* c) {
  const int64_t rows = c->input(0).dim_size(0), size = c->input(0).dim_size(1);
  OP_REQUIRES(c, c->input(1).NumElements() == size, absl::InvalidArgumentError("a bias must have a value for each column"));
  float* x = inPlace(c, 0);
  const float* bias = in(c, 1);
  parallel(c, rows, size / 4, [=](int64_t from, int64_t to) {
    for (int64_t n = from; n < to; n++) kernels->accumulate(x + n * size, bias, 0, size);
  });
  c->set_output(0, c->input(0));
}

/** Sums rows: in float within blocks of rows, so that few values are added, and in double over the blocks. */
void sumRows(OpKernelContext* c) {
  const int64_t rows = c->input(0).dim_size(0), size = c->input(0).dim_size(1), blocks = quotient(rows, BLOCK);
  float* y = out(c, 0, TensorShape({size}));
  if (!c->status().ok()) return;
  const float* x = in(c, 0);
  std::vector<float> parts(blocks * size);
  float* part = parts.data();
  parallel(c, blocks, BLOCK * size / 4, [=](int64_t from, int64_t to) {
    for (int64_t block = from; block < to; block++) {
      for (int64_t n = block * BLOCK; n < std::min(rows, (block + 1) * BLOCK); n++) kernels->accumulate(part + block * size, x + n * size, 0, size);
    }
  });
  std::vector<double> sums(size);
  for (int64_t block = 0; block < blocks; block++) for (int64_t i = 0; i < size; i++) sums[i] += part[block * size + i];
  std::copy(sums.begin(), sums.end(), y);
}

/** Floats aligned to cache lines (64 bytes). */
using Memory = std::unique_ptr<float, void (*)(void*)>;
Memory memory(int64_t size) { return Memory(static_cast<float*>(aligned_alloc(64, (size * sizeof(float) + 63) / 64 * 64)), free); }

/** Maximum number of values of one tensor in a piece of work. */
constexpr int64_t VALUES = 1 << 14;

/** Memory of the calling thread for values of a type, kept for the next call with this ID. */
template <int ID, typename T> T* kept(int64_t size) {
  thread_local Memory own = memory(0);
  thread_local int64_t length = 0;
  if (size > length) {
    own.reset(); // before the next is allocated
    own = memory(quotient(size * sizeof(T), sizeof(float)));
    length = size;
  }
  return reinterpret_cast<T*>(own.get());
}

/**
 * The rows of a matrix, rounded to bfloat16 and divided into blocks of `width` columns, each in memory of its own without
 * gaps: oneDNN's fast products need that. Rows are added, with zeros, to make `padded` of them.
 */
struct Columns {
  uint16_t* data;
  int64_t rows, padded, columns, width;

  uint16_t* block(int64_t number) const { return data + number * width * padded; }

  void convert(Phases& phases, const float* from) const {
    phases.add(padded, columns, [this, from](int64_t first, int64_t last) {
      for (int64_t column = 0; column < columns; column += width) {
        const int64_t own = std::min(width, columns - column);
        uint16_t* to = block(column / width);
        for (int64_t row = first; row < std::min(rows, last); row++) kernels->bfloat16(from + row * columns + column, to + row * own, 0, own);
        if (last > rows) std::fill(to + std::max(first, rows) * own, to + last * own, 0);
      }
    });
  }
};

/** oneDNN, limited to AVX2 where the kernels are; not for bfloat16, whose products need AVX-512. */
onednn::Products& oneDnn() {
  static onednn::Products* const products = new onednn::Products(ONEDNN, kernels == &kernelsV3 && !isBfloat16 ? dnnl_cpu_isa_avx2 : dnnl_cpu_isa_default);
  return *products; // never deleted: threads use it until the process ends
}

/** Computes the blocks 0 … count - 1 of a product after the other phases. */
template <typename F>
void computeBlocks(OpKernelContext* c, Phases& phases, int64_t count, F compute) {
  std::mutex failing;
  std::string failure;
  phases.add(count, 1, [&](int64_t block, int64_t) {
    try {
      compute(block);
    } catch (const std::exception& error) {
      const std::lock_guard<std::mutex> lock(failing);
      failure = error.what();
    }
  });
  phases.run(c);
  OP_REQUIRES(c, failure.empty(), absl::InternalError(failure));
}

/** n rounded up to a multiple of `unit`. */
int64_t padded(int64_t n, int64_t unit) { return quotient(n, unit) * unit; }

/**
 * A product of bfloat16 values, computed in blocks of few sizes, because oneDNN compiles code for each: the first
 * dimension of a, which is that of the tokens and any number, is padded to a multiple of UNIT. Blocks do not depend on the
 * number of threads.
 */
void matMulBfloat16(OpKernelContext* c, const Tensor& a, const Tensor& b, const int32_t* transposed, float* y, int64_t rows, int64_t columns, int64_t depth, bool add) {
  constexpr int64_t UNIT = 64, HIGH = 256, LONGEST = 512, PARTS = 8, STEP = 16;
  const auto divided = [&](int64_t size, double parts) { return std::min({size, LONGEST, padded(quotient(size, std::max<int64_t>(1, std::lround(parts))), STEP)}); };
  const bool isTall = transposed[0]; // then rows are features, and the tokens are summed
  const bool isDeep = isTall && !transposed[1]; // then the rows of b are the tokens, too
  const int64_t tokens = padded(a.dim_size(0), UNIT), others = isDeep ? tokens : b.dim_size(0), length = isDeep ? tokens : depth;

  // About PARTS blocks, to keep threads busy; not more, because oneDNN packs a factor anew for each block that it is in.
  const int64_t height = isTall ? divided(rows, std::sqrt(static_cast<double>(PARTS) * rows / columns)) : HIGH, high = quotient(rows, height);
  const double beside = static_cast<double>(PARTS) / high;
  const int64_t width = beside < 1.5 ? columns : divided(columns, beside), wide = quotient(columns, width);

  // A block of columns of a transposed a, or of b, is a block of y; else the whole is one.
  const Columns left{kept<0, uint16_t>(tokens * a.dim_size(1)), a.dim_size(0), tokens, a.dim_size(1), isTall ? height : a.dim_size(1)};
  const Columns right{kept<1, uint16_t>(others * b.dim_size(1)), b.dim_size(0), others, b.dim_size(1), transposed[1] ? b.dim_size(1) : width};
  Phases phases;
  left.convert(phases, in(c, 0));
  right.convert(phases, in(c, 1));
  computeBlocks(c, phases, high * wide, [&](int64_t block) {
    const int64_t row = block / wide * height, column = block % wide * width;
    const int64_t own = std::min(height, rows - row), many = std::min(width, columns - column), computed = isTall ? own : padded(own, UNIT);
    const onednn::Bfloat16Matrix x = isTall ? onednn::Bfloat16Matrix{left.block(block / wide), 1, own} : onednn::Bfloat16Matrix{left.data + row * depth, depth, 1};
    const onednn::Bfloat16Matrix z = transposed[1] ? onednn::Bfloat16Matrix{right.data + column * depth, 1, depth} : onednn::Bfloat16Matrix{right.block(block % wide), many, 1};
    float* target = y + row * columns + column;
    if (computed == own && many == columns) return oneDnn().multiply(x, z, target, own, many, length, add);
    float* all = kept<2, float>(computed * many);
    oneDnn().multiply(x, z, all, computed, many, length, false);
    for (int64_t r = 0; r < own; r++) {
      const float* from = all + r * many;
      if (add) kernels->accumulate(target + r * columns, from, 0, many);
      else std::copy_n(from, many, target + r * columns);
    }
  });
}

/**
 * A product of float32 values. Its blocks do not depend on the number of threads: they are a power of two, half to one
 * times √(multiply-adds / BLOCK_WORK), arranged in rows and columns so that padding and packing cost the least.
 */
void matMulFloat32(OpKernelContext* c, const int32_t* transposed, float* y, int64_t rows, int64_t columns, int64_t depth, bool add) {
  constexpr int64_t BLOCK_WORK = 1 << 20, STEP = 16, PACKING = 40; // PACKING: cost of packing a value, in multiply-adds
  const int64_t work = rows * columns * depth;
  int64_t parts = 1, height = rows, width = columns, least = INT64_MAX;
  while (4 * parts * parts * BLOCK_WORK <= work) parts *= 2;
  for (int64_t high = 1; high <= parts; high *= 2) {
    const int64_t wide = parts / high, h = padded(quotient(rows, high), STEP), w = padded(quotient(columns, wide), STEP);
    const int64_t cost = parts * h * w + PACKING * (high * columns + wide * rows);
    if (cost >= least) continue;
    least = cost, height = h, width = w;
  }
  const int64_t wide = quotient(columns, width);
  const float *a = in(c, 0), *b = in(c, 1);
  Phases phases;
  computeBlocks(c, phases, quotient(rows, height) * wide, [&](int64_t block) {
    const int64_t row = block / wide * height, column = block % wide * width;
    const onednn::Float32Matrix left = transposed[0] ? onednn::Float32Matrix{a + row, rows, true} : onednn::Float32Matrix{a + row * depth, depth, false};
    const onednn::Float32Matrix right = transposed[1] ? onednn::Float32Matrix{b + column * depth, depth, true} : onednn::Float32Matrix{b + column, columns, false};
    oneDnn().multiply(left, right, y + row * columns + column, columns, std::min(height, rows - row), std::min(width, columns - column), depth, add);
  });
}

/** a · b, each possibly stored transposed; added to `sum` in place if that is not empty. */
void matMul(OpKernelContext* c) {
  const Tensor &a = c->input(0), &b = c->input(1), &sum = c->input(2);
  const int32_t* transposed = c->input(3).flat<int32_t>().data();
  const int64_t rows = a.dim_size(transposed[0] ? 1 : 0), depth = a.dim_size(transposed[0] ? 0 : 1), columns = b.dim_size(transposed[1] ? 0 : 1);
  const bool add = sum.NumElements() > 0;
  OP_REQUIRES(c, b.dim_size(transposed[1] ? 1 : 0) == depth && (!add || sum.shape() == TensorShape({rows, columns})),
    absl::InvalidArgumentError("the shapes of a matrix product do not fit"));
  if (add) c->set_output(0, sum);
  float* y = add ? inPlace(c, 2) : out(c, 0, TensorShape({rows, columns}));
  if (!c->status().ok()) return;
  if (depth == 0 && !add) std::fill_n(y, rows * columns, 0.0f);
  if (rows * columns * depth == 0) return;
  if (isBfloat16) return matMulBfloat16(c, a, b, transposed, y, rows, columns, depth, add);
  matMulFloat32(c, transposed, y, rows, columns, depth, add);
}

const auto fewRows = !kernels ? nullptr : isBfloat16 ? kernels->linearOfFewRowsBfloat16 : kernels->linearOfFewRows;

void linearOfFewRows(OpKernelContext* c) {
  const int64_t rows = c->input(0).dim_size(0), size = c->input(0).dim_size(1), outputs = c->input(1).dim_size(0);
  float* y = out(c, 0, TensorShape({rows, outputs}));
  if (!c->status().ok()) return;
  const float *x = in(c, 0), *weight = in(c, 1);
  parallel(c, outputs, rows * size / 16, [=](int64_t from, int64_t to) { fewRows(x, weight, y, rows, size, outputs, from, to); });
}

void crossEntropy(OpKernelContext* c) {
  const int64_t rows = c->input(0).dim_size(0), size = c->input(0).dim_size(1);
  float *losses = out(c, 0, TensorShape({rows})), *logSums = out(c, 1, TensorShape({rows}));
  if (!c->status().ok()) return;
  const float* logits = in(c, 0);
  const int32_t* labels = c->input(1).flat<int32_t>().data();
  parallel(c, rows, size, [=](int64_t from, int64_t to) { kernels->crossEntropy(logits, labels, losses, logSums, size, from, to); });
}

void crossEntropyGradient(OpKernelContext* c) {
  const int64_t rows = c->input(0).dim_size(0), size = c->input(0).dim_size(1);
  float* logits = inPlace(c, 0);
  const int32_t* labels = c->input(1).flat<int32_t>().data();
  const float *logSums = in(c, 2), *coefficients = in(c, 3);
  parallel(c, rows, size, [=](int64_t from, int64_t to) { kernels->crossEntropyGradient(logits, labels, logSums, coefficients, size, from, to); });
  c->set_output(0, c->input(0));
}

/** A pattern of attention; window and soft cap are 0 for none. */
Pattern patternOf(int32_t window, float softCap) { return {window > 0 ? window : INT64_MAX, softCap}; }

struct Attention {
  int64_t rows, queryStride, keyStride, headSize, heads, keyHeads, group;
  const int32_t* bounds;
  int64_t sequences, scratch, units, cost;
  Pattern pattern;

  /**
   * `q` is the index of the input with the queries, followed by the keys; the last inputs are the bounds, the soft cap,
   * and head size and window.
   */
  Attention(OpKernelContext* c, int q) {
    const int last = c->num_inputs() - 1;
    rows = c->input(q).dim_size(0);
    queryStride = c->input(q).dim_size(1);
    keyStride = c->input(q + 1).dim_size(1);
    headSize = c->input(last).flat<int32_t>().data()[0];
    heads = queryStride / headSize;
    keyHeads = keyStride / headSize;
    group = heads / keyHeads;
    pattern = patternOf(c->input(last).flat<int32_t>().data()[1], *in(c, last - 1));
    bounds = c->input(last - 2).flat<int32_t>().data();
    sequences = c->input(last - 2).NumElements() - 1;
    int64_t longest = 0, squares = 0;
    for (int64_t s = 0; s < sequences; s++) {
      const int64_t length = bounds[s + 1] - bounds[s];
      longest = std::max(longest, length);
      squares += length * std::min(length, pattern.window);
    }
    scratch = kernels->attentionScratch(longest, headSize);
    units = sequences * keyHeads;
    cost = units == 0 ? 1 : squares * group * keyHeads * (headSize + 16) / 16 / units;
  }

  /**
   * Calls f(sequence, key-value head, scratch memory) for each pair. The heads of a sequence are spread over the units,
   * so that ranges have similar cost.
   */
  template <typename F>
  void each(OpKernelContext* c, F f) const {
    parallel(c, units, cost, [&](int64_t from, int64_t to) {
      const Memory own = memory(scratch);
      for (int64_t unit = from; unit < to; unit++) f(unit % sequences, unit / sequences, own.get());
    });
  }
};

void attention(OpKernelContext* c) {
  const Attention a(c, 0);
  float *y = out(c, 0, c->input(0).shape()), *logSums = out(c, 1, TensorShape({a.rows, a.heads}));
  if (!c->status().ok()) return;
  const float *q = in(c, 0), *k = in(c, 1), *v = in(c, 2);
  a.each(c, [&](int64_t sequence, int64_t head, float* scratch) {
    const int64_t row = a.bounds[sequence], first = head * a.group;
    const int64_t atQuery = row * a.queryStride + first * a.headSize, atKey = row * a.keyStride + head * a.headSize;
    kernels->attention(q + atQuery, k + atKey, v + atKey, y + atQuery, logSums + row * a.heads + first, scratch,
      a.bounds[sequence + 1] - row, a.bounds[sequence + 1] - row, a.headSize, a.group, a.queryStride, a.keyStride, a.heads, a.pattern);
  });
}

/** Attention over a tree of sequences: each segment's last rows attend to those on the way from the root to them. */
void treeAttention(OpKernelContext* c) {
  struct Segment { int64_t rows, queries, parent, row, query, length; }; // row, query: the first ones; length: of the way
  const int64_t queryStride = c->input(0).dim_size(1), keyStride = c->input(1).dim_size(1), count = c->input(3).dim_size(0);
  const int32_t *given = c->input(3).flat<int32_t>().data(), *settings = c->input(5).flat<int32_t>().data();
  const int64_t headSize = settings[0], keyHeads = keyStride / headSize, group = queryStride / keyStride;
  const Pattern pattern = patternOf(settings[1], *in(c, 4));
  std::vector<Segment> segments;
  int64_t rows = 0, queries = 0, longest = 0, scores = 0;
  for (int64_t i = 0; i < count; i++) {
    const int64_t own = given[3 * i], asked = given[3 * i + 1], parent = given[3 * i + 2];
    OP_REQUIRES(c, own >= asked && asked >= 0 && parent >= -1 && parent < i, absl::InvalidArgumentError("a segment has more queries than rows, or continues a later one"));
    const int64_t length = own + (parent < 0 ? 0 : segments[parent].length);
    segments.push_back({own, asked, parent, rows, queries, length});
    rows += own;
    queries += asked;
    longest = std::max(longest, length);
    scores += asked * std::min(length, pattern.window);
  }
  OP_REQUIRES(c, rows == c->input(1).dim_size(0) && queries == c->input(0).dim_size(0), absl::InvalidArgumentError("the segments do not have all rows"));
  float* y = out(c, 0, c->input(0).shape());
  if (!c->status().ok() || queries == 0) return;
  const float *q = in(c, 0), *k = in(c, 1), *v = in(c, 2);
  const int64_t scratch = kernels->attentionScratch(longest, headSize), units = count * keyHeads;
  parallel(c, units, scores * group * keyHeads * (headSize + 16) / 16 / units, [&](int64_t from, int64_t to) {
    const Memory own = memory(scratch), ways = memory(2 * longest * headSize);
    for (int64_t unit = from; unit < to; unit++) {
      const Segment& segment = segments[unit % count];
      const int64_t head = unit / count * headSize, at = segment.query * queryStride + unit / count * group * headSize;
      if (segment.queries == 0) continue;
      const float *keys = k + segment.row * keyStride + head, *values = v + segment.row * keyStride + head;
      int64_t stride = keyStride;
      if (segment.parent >= 0) { // the way is scattered: it is copied, from its end
        float *allKeys = ways.get(), *allValues = allKeys + longest * headSize;
        for (int64_t i = unit % count; i >= 0; i = segments[i].parent) {
          const Segment& part = segments[i];
          for (int64_t t = 0; t < part.rows; t++) {
            const int64_t source = (part.row + t) * keyStride + head, target = (part.length - part.rows + t) * headSize;
            std::copy_n(k + source, headSize, allKeys + target);
            std::copy_n(v + source, headSize, allValues + target);
          }
        }
        keys = allKeys, values = allValues, stride = headSize;
      }
      kernels->attention(q + at, keys, values, y + at, nullptr, own.get(), segment.length, segment.queries, headSize, group, queryStride, stride, 0, pattern);
    }
  });
}

/**
 * Keys or values (batch, key-value heads, capacity, head size) with room for new positions: the memory of the input if
 * they fit, otherwise a new output, into which the input's positions are copied. The positions of a head are contiguous,
 * as attention reads them.
 */
struct Cache {
  float* data = nullptr;
  int64_t capacity = 0;

  Cache(OpKernelContext* c, int input, int output, int64_t filled, int64_t needed, int64_t wanted, int64_t batch, int64_t heads, int64_t size) {
    const Tensor& past = c->input(input);
    const int64_t room = past.dims() == 4 ? past.dim_size(2) : 0;
    if (room >= needed) {
      capacity = room;
      data = inPlace(c, input);
      c->set_output(output, past);
      return;
    }
    capacity = wanted;
    data = out(c, output, TensorShape({batch, heads, capacity, size}));
    if (!c->status().ok()) return;
    const float* old = in(c, input);
    float* all = data;
    parallel(c, batch * heads, filled * size / 4, [=](int64_t from, int64_t to) {
      for (int64_t b = from; b < to; b++) std::copy(old + b * room * size, old + (b * room + filled) * size, all + b * wanted * size);
    });
  }
};

/** Attention of sequences that continue cached positions, for each row and key-value head. */
struct CachedAttention {
  int64_t headSize, before, batch, queryStride, keyStride, queries, positions, all, keyHeads, group;
  Pattern pattern;
  int64_t seen, scratch; // seen: number of keys that the queries see together
  const int32_t* padding;
  Cache k, v;

  CachedAttention(OpKernelContext* c, int pastInput, int paddingInput, int64_t queryStride, int64_t keyStride, int64_t queryRows, int64_t keyRows, float softCap)
    : headSize(setting(c, 0)), before(setting(c, 1)), batch(c->input(paddingInput).NumElements()), queryStride(queryStride), keyStride(keyStride),
      queries(queryRows / batch), positions(keyRows / batch), all(before + positions), keyHeads(keyStride / headSize), group(queryStride / keyStride),
      pattern(patternOf(setting(c, 3), softCap)), seen(std::min(all - queries, pattern.window - 1) + queries),
      scratch(kernels->attentionScratch(seen, headSize)), padding(c->input(paddingInput).flat<int32_t>().data()),
      k(c, pastInput, 1, before, all, wanted(c), batch, keyHeads, headSize), v(c, pastInput + 1, 2, before, all, wanted(c), batch, keyHeads, headSize) {}

  /** Offset of position t of a row's key-value head in the cache. */
  int64_t at(int64_t row, int64_t head, int64_t t) const { return ((row * keyHeads + head) * k.capacity + t) * headSize; }

  /** Computes the queries of a row that share a key-value head; q and y contain all rows. */
  void attend(const float* q, float* y, int64_t row, int64_t head, float* memory) const {
    // `own` queries are tokens, the `skipped` ones before them padding.
    const int64_t length = all - padding[row], own = std::min(queries, length), skipped = queries - own;
    const int64_t atQuery = row * queries * queryStride + head * group * headSize, first = atQuery + skipped * queryStride;
    for (int64_t t = 0; t < skipped; t++) std::fill_n(y + atQuery + t * queryStride, group * headSize, 0.0f);
    kernels->attention(q + first, k.data + at(row, head, padding[row]), v.data + at(row, head, padding[row]), y + first, nullptr, memory,
      length, own, headSize, group, queryStride, headSize, 0, pattern);
  }

 private:
  static int32_t setting(OpKernelContext* c, int index) { return c->input(c->num_inputs() - 1).flat<int32_t>().data()[index]; }
  int64_t wanted(OpKernelContext* c) const { return std::max<int64_t>(all, setting(c, 2)); }
};

void cachedAttention(OpKernelContext* c) {
  const CachedAttention a(c, 3, 5, c->input(0).dim_size(1), c->input(1).dim_size(1), c->input(0).dim_size(0), c->input(1).dim_size(0), *in(c, 6));
  float* y = out(c, 0, c->input(0).shape());
  if (!c->status().ok()) return;
  const float *q = in(c, 0), *k = in(c, 1), *v = in(c, 2);
  parallel(c, a.batch * a.keyHeads, a.seen * (1 + a.queries * a.group) * (a.headSize + 16) / 16, [&](int64_t from, int64_t to) {
    const Memory scratch = memory(a.scratch);
    for (int64_t unit = from; unit < to; unit++) {
      const int64_t row = unit / a.keyHeads, head = unit % a.keyHeads;
      for (int64_t t = 0; t < a.positions; t++) {
        const int64_t source = (row * a.positions + t) * a.keyStride + head * a.headSize, target = a.at(row, head, a.before + t);
        std::copy_n(k + source, a.headSize, a.k.data + target);
        std::copy_n(v + source, a.headSize, a.v.data + target);
      }
      a.attend(q, y, row, head, scratch.get());
    }
  });
}

/** A whole decoder layer for one token of each row. */
void decodeLayer(OpKernelContext* c) {
  enum { X, INPUT_NORM, Q, K, V, O, ATTENTION_NORM, GATE, UP, DOWN, PAST, QUERY_COS = PAST + 2, QUERY_SIN, KEY_COS, KEY_SIN, PADDING, EPSILON };
  const int64_t rows = c->input(X).dim_size(0), size = c->input(X).dim_size(1), inner = c->input(GATE).dim_size(0);
  const CachedAttention a(c, PAST, PADDING, c->input(Q).dim_size(0), c->input(K).dim_size(0), rows, rows, 0);
  float* y = out(c, 0, c->input(X).shape());
  if (!c->status().ok()) return;
  const float *x = in(c, X), epsilon = *in(c, EPSILON);
  const Memory own = memory(rows * (2 * size + 2 * a.queryStride + 2 * a.keyStride + 2 * inner + 1));
  float *normed = own.get(), *middle = normed + rows * size, *q = middle + rows * size, *attended = q + rows * a.queryStride;
  float *k = attended + rows * a.queryStride, *v = k + rows * a.keyStride, *gate = v + rows * a.keyStride, *up = gate + rows * inner, *scale = up + rows * inner;
  const auto linear = [&](const float* input, int weight, float* output, int64_t from, int64_t to) {
    const Tensor& w = c->input(weight);
    fewRows(input, in(c, weight), output, rows, w.dim_size(1), w.dim_size(0), from, to);
  };
  const auto share = [&](int64_t outputs) { return padded(quotient(outputs, 3 * threads(c)), 16); }; // three chunks a thread, in multiples of a cache line
  Phases phases;
  phases.add(1, 1, [&](int64_t, int64_t) { kernels->rmsNorm(x, in(c, INPUT_NORM), epsilon, normed, scale, size, 0, rows); });
  phases.add(a.queryStride + 2 * a.keyStride, share(a.queryStride + 2 * a.keyStride), [&](int64_t from, int64_t to) {
    int64_t start = 0;
    for (const auto& [weight, output, outputs] : {std::make_tuple(Q, q, a.queryStride), std::make_tuple(K, k, a.keyStride), std::make_tuple(V, v, a.keyStride)}) {
      const int64_t first = std::max(from - start, int64_t{0}), last = std::min(to - start, outputs);
      if (first < last) linear(normed, weight, output, first, last);
      start += outputs;
    }
  });
  phases.add(rows * a.keyHeads, 1, [&](int64_t unit, int64_t) {
    const int64_t row = unit / a.keyHeads, head = unit % a.keyHeads, half = a.headSize / 2, target = a.at(row, head, a.before);
    float* queries = q + row * a.queryStride + head * a.group * a.headSize;
    const int64_t source = row * a.keyStride + head * a.headSize;
    kernels->rotate(queries, in(c, QUERY_COS) + row * half, in(c, QUERY_SIN) + row * half, 1, 1, queries, a.group, a.headSize, half, 0, 1);
    kernels->rotate(k + source, in(c, KEY_COS) + row * half, in(c, KEY_SIN) + row * half, 1, 1, a.k.data + target, 1, a.headSize, half, 0, 1);
    std::copy_n(v + source, a.headSize, a.v.data + target);
    a.attend(q, attended, row, head, kept<3, float>(a.scratch));
  });
  phases.add(size, share(size), [&](int64_t from, int64_t to) {
    linear(attended, O, middle, from, to);
    for (int64_t row = 0; row < rows; row++) kernels->accumulate(middle + row * size, x + row * size, from, to);
  });
  phases.add(1, 1, [&](int64_t, int64_t) { kernels->rmsNorm(middle, in(c, ATTENTION_NORM), epsilon, normed, scale, size, 0, rows); });
  phases.add(inner, share(inner), [&](int64_t from, int64_t to) {
    linear(normed, GATE, gate, from, to);
    linear(normed, UP, up, from, to);
    for (int64_t row = 0; row < rows; row++) kernels->swiglu(gate, up, gate, row * inner + from, row * inner + to);
  });
  phases.add(size, share(size), [&](int64_t from, int64_t to) {
    linear(gate, DOWN, y, from, to);
    for (int64_t row = 0; row < rows; row++) kernels->accumulate(y + row * size, middle + row * size, from, to);
  });
  phases.run(c);
}

void attentionGradient(OpKernelContext* c) {
  const Attention a(c, 1);
  float *dq = out(c, 0, c->input(1).shape()), *dk = out(c, 1, c->input(2).shape()), *dv = out(c, 2, c->input(2).shape());
  if (!c->status().ok()) return;
  const float *dy = in(c, 0), *q = in(c, 1), *k = in(c, 2), *v = in(c, 3), *y = in(c, 4), *logSums = in(c, 5);
  a.each(c, [&](int64_t sequence, int64_t head, float* scratch) {
    const int64_t row = a.bounds[sequence], first = head * a.group;
    const int64_t atQuery = row * a.queryStride + first * a.headSize, atKey = row * a.keyStride + head * a.headSize;
    kernels->attentionGradient(dy + atQuery, q + atQuery, k + atKey, v + atKey, y + atQuery, logSums + row * a.heads + first,
      dq + atQuery, dk + atKey, dv + atKey, scratch,
      a.bounds[sequence + 1] - row, a.headSize, a.group, a.queryStride, a.keyStride, a.heads, a.pattern);
  });
}

struct Piece { int tensor; int64_t from, to; };

/**
 * Divides the tensors of a list input into pieces of at most VALUES values, so that sums do not depend on the threads.
 */
std::vector<Piece> pieces(const tensorflow::OpInputList& list) {
  std::vector<Piece> all;
  for (int i = 0; i < list.size(); i++) {
    const int64_t size = list[i].NumElements();
    for (int64_t from = 0; from < size; from += VALUES) all.push_back({i, from, std::min(size, from + VALUES)});
  }
  return all;
}

float* data(const tensorflow::OpInputList& list, int i) { return const_cast<float*>(list[i].flat<float>().data()); }

void adamW(OpKernelContext* c) {
  tensorflow::OpInputList weights, m, v, gradients;
  OP_REQUIRES_OK(c, c->input_list("weights", &weights));
  OP_REQUIRES_OK(c, c->input_list("m", &m));
  OP_REQUIRES_OK(c, c->input_list("v", &v));
  OP_REQUIRES_OK(c, c->input_list("gradients", &gradients));
  const float* step = in(c, c->num_inputs() - 1);
  const std::vector<Piece> all = pieces(weights);
  parallel(c, all.size(), 3 * VALUES, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) {
      const auto& [t, first, last] = all[i];
      kernels->adamW(data(weights, t), data(m, t), data(v, t), data(gradients, t), step, first, last);
    }
  });
  c->set_output(0, c->input(c->num_inputs() - 1));
}

void accumulate(OpKernelContext* c) {
  tensorflow::OpInputList sums, parts;
  OP_REQUIRES_OK(c, c->input_list("sums", &sums));
  OP_REQUIRES_OK(c, c->input_list("parts", &parts));
  const std::vector<Piece> all = pieces(sums);
  parallel(c, all.size(), VALUES, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) kernels->accumulate(data(sums, all[i].tensor), data(parts, all[i].tensor), all[i].from, all[i].to);
  });
  c->set_output(0, sums[0]);
}

void squaredSums(OpKernelContext* c) {
  tensorflow::OpInputList list;
  OP_REQUIRES_OK(c, c->input_list("x", &list));
  float* sums = out(c, 0, TensorShape({list.size()}));
  if (!c->status().ok()) return;
  const std::vector<Piece> all = pieces(list);
  std::vector<double> parts(all.size());
  parallel(c, all.size(), VALUES / 2, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) parts[i] = kernels->squaredSum(data(list, all[i].tensor), all[i].from, all[i].to);
  });
  std::vector<double> totals(list.size());
  for (size_t i = 0; i < all.size(); i++) totals[all[i].tensor] += parts[i];
  std::copy(totals.begin(), totals.end(), sums);
}

void addRows(OpKernelContext* c) {
  const int64_t rows = c->input(1).dim_size(0), size = c->input(1).dim_size(1);
  float* table = inPlace(c, 0);
  const float* from = in(c, 1);
  const int32_t* ids = c->input(2).flat<int32_t>().data();
  for (int64_t i = 0; i < rows; i++) kernels->accumulate(table + ids[i] * size, from + i * size, 0, size);
  c->set_output(0, c->input(0));
}

/** The largest number of KiB that tensors took on the device since the last call, by its allocator; -1 if it does not count. */
void peakMemory(OpKernelContext* c) {
  tensorflow::Allocator* allocator = c->device()->GetAllocator(tensorflow::AllocatorAttributes());
  const auto statistics = allocator->GetStats();
  allocator->ClearStats();
  Tensor* kibibytes = nullptr;
  OP_REQUIRES_OK(c, c->allocate_output(0, TensorShape({}), &kibibytes));
  kibibytes->scalar<int32_t>()() = statistics ? statistics->peak_bytes_in_use / 1024 : -1;
}

absl::Status anyShape(tensorflow::shape_inference::InferenceContext* c) {
  for (int i = 0; i < c->num_outputs(); i++) c->set_output(i, c->UnknownShape());
  return absl::OkStatus();
}

#define DEFINITION(name) REGISTER_OP(name).SetShapeFn(anyShape)

DEFINITION("PromptlossRmsNorm").Input("x: float").Input("weight: float").Input("epsilon: float").Output("y: float").Output("scale: float");
OPERATION("PromptlossRmsNorm", rmsNorm);
DEFINITION("PromptlossRmsNormGradient").Input("dy: float").Input("x: float").Input("weight: float").Input("scale: float")
  .Output("dx: float").Output("dweight: float");
OPERATION("PromptlossRmsNormGradient", rmsNormGradient);
DEFINITION("PromptlossRmsNormInputGradient").Input("dy: float").Input("x: float").Input("weight: float").Input("scale: float").Output("dx: float");
OPERATION("PromptlossRmsNormInputGradient", rmsNormInputGradient);
DEFINITION("PromptlossRotate").Input("x: float").Input("cos: float").Input("sin: float").Input("headsize: int32").Input("factors: float").Output("y: float");
OPERATION("PromptlossRotate", rotate);
DEFINITION("PromptlossSwiglu").Input("gate: float").Input("up: float").Output("y: float");
OPERATION("PromptlossSwiglu", swiglu);
DEFINITION("PromptlossSwigluGradient").Input("dy: float").Input("gate: float").Input("up: float").Output("dgate: float").Output("dup: float");
OPERATION("PromptlossSwigluGradient", swigluGradient);
DEFINITION("PromptlossGeglu").Input("gate: float").Input("up: float").Output("y: float");
OPERATION("PromptlossGeglu", geglu);
DEFINITION("PromptlossGegluGradient").Input("dy: float").Input("gate: float").Input("up: float").Output("dgate: float").Output("dup: float");
OPERATION("PromptlossGegluGradient", gegluGradient);
DEFINITION("PromptlossAddBias").Input("x: float").Input("bias: float").Output("y: float");
OPERATION("PromptlossAddBias", addBias);
DEFINITION("PromptlossSumRows").Input("x: float").Output("sums: float");
OPERATION("PromptlossSumRows", sumRows);
DEFINITION("PromptlossMatMul").Input("a: float").Input("b: float").Input("sum: float").Input("transposed: int32").Output("product: float");
OPERATION("PromptlossMatMul", matMul);
DEFINITION("PromptlossLinearOfFewRows").Input("x: float").Input("weight: float").Output("y: float");
OPERATION("PromptlossLinearOfFewRows", linearOfFewRows);
DEFINITION("PromptlossCrossEntropy").Input("logits: float").Input("labels: int32").Output("losses: float").Output("logsums: float");
OPERATION("PromptlossCrossEntropy", crossEntropy);
DEFINITION("PromptlossCrossEntropyGradient").Input("logits: float").Input("labels: int32").Input("logsums: float").Input("coefficients: float")
  .Output("dlogits: float");
OPERATION("PromptlossCrossEntropyGradient", crossEntropyGradient);
DEFINITION("PromptlossAttention").Input("q: float").Input("k: float").Input("v: float").Input("bounds: int32").Input("softcap: float").Input("settings: int32")
  .Output("y: float").Output("logsums: float");
OPERATION("PromptlossAttention", attention);
DEFINITION("PromptlossAttentionGradient").Input("dy: float").Input("q: float").Input("k: float").Input("v: float").Input("y: float")
  .Input("logsums: float").Input("bounds: int32").Input("softcap: float").Input("settings: int32").Output("dq: float").Output("dk: float").Output("dv: float");
OPERATION("PromptlossAttentionGradient", attentionGradient);
DEFINITION("PromptlossTreeAttention").Input("q: float").Input("k: float").Input("v: float").Input("segments: int32").Input("softcap: float").Input("settings: int32")
  .Output("y: float");
OPERATION("PromptlossTreeAttention", treeAttention);
DEFINITION("PromptlossCachedAttention").Input("q: float").Input("k: float").Input("v: float").Input("pastk: float").Input("pastv: float")
  .Input("padding: int32").Input("softcap: float").Input("settings: int32").Output("y: float").Output("keys: float").Output("values: float");
OPERATION("PromptlossCachedAttention", cachedAttention);
DEFINITION("PromptlossDecodeLayer").Input("x: float").Input("inputnorm: float").Input("q: float").Input("k: float").Input("v: float").Input("o: float")
  .Input("attentionnorm: float").Input("gate: float").Input("up: float").Input("down: float").Input("pastk: float").Input("pastv: float")
  .Input("querycos: float").Input("querysin: float").Input("keycos: float").Input("keysin: float").Input("padding: int32").Input("epsilon: float")
  .Input("settings: int32").Output("y: float").Output("keys: float").Output("values: float");
OPERATION("PromptlossDecodeLayer", decodeLayer);
DEFINITION("PromptlossAdamW").Attr("N: int").Input("weights: N * float").Input("m: N * float").Input("v: N * float")
  .Input("gradients: N * float").Input("step: float").Output("done: float");
OPERATION("PromptlossAdamW", adamW);
DEFINITION("PromptlossAccumulate").Attr("N: int").Input("sums: N * float").Input("parts: N * float").Output("done: float");
OPERATION("PromptlossAccumulate", accumulate);
DEFINITION("PromptlossSquaredSums").Attr("N: int").Input("x: N * float").Output("sums: float");
OPERATION("PromptlossSquaredSums", squaredSums);
DEFINITION("PromptlossAddRows").Input("table: float").Input("rows: float").Input("ids: int32").Output("sum: float");
OPERATION("PromptlossAddRows", addRows);

REGISTER_OP("PromptlossPeakMemory").Output("kibibytes: int32").SetIsStateful().SetShapeFn(anyShape);
REGISTER_KERNEL_BUILDER(Name("PromptlossPeakMemory").Device(tensorflow::DEVICE_GPU).HostMemory("kibibytes"), Operation<peakMemory>);

/** Node's entry point: exports the level of the kernels as `level`, if this CPU supports one. */
napi_value initialize(napi_env env, napi_value exports) {
  if (!kernels) return exports;
  napi_value level;
  napi_create_string_utf8(env, kernels == &kernelsV4 ? "AVX-512" : "AVX2", NAPI_AUTO_LENGTH, &level);
  napi_set_named_property(env, exports, "level", level);
  return exports;
}

} // namespace

NAPI_MODULE(promptloss, initialize)
