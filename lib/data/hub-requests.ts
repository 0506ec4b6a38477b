import { DataError } from "./errors";
import { abridged } from "./well-formed";
import { backoff, networkProblem, retryAfter, wait } from "./http";

/** How requests are made; the defaults suit the Hub. */
export interface RequestOptions {
  /** base URL of the Hub or of a mirror; default: the environment variable `HF_ENDPOINT`, or https://huggingface.co */
  hubUrl?: string;
  /** stops the request */
  signal?: AbortSignal;
  /** seconds without an answer or without data after which a connection is given up; default 60 */
  timeoutSeconds?: number;
  /** number of retries after a lost connection or a busy server; default 4 */
  retries?: number;
  /** delay before the first retry in seconds; doubles with each retry; default 1 */
  backoffSeconds?: number;
}

/** The requests that are made for one repository. */
export interface HubRequests {
  /** a `fetch` that retries, sends the token to the Hub only, and throws explained errors for refused requests */
  fetch: typeof fetch;
  /** base URL of the Hub, without a final slash */
  hubUrl: string;
  /** ends connections whose answer nobody read to the end */
  close(): void;
}

/** Longest pause requested by a server that is waited for, in seconds. */
const MAX_PAUSE = 600;

/**
 * Base URL of the Hub.
 * @throws {DataError} if it is not an http or https URL
 */
export function hubUrlOf({ hubUrl }: RequestOptions = {}): string {
  const url = (hubUrl ?? (process.env.HF_ENDPOINT || "https://huggingface.co")).replace(/\/+$/, "");
  if (!/^https?:\/\/\S+$/.test(url) || !URL.canParse(url))
    throw new DataError(`The Hub's address ${url} is not a URL; HF_ENDPOINT must look like https://host.`);
  return url;
}

/**
 * Prepares the requests for one repository.
 *
 * @param page URL of the repository, for error messages
 * @param revision for error messages
 */
export function hubRequests(page: string, revision: string, options: RequestOptions = {}): HubRequests {
  const hubUrl = hubUrlOf(options);
  const closing = new AbortController();
  const request = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input);
    const isApi = url.href.startsWith(`${hubUrl}/api/`);
    const headers = { ...plainHeaders(init.headers), ...tokenFor(url, hubUrl) };
    const send = () => answer(url, { ...init, headers }, closing.signal, isApi, options);
    const response = await withRetries(send, url, options);
    // the library has its own answer to a file that is missing
    if (response.ok || response.headers.get("x-error-code") === "EntryNotFound") return response;
    await response.body?.cancel();
    throw new DataError(page.startsWith(hubUrl) ? refusal(response, page, revision, hubUrl) : plainRefusal(response));
  };
  return { fetch: request, hubUrl, close: () => closing.abort() };
}

/** The token, for addresses of the Hub itself; not over an unencrypted connection to another machine. */
function tokenFor(url: URL, hubUrl: string): Record<string, string> {
  const token = process.env.HF_TOKEN?.trim();
  const isSafe = url.protocol === "https:" || ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  return token && isSafe && url.origin === new URL(hubUrl).origin ? { authorization: `Bearer ${token}` } : {};
}

/** Headers in lower case, uncompressed content requested, and without credentials. */
function plainHeaders(given: RequestInit["headers"]): Record<string, string> {
  const headers = new Headers(given);
  headers.delete("authorization");
  headers.set("accept-encoding", "identity");
  return Object.fromEntries(headers);
}

/**
 * Sends a request once. `fetch` follows redirects, and drops the token when one leads to another host.
 * @param whole true if the time limit is for the whole answer, false if only for its beginning
 */
async function answer(
  url: URL,
  init: RequestInit,
  closing: AbortSignal,
  whole: boolean,
  { signal, timeoutSeconds = 60 }: RequestOptions,
): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer for ${timeoutSeconds} s`)), 1000 * timeoutSeconds);
  timer.unref();
  const signals = [closing, late.signal, ...(signal ? [signal] : [])];
  const response = await fetch(url, { ...init, signal: AbortSignal.any(signals) }).catch((error: unknown) => {
    clearTimeout(timer);
    throw error;
  });
  if (!whole) clearTimeout(timer);
  if (url.protocol === "https:" && response.url.startsWith("http:")) {
    await response.body?.cancel();
    throw new DataError(`${url.href} redirects to the unencrypted address ${response.url}; it was not followed.`);
  }
  return response;
}

/** Seconds until the Hub's rate limit starts again, from a header such as `RateLimit: "api";r=0;t=55`. */
function limitReset({ status, headers }: Response): string | null {
  return status === 429 ? (/;\s*t=(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1] ?? null) : null;
}

/** Repeats a request while the server is busy or cannot be reached. @throws {DataError} after the last retry */
async function withRetries(send: () => Promise<Response>, url: URL, options: RequestOptions): Promise<Response> {
  const { signal, retries = 4, backoffSeconds = 1 } = options;
  for (let retry = 1; ; retry++) {
    let problem: string;
    let pause: number | undefined;
    try {
      const response = await send();
      if (![408, 429].includes(response.status) && response.status < 500) return response;
      await response.body?.cancel();
      problem = `HTTP ${response.status}`;
      pause = retryAfter(response.headers.get("retry-after") ?? limitReset(response));
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof DataError) throw error;
      problem = networkProblem(error);
    }
    if (retry > retries || (pause ?? 0) > MAX_PAUSE)
      throw new DataError(
        `${url.origin}${url.pathname} cannot be fetched now: ${problem}${problem.endsWith("?") ? "" : "."} Try again later.`,
      );
    await wait(pause ?? backoff(retry, backoffSeconds), signal);
  }
}

/** Text from a server as it can be shown: without control characters, at most 300 long. */
export const printable = (text: string) => abridged(text.replace(/\p{Cc}/gu, " "), 300);

/** Explains why the Hub refused a request, by its header X-Error-Code (the status alone does not say). */
function refusal(response: Response, page: string, revision: string, hubUrl: string): string {
  const hasToken = Boolean(process.env.HF_TOKEN?.trim());
  const said = printable(response.headers.get("x-error-message") ?? "");
  switch (response.headers.get("x-error-code")) {
    case "GatedRepo":
      return hasToken
        ? `${page} is gated, and the account of HF_TOKEN has not been granted access (a fine-grained token also needs ` +
            `the permission to read gated repositories): accept the terms at ${page}.` +
            (said ? ` The Hub says: ${said}` : "")
        : `${page} is gated: sign in there and accept its terms, create a token that may read at ` +
            `${hubUrl}/settings/tokens, set the environment variable HF_TOKEN to it, and run this again.`;
    case "RevisionNotFound":
      return (
        `${page} has no revision ${revision} (any more). Name a commit, tag or branch that it has; ` +
        `${page}/commits/main lists its commits.`
      );
    case "RepoNotFound":
      return unknownRepository(page, hasToken);
  }
  if (response.status === 401 && hasToken)
    return `${page}: the Hub does not accept the token in HF_TOKEN. Renew it at ${hubUrl}/settings/tokens, or unset it.`;
  if (response.status === 401 || response.status === 404) return unknownRepository(page, hasToken);
  return plainRefusal(response) + (said ? ` The Hub says: ${said}` : "");
}

const plainRefusal = ({ url, status }: Response) =>
  `${url} cannot be fetched: HTTP ${status}${status === 404 ? ", there is no such file" : ""}.`;

const unknownRepository = (page: string, hasToken: boolean) =>
  `${page} does not exist, or is private: check owner and name` +
  (hasToken ? ", and whether the account of HF_TOKEN may read it." : ", or set HF_TOKEN to a token that may read it.");

/** Turns an error of the library, the network or the disk into one that says what was being fetched. */
export function explained(error: unknown, name: string, options: RequestOptions): unknown {
  options.signal?.throwIfAborted();
  if (error instanceof DataError || (error as NodeJS.ErrnoException).syscall !== undefined)
    return new DataError(`${name}: ${(error as Error).message}`);
  return new DataError(
    `${name}: ${hubUrlOf(options)} did not answer as the Hub does: ${networkProblem(error)}. Check HF_ENDPOINT, and ` +
      "for a proxy or a login page in between.",
  );
}
