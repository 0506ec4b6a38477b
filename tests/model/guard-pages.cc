// Calls every kernel, and oneDNN's products, on arrays that end right before a page that nobody may access, and on arrays
// that begin right after one, so that reading or writing a single value too far ends the process with the kernel's name.
// Products of blocks of a matrix are also held to their values, and must leave the values around them.
// Arguments: the library of the operations, oneDNN's library, and "AVX-512", "AVX2" or "bfloat16".
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "kernels.h"
#include "onednn.h"

namespace {

char current[200] = "nothing yet";
bool atEnd;

void fault(int) {
  const char* text = ": touched memory beyond an array\n";
  if (write(2, current, strlen(current)) < 0 || write(2, text, strlen(text)) < 0) _exit(4);
  _exit(3);
}

/** Memory of `count` values between two pages without access; all values are 0.5, or `value`. */
template <typename T = float> class Array {
 public:
  explicit Array(int64_t count, T value = static_cast<T>(0.5)) : pages((count * sizeof(T) + PAGE - 1) / PAGE), bytes((pages + 2) * PAGE) {
    start = static_cast<char*>(mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (start == MAP_FAILED || mprotect(start + PAGE, pages * PAGE, PROT_READ | PROT_WRITE) != 0) perror("memory"), _exit(4);
    data = reinterpret_cast<T*>(start + PAGE + (atEnd ? pages * PAGE - count * sizeof(T) : 0));
    std::fill_n(data, count, value);
  }
  Array(const Array&) = delete;
  ~Array() { munmap(start, bytes); }
  operator T*() const { return data; }

 private:
  static constexpr size_t PAGE = 4096;
  size_t pages, bytes;
  char* start;
  T* data;
};

template <typename... Values> void at(const char* level, const char* kernel, Values... sizes) {
  std::string text = std::string(level) + ", " + kernel + (atEnd ? ", at the end:" : ", at the beginning:");
  for (int64_t size : std::initializer_list<int64_t>{sizes...}) text += " " + std::to_string(size);
  strncpy(current, text.c_str(), sizeof current - 1);
}

void kernelsOf(const char* level, const Kernels& k) {
  const int64_t rows = 3;
  for (int64_t size : {1, 5, 7, 8, 9, 15, 16, 17, 31, 33, 48, 63, 64, 65, 172}) {
    at(level, "norm and elementwise kernels", size);
    const Array<> x(rows * size), weight(size), y(rows * size), other(rows * size), third(rows * size), scale(rows), sums(size);
    k.rmsNorm(x, weight, 1e-5f, y, scale, size, 0, rows);
    k.rmsNormGradient(y, x, weight, scale, other, sums, size, 0, rows);
    k.rmsNormGradient(y, x, weight, scale, other, nullptr, size, 0, rows);
    k.swiglu(x, other, y, 0, rows * size);
    k.swigluGradient(y, x, other, third, other, 0, rows * size);
    k.geglu(x, other, y, 0, rows * size);
    k.gegluGradient(y, x, other, third, other, 0, rows * size);
    k.accumulate(x, y, 0, rows * size);
    k.squaredSum(x, 0, rows * size);
    const Array<> step(9);
    k.adamW(x, y, other, third, step, 0, rows * size);
    const Array<uint16_t> halves(rows * size, 0);
    k.bfloat16(x, halves, 0, rows * size);

    at(level, "cross entropy", size);
    const Array<int32_t> labels(rows, static_cast<int32_t>(size - 1));
    const Array<> losses(rows), logSums(rows);
    k.crossEntropy(x, labels, losses, logSums, size, 0, rows);
    k.crossEntropyGradient(x, labels, logSums, losses, size, 0, rows);

    for (int64_t few : {1, 3, 4, 5, 32}) for (int64_t outputs : {1, 2, 3, 4, 5, 9}) {
      at(level, "products of few rows", few, size, outputs);
      const Array<> a(few * size), b(outputs * size), c(few * outputs);
      k.linearOfFewRows(a, b, c, few, size, outputs, 0, outputs);
      k.linearOfFewRows(a, b, c, few, size, outputs, outputs / 3, outputs - outputs / 3);
      k.linearOfFewRowsBfloat16(a, b, c, few, size, outputs, 0, outputs);
    }
  }
  for (int64_t headSize : {2, 8, 10, 16, 32, 48, 64, 80, 96, 128, 192, 256}) for (int64_t group : {1, 3}) {
    const int64_t keyHeads = 2, queryStride = keyHeads * group * headSize, keyStride = keyHeads * headSize, half = headSize / 2;
    for (int64_t length : {1, 2, 7, 8, 15, 16, 17, 33}) for (int64_t window : {INT64_MAX, int64_t{5}}) for (float softCap : {0.0f, 3.0f}) {
      at(level, "rotation", headSize, group, length);
      const Array<> q(length * queryStride), key(length * keyStride), v(length * keyStride), y(length * queryStride), dy(length * queryStride);
      const Array<> cos(length * half), sin(length * half), logSums(length * keyHeads * group);
      k.rotate(q, cos, sin, 1, 1, q, keyHeads * group, headSize, half, 0, length);
      at(level, "attention", headSize, group, length, std::min<int64_t>(window, 99));
      const Array<> scratch(k.attentionScratch(length, headSize));
      for (int64_t head = 0; head < keyHeads; head++) {
        const int64_t first = head * group, query = first * headSize, keys = head * headSize;
        k.attention(q + query, key + keys, v + keys, y + query, logSums + first, scratch, length, length, headSize, group, queryStride, keyStride, keyHeads * group, {window, softCap});
        const int64_t last = (length - 1) * queryStride + query;
        k.attention(q + last, key + keys, v + keys, y + last, nullptr, scratch, length, 1, headSize, group, queryStride, keyStride, 0, {window, softCap});
      }
      at(level, "gradient of attention", headSize, group, length, std::min<int64_t>(window, 99));
      const Array<> dq(length * queryStride), dk(length * keyStride), dv(length * keyStride);
      for (int64_t head = 0; head < keyHeads; head++) {
        const int64_t first = head * group, query = first * headSize, keys = head * headSize;
        k.attentionGradient(dy + query, q + query, key + keys, v + keys, y + query, logSums + first, dq + query, dk + keys, dv + keys, scratch,
          length, headSize, group, queryStride, keyStride, keyHeads * group, {window, softCap});
      }
    }
  }
}

/** Ends the process unless c is `expected` in the block and untouched, `before`, around it. */
void checkBlock(const float* c, int64_t rows, int64_t columns, const int64_t (&block)[4], float expected, float before) {
  const auto [row, column, height, width] = block;
  for (int64_t i = 0; i < rows * columns; i++) {
    const int64_t r = i / columns - row, k = i % columns - column;
    const float wanted = r >= 0 && r < height && k >= 0 && k < width ? expected : before;
    if (c[i] == wanted || (std::isnan(c[i]) && std::isnan(wanted))) continue;
    fprintf(stderr, "%s: value %ld is %g instead of %g\n", current, static_cast<long>(i), c[i], wanted);
    exit(2);
  }
}

/** Products of bfloat16 values, and in float32 of whole matrices, of a block inside and of the last block. */
void products(const char* level, onednn::Products& library, bool isBfloat16) {
  for (int64_t rows : {1, 2, 7, 16, 50, 130}) for (int64_t columns : {1, 3, 16, 49, 100, 400}) for (int64_t depth : {1, 5, 64, 390, 800}) {
    for (bool left : {false, true}) for (bool right : {false, true}) for (bool add : {false, true}) {
      at(level, isBfloat16 ? "product of bfloat16" : "product", rows, columns, depth, left, right, add);
      const float before = add ? 0.5f : NAN, expected = depth * 0.25f + (add ? 0.5f : 0.0f); // all factors are 0.5
      if (isBfloat16) {
        const Array<uint16_t> a(rows * depth, 0x3f00), b(depth * columns, 0x3f00);
        const Array<> c(rows * columns, before);
        library.multiply(left ? onednn::Bfloat16Matrix{a, 1, rows} : onednn::Bfloat16Matrix{a, depth, 1},
          right ? onednn::Bfloat16Matrix{b, 1, depth} : onednn::Bfloat16Matrix{b, columns, 1}, c, rows, columns, depth, add);
        checkBlock(c, rows, columns, {0, 0, rows, columns}, expected, before);
        continue;
      }
      const Array<> a(rows * depth), b(depth * columns);
      const int64_t row = rows / 3, column = columns / 3;
      for (const auto& block : {std::array{int64_t{0}, int64_t{0}, rows, columns}, {row, column, rows - 2 * row, columns - 2 * column}, {row, column, rows - row, columns - column}}) {
        const auto [top, first, height, width] = block;
        const Array<> c(rows * columns, before);
        library.multiply(left ? onednn::Float32Matrix{a + top, rows, true} : onednn::Float32Matrix{a + top * depth, depth, false},
          right ? onednn::Float32Matrix{b + first * depth, depth, true} : onednn::Float32Matrix{b + first, columns, false},
          c + top * columns + first, columns, height, width, depth, add);
        checkBlock(c, rows, columns, {top, first, height, width}, expected, before);
      }
    }
  }
}

} // namespace

int main(int count, char** arguments) {
  if (count < 4) return fputs("expected the library of the operations, oneDNN's, and what to call\n", stderr), 4;
  for (int number : {SIGSEGV, SIGBUS}) signal(number, fault);
  const std::string level = arguments[3];
  onednn::Products library(arguments[2], level == "AVX2" ? dnnl_cpu_isa_avx2 : dnnl_cpu_isa_default);
  void* operations = dlopen(arguments[1], RTLD_LAZY);
  const void* kernels = operations ? dlsym(operations, level == "AVX2" ? "kernelsV3" : "kernelsV4") : nullptr;
  if (!kernels) return fprintf(stderr, "%s\n", dlerror()), 4;
  for (bool end : {true, false}) {
    atEnd = end;
    if (level != "bfloat16") kernelsOf(level.c_str(), *static_cast<const Kernels*>(kernels));
    products(level.c_str(), library, level == "bfloat16");
  }
  puts("no access beyond an array");
}
