// Matrix products by oneDNN: of float32 values, and of bfloat16 values with float32 sums, with AMX or AVX512-BF16. The
// library is loaded with the first product.
#pragma once
#include <dlfcn.h>
#include <dnnl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <tuple>

namespace onednn {

/** A matrix of float32 values that is stored, transposed or not, in rows `stride` values apart. */
struct Float32Matrix { const float* data; int64_t stride; bool isTransposed; };

/** A matrix of bfloat16 values, with its strides in values. */
struct Bfloat16Matrix { const uint16_t* data; int64_t rowStride, columnStride; };

/** The functions of oneDNN that are used here, by the library's own names. */
struct Library {
#define FUNCTION(name) decltype(&::name) name = reinterpret_cast<decltype(&::name)>(symbol(#name))
  explicit Library(const char* file) : handle(dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
    if (!handle) throw std::runtime_error(std::string("oneDNN could not be loaded: ") + dlerror() + "; npm run setup installs it");
  }
  void* symbol(const char* name) {
    if (void* found = dlsym(handle, name)) return found;
    throw std::runtime_error(std::string("oneDNN has no function ") + name);
  }
  void* handle;
  FUNCTION(dnnl_set_max_cpu_isa);
  FUNCTION(dnnl_sgemm);
  FUNCTION(dnnl_engine_create);
  FUNCTION(dnnl_stream_create);
  FUNCTION(dnnl_memory_desc_create_with_strides);
  FUNCTION(dnnl_memory_desc_destroy);
  FUNCTION(dnnl_memory_desc_get_size);
  FUNCTION(dnnl_matmul_primitive_desc_create);
  FUNCTION(dnnl_primitive_desc_query_md);
  FUNCTION(dnnl_primitive_desc_destroy);
  FUNCTION(dnnl_primitive_attr_create);
  FUNCTION(dnnl_primitive_attr_destroy);
  FUNCTION(dnnl_primitive_attr_set_post_ops);
  FUNCTION(dnnl_primitive_attr_set_scratchpad_mode);
  FUNCTION(dnnl_post_ops_create);
  FUNCTION(dnnl_post_ops_append_sum);
  FUNCTION(dnnl_post_ops_destroy);
  FUNCTION(dnnl_primitive_create);
  FUNCTION(dnnl_primitive_execute);
  FUNCTION(dnnl_memory_create);
  FUNCTION(dnnl_memory_destroy);
  /** of the OpenMP library that oneDNN uses, for the calling thread */
  void (*omp_set_num_threads)(int) = reinterpret_cast<void (*)(int)>(symbol("omp_set_num_threads"));
#undef FUNCTION
};

inline void check(dnnl_status_t status, const char* what) {
  if (status != dnnl_success) throw std::runtime_error(std::string("oneDNN: ") + what + " failed with status " + std::to_string(status));
}

/**
 * Holds back the calling thread's signals, faults excepted: oneDNN's sgemm keeps data below the stack's red zone, which a
 * signal handler overwrites.
 */
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }

 private:
  sigset_t before;
};

/** Products of bfloat16 values of one shape and layout. Several threads can compute with it at the same time. */
class Bfloat16Product {
 public:
  /** Shapes and strides: a (rows, depth), b (depth, columns), c (rows, columns) without gaps. */
  Bfloat16Product(const Library& library, dnnl_engine_t engine, int64_t rows, int64_t columns, int64_t depth, Bfloat16Matrix left, Bfloat16Matrix right, bool add)
    : library(library), engine(engine) {
    a = described({rows, depth}, dnnl_bf16, {left.rowStride, left.columnStride});
    b = described({depth, columns}, dnnl_bf16, {right.rowStride, right.columnStride});
    c = described({rows, columns}, dnnl_f32, {columns, 1});
    dnnl_primitive_attr_t attributes;
    check(library.dnnl_primitive_attr_create(&attributes), "creating attributes");
    check(library.dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "setting the scratchpad mode");
    if (add) {
      dnnl_post_ops_t sum;
      check(library.dnnl_post_ops_create(&sum), "creating a sum");
      check(library.dnnl_post_ops_append_sum(sum, 1, 0, dnnl_data_type_undef), "appending a sum");
      check(library.dnnl_primitive_attr_set_post_ops(attributes, sum), "setting a sum");
      library.dnnl_post_ops_destroy(sum);
    }
    dnnl_primitive_desc_t description;
    check(library.dnnl_matmul_primitive_desc_create(&description, engine, a, b, nullptr, c, attributes), "describing a product");
    scratch = library.dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    scratchBytes = library.dnnl_memory_desc_get_size(scratch);
    check(library.dnnl_primitive_create(&primitive, description), "creating a product");
    library.dnnl_primitive_attr_destroy(attributes);
    // `description` stays: `scratch` belongs to it. Products stay until the process ends.
  }

  void compute(dnnl_stream_t stream, const uint16_t* left, const uint16_t* right, float* sums, void* scratchMemory) const {
    const std::array<std::tuple<int, const_dnnl_memory_desc_t, const void*>, 4> given{{
      {DNNL_ARG_SRC, a, left}, {DNNL_ARG_WEIGHTS, b, right}, {DNNL_ARG_DST, c, sums}, {DNNL_ARG_SCRATCHPAD, scratch, scratchMemory}}};
    std::array<dnnl_exec_arg_t, 4> arguments;
    for (size_t i = 0; i < given.size(); i++) {
      const auto& [role, description, data] = given[i];
      arguments[i].arg = role;
      check(library.dnnl_memory_create(&arguments[i].memory, description, engine, const_cast<void*>(data)), "creating memory");
    }
    check(library.dnnl_primitive_execute(primitive, stream, arguments.size(), arguments.data()), "a product");
    for (const auto& argument : arguments) library.dnnl_memory_destroy(argument.memory);
  }

  size_t scratchBytes;

 private:
  dnnl_memory_desc_t described(std::array<int64_t, 2> shape, dnnl_data_type_t type, std::array<int64_t, 2> strides) const {
    dnnl_memory_desc_t description;
    check(library.dnnl_memory_desc_create_with_strides(&description, 2, shape.data(), type, strides.data()), "describing a matrix");
    return description;
  }

  const Library& library;
  dnnl_engine_t engine;
  dnnl_memory_desc_t a, b, c;
  const_dnnl_memory_desc_t scratch;
  dnnl_primitive_t primitive;
};

/** Computes products in the calling thread. */
class Products {
 public:
  /** `most`: the highest instruction set to use. */
  Products(const char* file, dnnl_cpu_isa_t most) : library(file) {
    check(library.dnnl_set_max_cpu_isa(most), "limiting the instruction set");
    check(library.dnnl_engine_create(&engine, dnnl_cpu, 0), "creating an engine");
  }

  /** c (rows, columns) = a (rows, depth) · b (depth, columns), or c + a · b; rows of c are `stride` values apart. */
  void multiply(Float32Matrix a, Float32Matrix b, float* c, int64_t stride, int64_t rows, int64_t columns, int64_t depth, bool add) const {
    library.omp_set_num_threads(1); // the threads are this project's own
    const BlockedSignals blocked;
    check(library.dnnl_sgemm(a.isTransposed ? 'T' : 'N', b.isTransposed ? 'T' : 'N', rows, columns, depth, 1, a.data, a.stride, b.data, b.stride, add ? 1 : 0, c, stride),
      "a product");
  }

  /** The same for bfloat16 values; c has no gaps. */
  void multiply(Bfloat16Matrix a, Bfloat16Matrix b, float* c, int64_t rows, int64_t columns, int64_t depth, bool add) {
    thread_local dnnl_stream_t stream = nullptr;
    thread_local std::unique_ptr<char, void (*)(void*)> scratch(nullptr, free);
    thread_local size_t bytes = 0;
    library.omp_set_num_threads(1); // the threads are this project's own
    if (!stream) check(library.dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "creating a stream");
    const Bfloat16Product& product = productOf(a, b, rows, columns, depth, add);
    if (product.scratchBytes > bytes) {
      bytes = (product.scratchBytes + 63) / 64 * 64;
      scratch.reset(static_cast<char*>(aligned_alloc(64, bytes)));
    }
    const BlockedSignals blocked;
    product.compute(stream, a.data, b.data, c, scratch.get());
  }

 private:
  const Bfloat16Product& productOf(Bfloat16Matrix a, Bfloat16Matrix b, int64_t rows, int64_t columns, int64_t depth, bool add) {
    const std::array<int64_t, 8> key{rows, columns, depth, a.rowStride, a.columnStride, b.rowStride, b.columnStride, add};
    const std::lock_guard<std::mutex> lock(creating);
    auto& product = products[key];
    if (!product) {
      if (products.size() > MOST) throw std::runtime_error("oneDNN: too many shapes of products");
      product = std::make_unique<Bfloat16Product>(library, engine, rows, columns, depth, a, b, add);
    }
    return *product;
  }

  static constexpr size_t MOST = 100000;
  Library library;
  dnnl_engine_t engine;
  std::mutex creating;
  std::map<std::array<int64_t, 8>, std::unique_ptr<Bfloat16Product>> products;
};

} // namespace onednn
