/** Upper limit of {@link backoff}, in seconds. */
const MAX_BACKOFF = 30;

/**
 * Exponential backoff with jitter: min(30, base · 2^(retry − 1)) times a random factor in [0.5, 1).
 *
 * @param retry number of the retry, 1 for the first
 * @param base delay before the first retry, before jitter, in seconds
 * @returns seconds to wait before the retry
 */
export function backoff(retry: number, base: number): number {
  return Math.min(MAX_BACKOFF, base * 2 ** (retry - 1)) * (0.5 + Math.random() / 2);
}

/**
 * Parses a Retry-After header (RFC 9110, section 10.2.3).
 *
 * @param header the header's value, a number of seconds or an HTTP date; null if the response has none
 * @returns seconds to wait, at least 0; undefined if there is no header or it cannot be parsed
 */
export function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

/**
 * Waits for the given number of seconds.
 *
 * @throws the signal's reason, as soon as the signal is aborted
 */
export function wait(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, 1000 * seconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/**
 * Describes a network error from its `cause`, since the message of the error itself is only "fetch failed".
 *
 * @param error an error thrown by `fetch`
 * @returns a clause for an error message, without a final period
 */
export function networkProblem(error: unknown): string {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  switch (cause?.code) {
    case "ECONNREFUSED":
      return "connection refused; no server listens at this address";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the host name cannot be resolved; is this machine online?";
    case "ECONNRESET":
    case "UND_ERR_SOCKET":
      return "the connection was reset";
    case "UND_ERR_CONNECT_TIMEOUT":
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
      return "the request timed out";
    default:
      return cause?.message || (error as Error).message;
  }
}
