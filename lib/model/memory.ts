/**
 * Whether TensorFlow threw an error because the device's memory did not suffice. Its addon throws a plain `Error` with
 * the text of the status, such as "OOM when allocating tensor with shape[…]".
 */
export function isOutOfMemory(error: unknown): boolean {
  return (
    error instanceof Error &&
    /OOM when allocating|RESOURCE_?EXHAUSTED|CUDA_ERROR_OUT_OF_MEMORY|CUBLAS_STATUS_ALLOC_FAILED/i.test(error.message)
  );
}
