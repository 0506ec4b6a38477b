// Stands in for the NVIDIA driver and the CUDA libraries: it answers as on a machine with H100s, and computes nothing.
// Device memory is a range of addresses without memory behind them; whatever is read from it is 0. prepare.sh adds, for
// every other function that TensorFlow looks up, one that does nothing and returns success (0).
//
//   CUDA_VISIBLE_DEVICES   ids of the GPUs to show, as for the real driver; default: 0
//   STAND_IN_MEMORY        bytes of memory of each GPU; default: 80 GiB
//   STAND_IN_LOG           file to which a line is added for each GPU that is opened, "open <id>", and each copy to or
//                          from a device, "upload <bytes>" or "read <bytes>"
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Functions are declared with the parameters that they use, and those before them; callers pass more.
#define NUMBER(name, value) int name(int *number) { return *number = (value), 0; }
#define SECOND(name, value) int name(void *handle, int *number) { return *number = (value), 0; }
#define HANDLE(name) int name(void **handle) { return *handle = newHandle(), 0; }

static char handles[1 << 16];

static void *newHandle(void) {
  static _Atomic unsigned last;
  return handles + 64 * (++last % (sizeof handles / 64));
}

static void note(const char *event, size_t number) {
  const char *file = getenv("STAND_IN_LOG");
  if (!file) return;
  char line[64];
  int length = snprintf(line, sizeof line, "%s %zu\n", event, number);
  int log = open(file, O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (write(log, line, length) != length) abort();
  close(log);
}

// ---------------------------------------------------------------- devices

/** Id of the GPU that this process sees as number `index`; −1 if it sees fewer. */
static int visible(int index) {
  const char *ids = getenv("CUDA_VISIBLE_DEVICES");
  if (!ids) ids = "0";
  for (; *ids && index > 0; index--) ids = strchr(ids, ',') ? strchr(ids, ',') + 1 : "";
  return *ids ? atoi(ids) : -1;
}

static int devices(void) {
  int count = 0;
  while (visible(count) >= 0) count++;
  return count;
}

static size_t memorySize(void) {
  const char *size = getenv("STAND_IN_MEMORY");
  return size ? strtoull(size, NULL, 10) : 80ull << 30;
}

/** What an H100 has, by the numbers of CUdevice_attribute; 0 for the others. */
static int attribute(int number) {
  static const int values[] = {
    // threads of a block, and along each axis; blocks along each axis; shared memory
    [1] = 1024, [2] = 1024, [3] = 1024, [4] = 64, [5] = INT32_MAX, [6] = 65535, [7] = 65535,
    [8] = 49152, [81] = 233472, [97] = 232448,
    // warp, registers, multiprocessors; clocks, memory bus, cache
    [10] = 32, [12] = 65536, [16] = 132, [39] = 2048, [82] = 65536, [106] = 32,
    [13] = 1980000, [36] = 2619000, [37] = 5120, [38] = 52428800,
    // what it is able to do; compute capability 9.0
    [31] = 1, [40] = 3, [41] = 1, [75] = 9,
  };
  return number >= 0 && number < (int)(sizeof values / sizeof *values) ? values[number] : 0;
}

NUMBER(cuDriverGetVersion, 13000)
NUMBER(cudaRuntimeGetVersion, 12090)
NUMBER(cuDeviceGetCount, devices())
NUMBER(cudaGetDeviceCount, devices())
NUMBER(cudaGetDevice, 0)
NUMBER(cuCtxGetDevice, 0)
int cuDeviceGet(int *device, int index) { return *device = index, 0; }
int cuDeviceGetName(char *name, int size) { return snprintf(name, size, "NVIDIA H100 (stand-in)"), 0; }
int cuDeviceGetAttribute(int *value, int number) { return *value = attribute(number), 0; }
int cudaDeviceGetAttribute(int *value, int number) { return *value = attribute(number), 0; }
int cuDeviceTotalMem_v2(size_t *size) { return *size = memorySize(), 0; }
int cuMemGetInfo_v2(size_t *unused, size_t *size) { return *unused = *size = memorySize(), 0; }
int cuDeviceGetPCIBusId(char *id, int size, int device) {
  return snprintf(id, size, "0000:%02x:00.0", 1 + visible(device)), 0;
}

static __thread void *current = handles;

int cuCtxGetCurrent(void **context) { return *context = current, 0; }
int cuCtxSetCurrent(void *context) { return current = context, 0; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { return *flags = 0, *active = 1, 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) {
  note("open", visible(device));
  return *context = handles + device, 0;
}

// ---------------------------------------------------------------- memory and copies

static size_t aligned(size_t size) { return (size + 255) & ~(size_t)255; }

int cuMemAlloc_v2(void **memory, size_t size) {
  static _Atomic uintptr_t end = 1ull << 44; // no program's own memory is there
  return *memory = (void *)atomic_fetch_add(&end, aligned(size)), 0;
}
int cuMemHostAlloc(void **memory, size_t size) { return *memory = aligned_alloc(256, aligned(size)), *memory ? 0 : 2; }
int cuMemFreeHost(void *memory) { return free(memory), 0; }
int cuMemcpyHtoDAsync_v2(void *to, void *from, size_t size) { return note("upload", size), 0; }
int cuMemcpyDtoHAsync_v2(void *to, void *from, size_t size) { return memset(to, 0, size), note("read", size), 0; }

// ---------------------------------------------------------------- streams, kernels, libraries

HANDLE(cuStreamCreate)
HANDLE(cuEventCreate)
HANDLE(cuModuleLoadData)
HANDLE(cuModuleGetFunction)
HANDLE(cublasCreate_v2)
HANDLE(cublasLtCreate)
NUMBER(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, 2)
SECOND(cublasGetMathMode, 0)
SECOND(cublasGetPointerMode_v2, 0)
int cuLaunchHostFunc(void *stream, void (*work)(void *), void *data) { return work(data), 0; }
int cudaFuncGetAttributes(int *values) { return memset(values, 0, 56), values[6] = 1024, values[7] = 32, 0; }
int cudnnGetProperty(int part, int *version) { return *version = part == 0 ? 9 : 28, 0; }
void *__cudaRegisterFatBinary(void) { return newHandle(); }
int __cudaPopCallConfiguration(uint32_t *grid, uint32_t *block, size_t *shared, void **stream) {
  for (int axis = 0; axis < 3; axis++) grid[axis] = block[axis] = 1;
  return *shared = 0, *stream = NULL, 0;
}
int cuGetErrorName(int error, const char **name) { return *name = "STAND_IN", 0; }
int cuGetErrorString(int error, const char **text) { return *text = "an error of the stand-in", 0; }
