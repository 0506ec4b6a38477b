const LONGEST_WAIT = 30; // seconds

/** Seconds to wait before the given retry (1 = first): doubling from `base` up to 30, times a random factor from 0.5 to 1. */
export function backoff(retry: number, base: number): number {
  return Math.min(LONGEST_WAIT, base * 2 ** (retry - 1)) * (0.5 + Math.random() / 2);
}

/** Seconds that a Retry-After header asks for (seconds or an HTTP date), or undefined. */
export function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

/** Resolves after some seconds. @throws the signal's reason as soon as it is aborted */
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

/** What went wrong below HTTP, in words: fetch says no more than "fetch failed" itself. */
export function networkProblem(error: unknown): string {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  switch (cause?.code) {
    case "ECONNREFUSED":
      return "nothing answers there (connection refused)";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "its name cannot be resolved; is this machine online?";
    case "ECONNRESET":
    case "UND_ERR_SOCKET":
      return "the connection was cut";
    case "UND_ERR_CONNECT_TIMEOUT":
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
      return "no answer in time";
    default:
      return cause?.message || (error as Error).message;
  }
}
