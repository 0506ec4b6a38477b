import { aFunction, checkOptions } from "./arguments";
import { existsSync, mkdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { datasetEntry, type CatalogueEntry } from "./catalogue";
import { contentOf, download, isContent, nameOf } from "./download";
import { DataError } from "./errors";
import {
  encodePath,
  githubFileUrl,
  missingBytes,
  pageOf,
  PLAN_OPTIONS,
  planFetch,
  recordOf,
  type FetchPlan,
  type PlannedFile,
  type PlanOptions,
} from "./fetch-plan";
import { formatBytes } from "./format-bytes";
import { isHubReference, isThere, writeFetched, type Fetched } from "./hub";
import { explained, hubRequests, type HubRequests } from "./hub-requests";
import { innerPath } from "./inner-path";
import { defaultDataDir } from "./repository";

/** Options of the functions that fetch. */
export interface FetchOptions extends PlanOptions {
  /** called while files are downloaded */
  onProgress?: (progress: FetchProgress) => void;
}

const FETCH_OPTIONS = { ...PLAN_OPTIONS, onProgress: aFunction };

function planning(options: FetchOptions): PlanOptions {
  const forPlan = { ...options };
  delete forPlan.onProgress;
  return forPlan;
}

/** Progress of a plan, reported after each chunk. */
export interface FetchProgress {
  /** name of the plan */
  name: string;
  /** path of the current file in the repository */
  file: string;
  /** bytes of the current file so far */
  fileBytes: number;
  /** size of the current file */
  fileSize: number;
  /** bytes of the plan that are there */
  bytes: number;
  /** size of all files of the plan */
  totalBytes: number;
}

/** A file on the local disk. */
export interface FetchedFile {
  /** absolute path */
  path: string;
  bytes: number;
  /** SHA-256, 64 lowercase hexadecimal digits */
  sha256: string;
  /** true if the content is what the catalogue, the Hub or the record of an earlier fetch states; false if none does */
  verified: boolean;
  /** true if the file was there already */
  cached: boolean;
}

/**
 * Fetches a model from the Hugging Face Hub: configuration, tokenizer, chat template, license and weights; PyTorch's
 * checkpoint (pytorch_model.bin) only if there are no safetensors.
 *
 * @param reference such as `hf:owner/name@revision`
 * @returns folder of the files, as `hubFolder` returns it
 * @throws as {@link planFetch} and {@link fetchPlanned} do
 */
export async function fetchModel(reference: string, options: FetchOptions = {}): Promise<string> {
  checkOptions("fetchModel", options, FETCH_OPTIONS);
  const plan = await planFetch({ kind: "model", reference }, planning(options));
  await fetchPlanned(plan, options);
  return plan.folder;
}

/**
 * Fetches a data set: all data files of a repository of the Hub or the one that is named after `#`, or the files of an
 * entry of the catalogue.
 *
 * @param dataset such as `hf:owner/name@revision#file.json`, a name in the catalogue, or an entry of the same form
 * @param dir data directory, for entries of the catalogue; default: `datasets/benchmarks` in the repository's root
 * @throws as {@link planFetch} and {@link fetchPlanned} do
 */
export async function fetchDataset(
  dataset: string | CatalogueEntry,
  dir: string = defaultDataDir(),
  options: FetchOptions = {},
): Promise<FetchedFile[]> {
  checkOptions("fetchDataset", options, FETCH_OPTIONS);
  if (typeof dataset === "string" && isHubReference(dataset))
    return fetchPlanned(await planFetch({ kind: "dataset", reference: dataset }, planning(options)), options);
  const entry = typeof dataset === "string" ? datasetEntry(dataset) : dataset;
  return fetchPlanned(await planFetch({ entry, dir }, planning(options)), options);
}

/**
 * Downloads the files of a plan that are not there yet.
 *
 * Each file is written as `<name>.part`, checked for size and digest, then renamed. After an interruption the next call
 * continues within the partial file. The token in `HF_TOKEN` is sent to the Hub only.
 *
 * @returns all files of the plan
 * @throws {DataError} if the disk has not enough room, another file is in the way, access is denied, the connection is
 *   lost for good, or a file has the wrong digest; files that are complete are kept
 * @throws the signal's reason if stopped; the partial file is kept
 */
export async function fetchPlanned(plan: FetchPlan, options: FetchOptions = {}): Promise<FetchedFile[]> {
  checkOptions("fetchPlanned", options, FETCH_OPTIONS);
  const requests = hubRequests(pageOf(plan, options), plan.commit, options);
  const files: FetchedFile[] = [];
  try {
    mkdirSync(plan.folder, { recursive: true });
    checkRoom(plan);
    const record = startRecord(plan);
    for (const file of plan.files) {
      options.signal?.throwIfAborted();
      const known = file.fetched ? record.files.find(({ path }) => path === file.saveAs) : undefined;
      if (known) {
        const path = join(plan.folder, file.saveAs);
        files.push({ ...known, path, verified: file.digest !== null, cached: true });
        continue;
      }
      const done = await fetchFile(plan, file, requests, options);
      files.push(done);
      const { bytes, sha256 } = done;
      record.files = record.files.filter(({ path }) => path !== file.saveAs);
      record.files.push({ path: file.saveAs, bytes, sha256 });
      writeFetched(plan.record, record);
    }
    if (plan.whole && !record.complete) writeFetched(plan.record, { ...record, complete: true });
    return files;
  } catch (error) {
    throw explained(error, plan.name, options);
  } finally {
    requests.close();
  }
}

/** Refuses to begin what the disk has no room for. */
function checkRoom(plan: FetchPlan): void {
  const { bavail, bsize, blocks } = statfsSync(plan.folder);
  const [needed, free] = [missingBytes(plan), bavail * bsize];
  if (blocks > 0 && needed > free)
    throw new DataError(
      `${formatBytes(needed)} (${needed} bytes) more are needed in ${plan.folder}, but its disk has ` +
        `${formatBytes(free)} left. Make room, or name a folder on another disk with PROMPTLOSS_HUB or --dir.`,
    );
}

/** The record of a plan, which is written before the first file: later calls continue with the same commit. */
function startRecord(plan: FetchPlan): Fetched {
  const { repository, revision, commit, license, folder } = plan;
  const before = recordOf(plan);
  const files = before?.commit === commit ? before.files.filter((entry) => isThere(folder, entry)) : [];
  const complete = before?.complete === true && files.length === before.files.length;
  const record = { repository, revision, commit, license, complete, files };
  if (!complete) writeFetched(plan.record, record);
  return record;
}

/** Keeps a file that is there with the right content; otherwise downloads it. */
async function fetchFile(
  plan: FetchPlan,
  file: PlannedFile,
  requests: HubRequests,
  options: FetchOptions,
): Promise<FetchedFile> {
  const path = innerPath(plan.folder, file.saveAs);
  innerPath(plan.folder, `${file.saveAs}.part`);
  const verified = file.digest !== null;
  if (existsSync(path)) {
    const content = await contentOf(path);
    if (!isContent(content, file.bytes, file.digest)) {
      const { kind, value } = file.digest ?? { kind: "sha256", value: "?" };
      throw new DataError(
        `${path} is another file: ${content.bytes} bytes with ${nameOf(kind)} ${content[kind]} instead of ` +
          `${file.bytes} bytes with ${value}. Move it away, or fetch into another folder.`,
      );
    }
    return { path, bytes: content.bytes, sha256: content.sha256, verified, cached: true };
  }
  const url = await urlOf(plan, file, requests, options);
  const { bytes, digest, version } = file;
  const source = { url, bytes, digest, version, fetch: requests.fetch };
  const { sha256 } = await download(source, path, options, progressOf(plan, file, options));
  return { path, bytes, sha256, verified, cached: false };
}

function progressOf(plan: FetchPlan, file: PlannedFile, { onProgress }: FetchOptions): (fileBytes: number) => void {
  const sizeOf = (files: PlannedFile[]) => files.reduce((sum, { bytes }) => sum + bytes, 0);
  const others = plan.files.filter((other) => other !== file && existsSync(join(plan.folder, other.saveAs)));
  const [before, totalBytes] = [sizeOf(others), sizeOf(plan.files)];
  const { name } = plan;
  const { path, bytes: fileSize } = file;
  return (fileBytes) => onProgress?.({ name, file: path, fileBytes, fileSize, bytes: before + fileBytes, totalBytes });
}

/** Asks for the address of a file's content. */
async function urlOf(
  plan: FetchPlan,
  { path, bytes }: PlannedFile,
  requests: HubRequests,
  options: FetchOptions,
): Promise<string> {
  const { kind, source, repository, commit } = plan;
  if (source === "github") return githubFileUrl(repository, commit, path, options);
  if (bytes === 0) return pageOf(plan, options); // nothing to ask for
  const hub = await import("@huggingface/hub");
  const { hubUrl, fetch } = requests;
  const repo = { type: kind, name: repository };
  const info = await hub.fileDownloadInfo({ repo, path: encodePath(path), revision: commit, hubUrl, fetch });
  if (!info) throw new DataError(`${repository} has no file ${path} at ${commit}.`);
  return info.url;
}
