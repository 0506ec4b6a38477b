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

export interface FetchOptions {
  /** another address of the same layout, such as a mirror; default the Hugging Face Hub's or GitHub's */
  baseUrl?: string;
  /** another commit or branch than the catalogue's; its sizes and digests are then not checked */
  revision?: string;
  signal?: AbortSignal;
  onProgress?: (progress: FetchProgress) => void;
  /** an upper limit for each file; default 2 GiB */
  maxBytes?: number;
  /** silence after which a connection is given up; default 60 */
  timeoutSeconds?: number;
  /** more tries after a cut connection or a busy server, each going on where the last one stopped; default 3 */
  retries?: number;
  /** the first wait between tries, which then doubles; default 1 */
  backoffSeconds?: number;
}

export interface FetchProgress {
  file: string;
  files: number;
  filesDone: number;
  /** of this file */
  bytes: number;
  /** null where the server does not say */
  totalBytes: number | null;
}

export interface FetchedFile {
  path: string;
  bytes: number;
  sha256: string;
  /** whether the digest is the catalogue's; false where that is not known */
  verified: boolean;
  /** it was there already */
  cached: boolean;
}

const HOSTS = { hub: "https://huggingface.co", github: "https://raw.githubusercontent.com" };
const MAX_REDIRECTS = 5;

/**
 * Fetches a data set of the catalogue, or one described the same way, into `dir`.
 *
 * Files that are there are kept if their digest is right. A file is written as `<name>.part` first, checked for size and digest,
 * and then takes its name; what a cut connection leaves is continued by the next try or call, if the server still has the same file.
 * A token in `HF_TOKEN` goes to the Hub itself and nowhere else.
 * @throws {DataError} naming file and address: offline, not found, not allowed, too big, wrong digest, or a path outside `dir`; the signal's reason when interrupted
 */
export async function fetchDataset(
  dataset: string | CatalogueEntry,
  dir: string,
  options: FetchOptions = {},
): Promise<FetchedFile[]> {
  const entry = typeof dataset === "string" ? datasetEntry(dataset) : dataset;
  const targets = entry.files.map((file) => ({
    file: expected(file, entry, options),
    path: pathWithin(dir, file.saveAs),
    url: addressOf(entry, file, options),
  }));
  const fetched: FetchedFile[] = [];
  for (const { file, path, url } of targets) {
    options.signal?.throwIfAborted();
    const report = (bytes: number, totalBytes: number | null) => {
      options.onProgress?.({ file: file.saveAs, files: targets.length, filesDone: fetched.length, bytes, totalBytes });
    };
    mkdirSync(dir, { recursive: true });
    stayWithin(dir, path, file.saveAs);
    mkdirSync(dirname(path), { recursive: true });
    fetched.push((await present(path, file)) ?? (await fetchFile(url, path, file, entry, options, report)));
  }
  return fetched;
}

/** The catalogue's size and digest belong to its own revision. */
function expected(file: CatalogueFile, entry: CatalogueEntry, { revision }: FetchOptions): CatalogueFile {
  return revision === undefined || revision === entry.revision ? file : { ...file, bytes: null, sha256: null };
}

function addressOf(entry: CatalogueEntry, { path }: CatalogueFile, options: FetchOptions): URL {
  const { repository, source } = entry;
  const encoded = (text: string) => text.split("/").map(encodeURIComponent).join("/");
  const revision = options.revision ?? entry.revision;
  if ([repository, revision, path].some((part) => part.split("/").some((step) => ["", ".", ".."].includes(step)))) {
    throw new DataError(
      `${entry.name}: ${repository}, ${revision}, ${path}: repository, revision and path must have no empty steps, "." or "..".`,
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
    throw new DataError(`${base} is not an address: baseUrl must look like https://host.`);
  }
}

function pathWithin(dir: string, path: string): string {
  const bad =
    path === "" ||
    path.includes("\0") ||
    path.includes("\\") ||
    isAbsolute(path) ||
    path.split("/").some((step) => ["", ".", ".."].includes(step));
  if (bad) throw new DataError(`${JSON.stringify(path)} is not a path below the data folder; nothing was fetched.`);
  return join(resolve(dir), ...path.split("/"));
}

/** Links that lead out of the folder are not followed. */
function stayWithin(dir: string, path: string, name: string): void {
  let existing = path;
  while (!existsSync(existing)) existing = dirname(existing);
  const inside = relative(realpathSync(dir), realpathSync(existing));
  if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside))
    throw new DataError(`${name} would be written outside ${dir}, through a link; nothing was fetched.`);
}

async function present(path: string, { sha256 }: CatalogueFile): Promise<FetchedFile | undefined> {
  if (!existsSync(path)) return undefined;
  const digest = await digestOf(path);
  if (sha256 !== null && digest !== sha256) {
    throw new DataError(
      `${path} is there, but is not the catalogue's file (SHA-256 ${digest} instead of ${sha256}). Move it away, or use another folder.`,
    );
  }
  return { path, bytes: statSync(path).size, sha256: digest, verified: sha256 !== null, cached: true };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** What a try can say besides an error: that the file is whole, or why another try may do better. */
type Try = { whole: true } | { whole: false; problem: string; pause?: number };

async function fetchFile(
  url: URL,
  path: string,
  file: CatalogueFile,
  entry: CatalogueEntry,
  options: FetchOptions,
  report: (bytes: number, total: number | null) => void,
): Promise<FetchedFile> {
  const { retries = 3, backoffSeconds = 1, signal } = options;
  const part = `${path}.part`;
  for (let retry = 1; ; retry++) {
    const outcome = await attempt(url, part, file, entry, options, report);
    if (outcome.whole) break;
    if (retry > retries || (outcome.pause ?? 0) > 600) {
      const kept =
        existsSync(part) && statSync(part).size > 0
          ? ` ${statSync(part).size} bytes are kept; the same call goes on from there.`
          : " The data can also be put there by hand.";
      throw new DataError(`${file.saveAs} cannot be fetched from ${url.href}: ${outcome.problem}.${kept}`);
    }
    await wait(outcome.pause ?? backoff(retry, backoffSeconds), signal);
  }
  const digest = await digestOf(part);
  const { size } = statSync(part);
  if ((file.bytes !== null && size !== file.bytes) || (file.sha256 !== null && digest !== file.sha256)) {
    discard(part);
    throw new DataError(
      `${file.saveAs} from ${url.href} is not the file that the catalogue describes: ${size} bytes with SHA-256 ${digest} instead of ` +
        `${file.bytes ?? "?"} bytes with ${file.sha256 ?? "?"}. It was thrown away. If the source has changed on purpose, give its revision.`,
    );
  }
  renameSync(part, path);
  discard(part);
  return { path, bytes: size, sha256: digest, verified: file.sha256 !== null, cached: false };
}

/** What a part was a part of: continued only if the server still has that. */
const tagFile = (part: string) => `${part}.etag`;

function discard(part: string): void {
  rmSync(part, { force: true });
  rmSync(tagFile(part), { force: true });
}

async function attempt(
  url: URL,
  part: string,
  file: CatalogueFile,
  entry: CatalogueEntry,
  options: FetchOptions,
  report: (bytes: number, total: number | null) => void,
): Promise<Try> {
  const { signal, timeoutSeconds = 60, maxBytes = 2 ** 31 } = options;
  const limit = file.bytes ?? maxBytes;
  const tag = existsSync(tagFile(part)) ? readFileSync(tagFile(part), "utf8") : "";
  const kept = tag !== "" && existsSync(part) ? statSync(part).size : 0;
  const controller = new AbortController();
  const stop = () => controller.abort(signal!.reason);
  signal?.addEventListener("abort", stop, { once: true });
  let silence = setTimeout(() => controller.abort(), 1000 * timeoutSeconds);
  const alive = () => {
    clearTimeout(silence);
    silence = setTimeout(() => controller.abort(), 1000 * timeoutSeconds);
  };
  try {
    signal?.throwIfAborted();
    const response = await request(
      url,
      entry,
      kept > 0 ? { range: `bytes=${kept}-`, "if-range": tag } : {},
      controller.signal,
    );
    if (response.status === 416) {
      await response.body?.cancel();
      if (response.headers.get("content-range") === `bytes */${kept}`) return { whole: true };
      discard(part);
      return { whole: false, problem: "the server has less of it than is here", pause: 0 };
    }
    if (!response.ok) {
      await response.body?.cancel();
      return refusal(response, url, file, entry);
    }
    const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
    const start = response.status === 206 && Number(range?.[1]) === kept ? kept : 0;
    if (response.status === 206 && start !== kept) {
      discard(part);
      await response.body?.cancel();
      return { whole: false, problem: "the server continued at the wrong place", pause: 0 };
    }
    const length = response.headers.get("content-encoding") ? null : response.headers.get("content-length");
    const total = length === null ? null : start + Number(length);
    if (response.headers.get("content-type")?.startsWith("text/html")) {
      throw new DataError(
        `${file.saveAs} cannot be fetched: ${url.href} answered with a web page. Is there a proxy or a login in between?`,
      );
    }
    if (total !== null && total > limit) throw tooBig(file, url, part, total, limit);
    // a weak tag does not promise the same bytes
    const etag = response.headers.get("etag") ?? "";
    if (start === 0) rmSync(part, { force: true });
    writeFileSync(tagFile(part), etag.startsWith("W/") ? "" : etag);
    const size = await receive(response, part, start, (bytes) => {
      alive();
      if (bytes > limit) throw tooBig(file, url, part, bytes, limit);
      report(bytes, total);
    });
    return total !== null && size < total
      ? { whole: false, problem: `the connection ended after ${size} of ${total} bytes` }
      : { whole: true };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof DataError) throw error;
    if (isStorage(error)) throw new DataError(`${part}: cannot be written (${(error as Error).message}).`);
    return {
      whole: false,
      problem: controller.signal.aborted ? `no data for ${timeoutSeconds} s` : networkProblem(error),
    };
  } finally {
    clearTimeout(silence);
    signal?.removeEventListener("abort", stop);
  }
}

/** Writes the body after the part's first `start` bytes; gives the size then. */
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
      for (let done = 0; done < bytes.length;) done += writeSync(handle, bytes, done);
      size += bytes.length;
    }
  } finally {
    closeSync(handle);
  }
  return size;
}

/** Follows redirects itself, so that the token stays with the host it is for. */
async function request(
  url: URL,
  entry: CatalogueEntry,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  const token = entry.source === "hub" ? process.env.HF_TOKEN : undefined;
  let address = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const own = token && address.origin === url.origin ? { authorization: `Bearer ${token}` } : undefined;
    const response = await fetch(address, {
      headers: { "accept-encoding": "identity", ...headers, ...own },
      redirect: "manual",
      signal,
    });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || response.status === 304 || location === null)
      return response;
    await response.body?.cancel();
    const next = new URL(location, address);
    if (!["http:", "https:"].includes(next.protocol) || (address.protocol === "https:" && next.protocol === "http:")) {
      throw new DataError(`${address.href} redirects to ${next.protocol}//${next.host}, which is not followed.`);
    }
    address = next;
  }
  throw new DataError(`${url.href} redirects more than ${MAX_REDIRECTS} times.`);
}

function refusal(response: Response, url: URL, file: CatalogueFile, entry: CatalogueEntry): Try {
  const { status } = response;
  if (status === 408 || status === 429 || status >= 500)
    return { whole: false, problem: `HTTP ${status}`, pause: retryAfter(response.headers.get("retry-after")) };
  const advice =
    status === 404
      ? `There is no such file at revision ${entry.revision} of ${entry.repository}.`
      : status === 401 || status === 403
        ? "It needs permission: accept its terms on its page, and set HF_TOKEN."
        : "";
  throw new DataError(`${file.saveAs} cannot be fetched from ${url.href}: HTTP ${status}. ${advice}`.trim());
}

function tooBig(file: CatalogueFile, url: URL, part: string, bytes: number, limit: number): DataError {
  discard(part);
  return new DataError(
    `${file.saveAs} from ${url.href} has ${bytes} bytes or more, over the ${file.bytes === null ? "limit" : "catalogue's"} ${limit}. It was thrown away.`,
  );
}

function isStorage(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "");
}
