import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { DataError, PromptlossError } from "./errors";
import { formatBytes } from "./format-bytes";
import type { RequestOptions } from "./hub-requests";
import { backoff, networkProblem, wait } from "./http";

/** A file on a server. */
export interface Source {
  url: string;
  /** size in bytes */
  bytes: number;
  /** what the content must be; null if nothing is known */
  digest: Digest | null;
  /** text that changes with the content: a partial file is continued only under the same; null if there is none */
  version: string | null;
  /** sends a request; throws if it is refused */
  fetch: typeof fetch;
}

/** SHA-256 of the content, or the name that git gives to it (SHA-1 with a header), in hexadecimal digits. */
export interface Digest {
  kind: "sha256" | "git";
  value: string;
}

/** Size and digests of a file. */
export interface Content {
  bytes: number;
  sha256: string;
  git: string;
}

/**
 * Downloads a file: into `<path>.part` first, which is checked and then renamed. After an interruption the next call
 * continues the partial file, if the server still has the same content.
 *
 * @param path absolute path; its folder is created
 * @param onBytes called with the number of bytes that are there so far
 * @returns the digests of the file
 * @throws {DataError} if the server cannot be reached, the content is not what it should be (both digests are named, and
 *   nothing is left), or the disk is full (the partial file is kept)
 * @throws the signal's reason if stopped; the partial file is kept
 */
export async function download(
  source: Source,
  path: string,
  options: RequestOptions = {},
  onBytes: (bytes: number) => void = () => {},
): Promise<Content> {
  const part = `${path}.part`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    prepare(part, source);
    await complete(source, part, options, onBytes);
    const content = await contentOf(part);
    checkContent(content, source, part);
    renameSync(part, path);
    discard(part);
    return content;
  } catch (error) {
    throw isStorageError(error) ? storageError(error, part, source) : error;
  }
}

/** Computes size and digests of a file in one pass. */
export async function contentOf(path: string): Promise<Content> {
  const { size } = statSync(path);
  const sha256 = createHash("sha256");
  const git = createHash("sha1").update(`blob ${size}\0`);
  for await (const chunk of createReadStream(path)) {
    sha256.update(chunk as Buffer);
    git.update(chunk as Buffer);
  }
  return { bytes: size, sha256: sha256.digest("hex"), git: git.digest("hex") };
}

/** Returns true if content is as expected. */
export function isContent(content: Content, bytes: number | null, digest: Digest | null): boolean {
  return (bytes === null || content.bytes === bytes) && (digest === null || content[digest.kind] === digest.value);
}

const versionPath = (part: string) => `${part}.version`;

/** Number of bytes that a partial file already has; 0 if there is none. */
export function partialBytes(path: string): number {
  return statSync(`${path}.part`, { throwIfNoEntry: false })?.size ?? 0;
}

/** Deletes a partial file of other content, and notes which content the next one has. */
function prepare(part: string, { version }: Source): void {
  const before = existsSync(versionPath(part)) ? readFileSync(versionPath(part), "utf8") : null;
  if (version === null || before !== version) discard(part);
  if (version !== null) writeFileSync(versionPath(part), version);
}

/** Deletes a partial file and the note of its version. */
function discard(part: string): void {
  rmSync(part, { force: true });
  rmSync(versionPath(part), { force: true });
}

/** Fetches what a partial file lacks. Retries are counted from the last byte that arrived. */
async function complete(
  source: Source,
  part: string,
  { signal, timeoutSeconds = 60, retries = 4, backoffSeconds = 1 }: RequestOptions,
  onBytes: (bytes: number) => void,
): Promise<void> {
  if (!existsSync(part)) writeFileSync(part, "");
  const size = () => statSync(part).size;
  for (let retry = 1; size() < source.bytes;) {
    const before = size();
    onBytes(before);
    signal?.throwIfAborted();
    let problem: string;
    try {
      problem = await append(source, part, timeoutSeconds, onBytes);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof PromptlossError || isStorageError(error)) throw error;
      problem = networkProblem(error);
    }
    if (size() >= source.bytes) break;
    if (size() > before) retry = 1;
    if (retry > retries)
      throw new DataError(
        `The download of ${source.url} broke off: ${problem}. The first ${size()} bytes are kept; the ` +
          "same call continues.",
      );
    await wait(backoff(retry++, backoffSeconds), signal);
  }
}

/** Makes one request for what is missing and appends it. Returns why it ended, for the case that it was too early. */
async function append(
  source: Source,
  part: string,
  timeoutSeconds: number,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const { url } = source;
  const start = statSync(part).size;
  const response = await source.fetch(url, start > 0 ? { headers: { range: `bytes=${start}-` } } : {});
  if (!response.ok) throw new DataError(`${url} does not exist (HTTP ${response.status}).`);
  if (response.headers.get("content-type")?.startsWith("text/html"))
    throw new DataError(`${url} answered with a web page: check for a proxy or a login page in between.`);
  const range = /^bytes (\d+)-\d*\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
  const continues = response.status === 206 && Number(range?.[1]) === start && Number(range?.[2]) === source.bytes;
  if (response.status === 206 && !continues) {
    await response.body?.cancel();
    throw new DataError(
      `${url} was asked for the bytes from ${start} of ${source.bytes}, and sent ` +
        `${response.headers.get("content-range")}: the file has changed. Run this again.`,
    );
  }
  const handle = openSync(part, continues ? "a" : "w"); // a server without ranges starts again
  try {
    let bytes = continues ? start : 0;
    for await (const chunk of chunksOf(response, timeoutSeconds)) {
      bytes += chunk.length;
      if (bytes > source.bytes) {
        discard(part);
        throw new DataError(`${url} sends more than the ${source.bytes} bytes that were announced; it was deleted.`);
      }
      for (let written = 0; written < chunk.length;) written += writeSync(handle, chunk, written);
      onBytes(bytes);
    }
    return `the connection ended after ${bytes} of ${source.bytes} bytes`;
  } finally {
    closeSync(handle);
  }
}

/** The chunks of an answer. @throws {Error} if none arrives for `timeoutSeconds` */
async function* chunksOf(response: Response, timeoutSeconds: number): AsyncGenerator<Uint8Array> {
  const reader = response.body!.getReader();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no data for ${timeoutSeconds} s`)), 1000 * timeoutSeconds);
      });
      const { done, value } = await Promise.race([reader.read(), late]).finally(() => clearTimeout(timer));
      if (done) return;
      yield value as Uint8Array;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function checkContent(content: Content, { bytes, digest }: Source, part: string): void {
  if (isContent(content, bytes, digest)) return;
  discard(part);
  const expected = digest === null ? "" : ` with ${nameOf(digest.kind)} ${digest.value}`;
  const found = digest === null ? "" : ` with ${content[digest.kind]}`;
  throw new DataError(
    `${part.replace(/\.part$/, "")}: ${content.bytes} bytes${found} were downloaded, but ${bytes} bytes${expected} ` +
      "were expected. The download was deleted; run this again, and if that does not help, ask who serves the file.",
  );
}

/** Name of a digest in messages. */
export const nameOf = (kind: Digest["kind"]) => (kind === "sha256" ? "SHA-256" : "git object name");

function isStorageError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error; // the network's errors have it in their cause
}

function storageError(error: NodeJS.ErrnoException, part: string, { bytes }: Source): DataError {
  const kept = statSync(part, { throwIfNoEntry: false })?.size ?? 0;
  if (error.code !== "ENOSPC" && error.code !== "EDQUOT")
    return new DataError(`${part}: cannot be written (${error.message}).`);
  return new DataError(
    `${part}: the disk is full. ${formatBytes(bytes - kept)} (${bytes - kept} bytes) more are needed for this file; ` +
      `the first ${kept} bytes are kept. Make room, and run this again.`,
  );
}
