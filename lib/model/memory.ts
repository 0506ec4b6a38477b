import { isLoaded } from "./native-library";
import { backend, device, tf } from "./tensorflow";

/**
 * Returns the largest number of bytes that tensors took on the GPU at the same time since the last call (by TensorFlow's
 * allocator, to 1 KiB), and starts anew. It does not include what CUDA and its libraries take for themselves.
 *
 * @returns null on a CPU, and if this project's operations were not built
 */
export function takePeakDeviceMemory(): number | null {
  if (device().kind === "CPU" || !isLoaded) return null;
  const [kibibytes] = tf.tidy(() => backend.executeSingleOutput("PromptlossPeakMemory", [], []).dataSync<"int32">());
  return kibibytes < 0 ? null : kibibytes * 1024;
}

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
