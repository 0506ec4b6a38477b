import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
  closeSync,
} from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { datasetEntry, type CatalogueEntry, type CatalogueFile } from "./catalogue";
import { DataError } from "./errors";
import { backoff, networkProblem, retryAfter, wait } from "./http";

/** Options of {@link fetchDataset}. */
export interface FetchOptions {
  /** base URL of a mirror with the same path layout; default that of the Hugging Face Hub or of GitHub */
  baseUrl?: string;
  /** commit or branch; default the catalogue's, whose sizes and digests are checked for that revision only */
  revision?: string;
  /** interrupts the download; a partly downloaded file is kept */
  signal?: AbortSignal;
  /** called while a file is downloaded */
  onProgress?: (progress: FetchProgress) => void;
  /** size limit per file in bytes, where the catalogue has no size; default 2 GiB */
  maxBytes?: number;
  /** seconds without data after which a connection is closed; default 60 */
  timeoutSeconds?: number;
  /** number of retries after a dropped connection or a busy server, each resuming the download; default 3 */
  retries?: number;
  /** delay before the first retry in seconds; doubles with each retry; default 1 */
  backoffSeconds?: number;
}

/** Progress of a download, reported after each chunk. */
export interface FetchProgress {
  /** `saveAs` path of the current file */
  file: string;
  /** number of files of the dataset */
  files: number;
  /** number of files already complete */
  filesDone: number;
  /** bytes of the current file so far */
  bytes: number;
  /** size of the current file; null if the server does not send it */
  totalBytes: number | null;
}

/** A file of a dataset on the local disk. */
export interface FetchedFile {
  /** local path */
  path: string;
  bytes: number;
  /** SHA-256 of the file, 64 lowercase hexadecimal digits */
  sha256: string;
  /** true if the digest equals the catalogue's, false if the catalogue has none for this revision */
  verified: boolean;
  /** true if the file already existed and was not downloaded */
  cached: boolean;
}

/** Everything needed to download one file. */
interface Download {
  url: URL;
  /** path of the partial file */
  part: string;
  file: CatalogueFile;
  entry: CatalogueEntry;
  options: FetchOptions;
  report: (bytes: number, totalBytes: number | null) => void;
}

/** Outcome of one attempt that did not fail for good; `pause` is the delay before the next attempt in seconds. */
type AttemptResult = { complete: true } | { complete: false; problem: string; pause?: number };

const HOSTS = { hub: "https://huggingface.co", github: "https://raw.githubusercontent.com" };
const MAX_REDIRECTS = 5;
/** Longest pause requested by a server that is waited for, in seconds. */
const MAX_PAUSE = 600;

/**
 * Downloads the files of a dataset into a directory.
 *
 * Existing files are kept if their digest is correct. A file is first written as `<name>.part`, then checked for size
 * and digest, then renamed. After an interruption the next attempt or call resumes the partial file, provided that the
 * server's ETag shows the same file. The token in `HF_TOKEN` is sent to the Hub only, never to a redirect target on
 * another host.
 *
 * @param dataset name of a dataset in the catalogue, or an entry of the same form
 * @param dir data directory; created if missing
 * @returns the files of the dataset, in catalogue order
 * @throws {DataError} if the dataset is unknown, the server cannot be reached or denies access, a file does not exist,
 *   is too large or has the wrong digest, or a path would be outside `dir`; names file and URL
 * @throws the signal's reason if interrupted
 */
export async function fetchDataset(
  dataset: string | CatalogueEntry,
  dir: string,
  options: FetchOptions = {},
): Promise<FetchedFile[]> {
  const entry = typeof dataset === "string" ? datasetEntry(dataset) : dataset;
  const targets = entry.files.map((file) => ({
    file: expectedFile(file, entry, options),
    path: targetPath(dir, file.saveAs),
    url: fileUrl(entry, file, options),
  }));
  const fetched: FetchedFile[] = [];
  for (const { file, path, url } of targets) {
    options.signal?.throwIfAborted();
    const report = (bytes: number, totalBytes: number | null) => {
      options.onProgress?.({ file: file.saveAs, files: targets.length, filesDone: fetched.length, bytes, totalBytes });
    };
    mkdirSync(dir, { recursive: true });
    checkInside(dir, path, file.saveAs);
    mkdirSync(dirname(path), { recursive: true });
    fetched.push(
      (await existingFile(path, file)) ??
        (await fetchFile({ url, part: `${path}.part`, file, entry, options, report }, path)),
    );
  }
  return fetched;
}

/** Returns the file without size and digest if another revision is requested, since they belong to the catalogue's. */
function expectedFile(file: CatalogueFile, entry: CatalogueEntry, { revision }: FetchOptions): CatalogueFile {
  return revision === undefined || revision === entry.revision ? file : { ...file, bytes: null, sha256: null };
}

function fileUrl(entry: CatalogueEntry, { path }: CatalogueFile, options: FetchOptions): URL {
  const { repository, source } = entry;
  const encoded = (text: string) => text.split("/").map(encodeURIComponent).join("/");
  const revision = options.revision ?? entry.revision;
  if (
    [repository, revision, path].some((part) => part.split("/").some((segment) => ["", ".", ".."].includes(segment)))
  ) {
    throw new DataError(
      `${entry.name}: repository ${repository}, revision ${revision} and path ${path} must not contain ` +
        'empty segments, "." or "..".',
    );
  }
  const base = (options.baseUrl ?? HOSTS[source]).replace(/\/+$/, "");
  try {
    return new URL(
      source === "hub"
        ? `${base}/datasets/${encoded(repository)}/resolve/${encodeURIComponent(revision)}/${encoded(path)}`
        : `${base}/${encoded(repository)}/${encoded(revision)}/${encoded(path)}`,
    );
  } catch {
    throw new DataError(`baseUrl ${base} is not a valid URL; it must look like https://host.`);
  }
}

/** Joins the data directory and a relative path; rejects paths that leave the directory. */
function targetPath(dir: string, path: string): string {
  const invalid =
    path === "" ||
    path.includes("\0") ||
    path.includes("\\") ||
    isAbsolute(path) ||
    path.split("/").some((segment) => ["", ".", ".."].includes(segment));
  if (invalid)
    throw new DataError(
      `saveAs ${JSON.stringify(path)} is not a path inside the data directory; nothing was downloaded.`,
    );
  return join(resolve(dir), ...path.split("/"));
}

/** Rejects paths that leave the data directory through a symbolic link. */
function checkInside(dir: string, path: string, name: string): void {
  let existing = path;
  while (!existsSync(existing)) existing = dirname(existing);
  const inside = relative(realpathSync(dir), realpathSync(existing));
  if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside))
    throw new DataError(`${name} would be written outside ${dir} through a symbolic link; it was not downloaded.`);
}

async function existingFile(path: string, { sha256 }: CatalogueFile): Promise<FetchedFile | undefined> {
  if (!existsSync(path)) return undefined;
  const digest = await fileDigest(path);
  if (sha256 !== null && digest !== sha256) {
    throw new DataError(
      `${path} already exists but is not the catalogue's file (SHA-256 ${digest} instead of ${sha256}). ` +
        "Move it away, or use another directory.",
    );
  }
  return { path, bytes: statSync(path).size, sha256: digest, verified: sha256 !== null, cached: true };
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Downloads one file with retries, checks it and renames it to `path`. */
async function fetchFile(download: Download, path: string): Promise<FetchedFile> {
  const { url, part, file, options } = download;
  const { retries = 3, backoffSeconds = 1, signal } = options;
  for (let retry = 1; ; retry++) {
    const result = await attempt(download);
    if (result.complete) break;
    if (retry > retries || (result.pause ?? 0) > MAX_PAUSE) {
      const advice =
        existsSync(part) && statSync(part).size > 0
          ? ` The first ${statSync(part).size} bytes are kept; the same call resumes the download.`
          : " You can also copy the file there by hand.";
      throw new DataError(`${file.saveAs} cannot be downloaded from ${url.href}: ${result.problem}.${advice}`);
    }
    await wait(result.pause ?? backoff(retry, backoffSeconds), signal);
  }
  const digest = await fileDigest(part);
  const { size } = statSync(part);
  if ((file.bytes !== null && size !== file.bytes) || (file.sha256 !== null && digest !== file.sha256)) {
    discard(part);
    throw new DataError(
      `${file.saveAs} from ${url.href} is not the file that the catalogue describes: ` +
        `${size} bytes with SHA-256 ${digest} instead of ${file.bytes ?? "?"} bytes with ${file.sha256 ?? "?"}. ` +
        "The download was deleted. If the source has changed on purpose, pass its revision.",
    );
  }
  renameSync(part, path);
  discard(part);
  return { path, bytes: size, sha256: digest, verified: file.sha256 !== null, cached: false };
}

/** Path of the ETag of a partial file: the download is resumed only if the server still has the file with this ETag. */
const etagPath = (part: string) => `${part}.etag`;

/** Deletes a partial file and its ETag. */
function discard(part: string): void {
  rmSync(part, { force: true });
  rmSync(etagPath(part), { force: true });
}

/** Makes one attempt to download or resume a file; closes the connection after `timeoutSeconds` without data. */
async function attempt(download: Download): Promise<AttemptResult> {
  const { signal, timeoutSeconds = 60 } = download.options;
  const controller = new AbortController();
  const stop = () => controller.abort(signal!.reason);
  signal?.addEventListener("abort", stop, { once: true });
  let timeout = setTimeout(() => controller.abort(), 1000 * timeoutSeconds);
  const resetTimeout = () => {
    clearTimeout(timeout);
    timeout = setTimeout(() => controller.abort(), 1000 * timeoutSeconds);
  };
  try {
    signal?.throwIfAborted();
    return await transfer(download, controller.signal, resetTimeout);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof DataError) throw error;
    if (isStorageError(error)) {
      throw new DataError(`${download.part}: cannot be written (${(error as Error).message}).`);
    }
    return {
      complete: false,
      problem: controller.signal.aborted ? `no data for ${timeoutSeconds} s` : networkProblem(error),
    };
  } finally {
    clearTimeout(timeout);
    signal?.removeEventListener("abort", stop);
  }
}

/** Sends the request, with a range if a partial file exists, checks the response and writes the body. */
async function transfer(download: Download, signal: AbortSignal, onData: () => void): Promise<AttemptResult> {
  const { url, part, file, entry, options, report } = download;
  const limit = file.bytes ?? options.maxBytes ?? 2 ** 31;
  const savedEtag = existsSync(etagPath(part)) ? readFileSync(etagPath(part), "utf8") : "";
  const savedBytes = savedEtag !== "" && existsSync(part) ? statSync(part).size : 0;
  const rangeHeaders: Record<string, string> =
    savedBytes > 0 ? { range: `bytes=${savedBytes}-`, "if-range": savedEtag } : {};
  const response = await request(url, entry, rangeHeaders, signal);
  if (response.status === 416) {
    await response.body?.cancel();
    if (response.headers.get("content-range") === `bytes */${savedBytes}`) return { complete: true };
    discard(part);
    return { complete: false, problem: "the server's file is shorter than the partial download", pause: 0 };
  }
  if (!response.ok) {
    await response.body?.cancel();
    return httpErrorResult(response, url, file, entry);
  }
  const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  const start = response.status === 206 && Number(range?.[1]) === savedBytes ? savedBytes : 0;
  if (response.status === 206 && start !== savedBytes) {
    discard(part);
    await response.body?.cancel();
    return { complete: false, problem: "the server resumed the download at the wrong position", pause: 0 };
  }
  const length = response.headers.get("content-encoding") ? null : response.headers.get("content-length");
  const total = length === null ? null : start + Number(length);
  if (response.headers.get("content-type")?.startsWith("text/html")) {
    throw new DataError(
      `${file.saveAs} cannot be downloaded: ${url.href} answered with a web page. ` +
        "Check for a proxy or a login page in between.",
    );
  }
  if (total !== null && total > limit) throw sizeError(download, total, limit);
  const etag = response.headers.get("etag") ?? "";
  if (start === 0) rmSync(part, { force: true });
  // a weak ETag does not guarantee identical bytes, so it cannot be used to resume
  writeFileSync(etagPath(part), etag.startsWith("W/") ? "" : etag);
  const size = await receive(response, part, start, (bytes) => {
    onData();
    if (bytes > limit) throw sizeError(download, bytes, limit);
    report(bytes, total);
  });
  return total !== null && size < total
    ? { complete: false, problem: `the connection ended after ${size} of ${total} bytes` }
    : { complete: true };
}

/**
 * Writes the response body into a partial file.
 *
 * @param start number of bytes to keep at the start of the partial file; the body is appended to them
 * @param onBytes called with the new size of the partial file before each chunk is written
 * @returns size of the partial file in bytes
 */
async function receive(
  response: Response,
  part: string,
  start: number,
  onBytes: (bytes: number) => void,
): Promise<number> {
  let size = start;
  const handle = openSync(part, start > 0 ? "a" : "w");
  try {
    for await (const chunk of response.body ?? []) {
      const bytes = chunk as Uint8Array;
      onBytes(size + bytes.length);
      for (let written = 0; written < bytes.length;) written += writeSync(handle, bytes, written);
      size += bytes.length;
    }
  } finally {
    closeSync(handle);
  }
  return size;
}

/** Sends a GET request and follows redirects itself, so that the token is sent only to the origin of `url`. */
async function request(
  url: URL,
  entry: CatalogueEntry,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  const token = entry.source === "hub" ? process.env.HF_TOKEN : undefined;
  let address = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const authorization = token && address.origin === url.origin ? { authorization: `Bearer ${token}` } : undefined;
    const response = await fetch(address, {
      headers: { "accept-encoding": "identity", ...headers, ...authorization },
      redirect: "manual",
      signal,
    });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || response.status === 304 || location === null)
      return response;
    await response.body?.cancel();
    const next = new URL(location, address);
    if (!["http:", "https:"].includes(next.protocol) || (address.protocol === "https:" && next.protocol === "http:")) {
      throw new DataError(
        `${address.href} redirects to ${next.protocol}//${next.host}; ` +
          "only redirects to http and https are followed, and none from https to http.",
      );
    }
    address = next;
  }
  throw new DataError(`${url.href} redirects more than ${MAX_REDIRECTS} times.`);
}

/** Returns a result to retry for a busy server; throws for any other HTTP error. */
function httpErrorResult(response: Response, url: URL, file: CatalogueFile, entry: CatalogueEntry): AttemptResult {
  const { status } = response;
  if (status === 408 || status === 429 || status >= 500)
    return { complete: false, problem: `HTTP ${status}`, pause: retryAfter(response.headers.get("retry-after")) };
  const advice =
    status === 404
      ? `Revision ${entry.revision} of ${entry.repository} does not contain this file.`
      : status === 401 || status === 403
        ? "Access is restricted: accept the terms on the dataset's page, and set HF_TOKEN."
        : "";
  throw new DataError(`${file.saveAs} cannot be downloaded from ${url.href}: HTTP ${status}. ${advice}`.trim());
}

/** Deletes the partial file and returns an error that names the size and the limit in bytes. */
function sizeError({ file, url, part }: Download, bytes: number, limit: number): DataError {
  discard(part);
  const limitName = file.bytes === null ? "the limit of" : "the catalogue's";
  return new DataError(
    `${file.saveAs} from ${url.href} has ${bytes} bytes or more, over ${limitName} ${limit}. The download was deleted.`,
  );
}

function isStorageError(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "");
}
