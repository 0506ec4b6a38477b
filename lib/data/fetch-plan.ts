// What there is to fetch: files, sizes, digests, commit and license of a repository. The library @huggingface/hub
// speaks to the Hub.
import { abortSignal, checkOptions, count, type OptionSchemas } from "./arguments";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import * as v from "valibot";
import type { CatalogueEntry } from "./catalogue";
import { partialBytes, type Digest } from "./download";
import { DataError } from "./errors";
import {
  fetchedPath,
  hubFolder,
  isAllThere,
  isDataFile,
  isThere,
  parseHubReference,
  readFetched,
  shortList,
  type Fetched,
  type HubKind,
} from "./hub";
import { explained, hubRequests, hubUrlOf, printable, type HubRequests, type RequestOptions } from "./hub-requests";
import { isInnerPath } from "./inner-path";
import { rule, text, validated, wholeNumber } from "./validate";

/** Options of the functions that find out what there is to fetch. */
export interface PlanOptions extends RequestOptions {
  /** base URL of GitHub's files or of a mirror; default https://raw.githubusercontent.com */
  githubUrl?: string;
  /** size limit in bytes of a file from GitHub whose size the catalogue does not have; default 2 GiB */
  maxBytes?: number;
}

const atLeastZero = rule("a number of at least 0", (value) => typeof value === "number" && value >= 0);

/** What the options of {@link planFetch} must be. */
export const PLAN_OPTIONS: OptionSchemas<PlanOptions> = {
  hubUrl: text,
  githubUrl: text,
  maxBytes: count,
  signal: abortSignal,
  timeoutSeconds: atLeastZero,
  retries: wholeNumber(0),
  backoffSeconds: atLeastZero,
};

/** What is to be fetched: a repository of the Hub, or an entry of the catalogue into a data directory. */
export type Wanted = { kind: HubKind; reference: string } | { entry: CatalogueEntry; dir: string };

/** What fetching would do. */
export interface FetchPlan {
  /** the `hf:` reference, or the entry's name in the catalogue */
  name: string;
  kind: HubKind;
  source: "hub" | "github";
  /** `owner/name` */
  repository: string;
  /** the revision that was asked for */
  revision: string;
  /** the commit that it stands for; on GitHub the revision */
  commit: string;
  /** license that the catalogue or the repository's card states; null if none */
  license: string | null;
  /** absolute path of the folder that the files are written below */
  folder: string;
  /** absolute path of the record of what has been fetched */
  record: string;
  /** true if the files are all that is wanted of the repository */
  whole: boolean;
  files: PlannedFile[];
}

/** A file that a server has. */
interface ListedFile {
  /** path in the repository */
  path: string;
  bytes: number;
  /** what the content must be: the catalogue's digest, else what the Hub reports; null if neither is known */
  digest: Digest | null;
  /** text that changes with the content; null if the server has none */
  version: string | null;
}

/** A file of a plan. */
export interface PlannedFile extends ListedFile {
  /** path below the plan's folder */
  saveAs: string;
  /** true if the file was fetched before, and is still there */
  fetched: boolean;
}

/**
 * Finds out what there is to fetch. Asks the Hub, unless everything was fetched before. A repository that was fetched
 * before stays at the commit that it had then; delete its folder to fetch a newer one.
 *
 * @throws {DataError} if the reference is malformed; the repository, revision or file does not exist or is gated; files
 *   have other sizes or digests than in the catalogue, or unsafe paths; or the server cannot be reached
 */
export async function planFetch(wanted: Wanted, options: PlanOptions = {}): Promise<FetchPlan> {
  checkOptions("planFetch", options, PLAN_OPTIONS);
  const plan = "entry" in wanted ? entryPlan(wanted.entry, wanted.dir) : referencePlan(wanted.kind, wanted.reference);
  const file = "entry" in wanted ? undefined : parseHubReference(wanted.reference).file;
  const before = recordOf(plan);
  if (before && isAllThere(before, plan.folder, file)) return { ...plan, ...planOfRecord(before, file) };
  const requests = hubRequests(pageOf(plan, options), before?.commit ?? plan.revision, options);
  try {
    const listing =
      "entry" in wanted && plan.source === "github"
        ? await listGithub(wanted.entry, requests, options)
        : await listHub(plan, before?.commit ?? plan.revision, requests);
    const files = "entry" in wanted ? filesOfEntry(wanted.entry, listing) : filesOfReference(plan, listing, file);
    const unsafe = files.find(({ saveAs }) => !isInnerPath(saveAs));
    if (unsafe) throw new DataError(`${JSON.stringify(unsafe.saveAs)} is not a path inside a folder.`);
    const isFetched = (path: string) =>
      before?.files.some((entry) => entry.path === path && isThere(plan.folder, entry)) ?? false;
    return {
      ...plan,
      commit: listing.commit,
      license: plan.license ?? listing.license,
      files: files.map((planned) => ({ ...planned, fetched: isFetched(planned.saveAs) })),
    };
  } catch (error) {
    throw explained(error, plan.name, options);
  } finally {
    requests.close();
  }
}

/** URL of a plan's repository. */
export function pageOf({ kind, source, repository }: FetchPlan, options: PlanOptions): string {
  if (source === "github") return `https://github.com/${repository}`;
  return `${hubUrlOf(options)}/${kind === "dataset" ? "datasets/" : ""}${repository}`;
}

/** URL of a file on GitHub. */
export function githubFileUrl(repository: string, revision: string, path: string, { githubUrl }: PlanOptions): string {
  const base = (githubUrl ?? "https://raw.githubusercontent.com").replace(/\/+$/, "");
  return `${base}/${encodePath(`${repository}/${revision}/${path}`)}`;
}

/** Encodes a path for a URL; the library leaves this to its caller. */
export const encodePath = (path: string) => path.split("/").map(encodeURIComponent).join("/");

/** The record of an earlier fetch of a plan's repository at the same revision. */
export function recordOf({ record, repository, revision }: FetchPlan): Fetched | undefined {
  const before = readFetched(record);
  return before?.repository === repository && before.revision === revision ? before : undefined;
}

/** Number of bytes of a plan that are not on the disk yet. */
export function missingBytes({ files, folder }: FetchPlan): number {
  return files
    .map(({ saveAs, bytes }) => ({ path: join(folder, saveAs), bytes }))
    .filter(({ path }) => !existsSync(path))
    .reduce((sum, { path, bytes }) => sum + Math.max(0, bytes - partialBytes(path)), 0);
}

function referencePlan(kind: HubKind, reference: string): FetchPlan {
  const { repository, revision, file } = parseHubReference(reference);
  const folder = hubFolder(kind, reference);
  return {
    name: reference,
    kind,
    source: "hub",
    repository,
    revision,
    commit: revision,
    license: null,
    folder,
    record: fetchedPath(folder),
    whole: file === undefined,
    files: [],
  };
}

function entryPlan({ name, source, repository, revision, license }: CatalogueEntry, dir: string): FetchPlan {
  const folder = resolve(dir);
  return {
    name,
    kind: "dataset",
    source,
    repository,
    revision,
    commit: revision,
    license: license.stated,
    folder,
    record: join(folder, ".fetched", `${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.json`),
    whole: true,
    files: [],
  };
}

/** The part of a plan that says what is there already. */
function planOfRecord({ commit, license, files }: Fetched, file: string | undefined): Partial<FetchPlan> {
  const wanted = files.filter(({ path }) => file === undefined || path === file);
  return {
    commit,
    ...(license !== null && { license }),
    files: wanted.map(({ path, bytes, sha256 }) => {
      const digest: Digest = { kind: "sha256", value: sha256 };
      return { path, saveAs: path, bytes, digest, version: null, fetched: true };
    }),
  };
}

interface Listing {
  commit: string;
  license: string | null;
  files: ListedFile[];
}

const INFO = v.looseObject({
  sha: rule<string>("a commit", (value) => /^[0-9a-f]{40}$/.test(String(value))),
  cardData: v.optional(v.unknown()),
});
const LISTED = v.looseObject({
  type: text,
  path: text,
  size: wholeNumber(0),
  oid: v.optional(text),
  xetHash: v.optional(text),
  lfs: v.optional(v.looseObject({ oid: text, size: wholeNumber(0) })),
});

/** Asks the Hub for commit, license and files of a repository. */
async function listHub({ kind, repository }: FetchPlan, revision: string, requests: HubRequests): Promise<Listing> {
  const hub = await import("@huggingface/hub");
  const options = { hubUrl: requests.hubUrl, fetch: requests.fetch };
  const asked = { ...options, name: repository, revision };
  const answer =
    kind === "model"
      ? await hub.modelInfo({ ...asked, additionalFields: ["sha", "cardData"] })
      : await hub.datasetInfo({ ...asked, additionalFields: ["sha", "cardData"] });
  const { sha, cardData } = validated(INFO, answer, "what the Hub says", DataError);
  const files: ListedFile[] = [];
  const repo = { type: kind, name: repository };
  for await (const entry of hub.listFiles({ ...options, repo, revision: sha, recursive: true })) {
    const { type, path, size, oid, xetHash, lfs } = validated(LISTED, entry, "what the Hub lists", DataError);
    if (!isInnerPath(path)) throw new DataError(`the Hub lists ${JSON.stringify(path)}, not a path inside a folder.`);
    // a large file's own name in git is that of a pointer to it
    const digest: Digest | null = lfs
      ? { kind: "sha256", value: lfs.oid.replace(/^sha256:/, "") }
      : oid && !xetHash
        ? { kind: "git", value: oid }
        : null;
    if (type === "file")
      files.push({ path, bytes: lfs?.size ?? size, digest, version: digest?.value ?? xetHash ?? null });
  }
  return { commit: sha, license: licenseOf(cardData), files };
}

/** The license in a repository's card: identifiers, and the name of one that is "other". */
function licenseOf(card: unknown): string | null {
  const { license, license_name: name } = (card ?? {}) as Record<string, unknown>;
  const stated = [license].flat().filter((part) => typeof part === "string" && part !== "");
  if (stated.length === 0) return null;
  return printable(stated.join(", ") + (typeof name === "string" && name !== "" ? ` (${name})` : ""));
}

/** Asks GitHub for the sizes of an entry's files. */
async function listGithub(entry: CatalogueEntry, requests: HubRequests, options: PlanOptions): Promise<Listing> {
  const { repository, revision } = entry;
  const files: ListedFile[] = [];
  for (const { path, bytes } of entry.files) {
    const url = githubFileUrl(repository, revision, path, options);
    const { headers } = await requests.fetch(url, { method: "HEAD" });
    const size = Number(headers.get("content-length") ?? NaN);
    if (!Number.isSafeInteger(size)) throw new DataError(`${url}: the server does not say how large the file is.`);
    const { maxBytes = 2 ** 31 } = options;
    if (bytes === null && size > maxBytes) throw new DataError(`${url} has ${size} bytes, over the limit ${maxBytes}.`);
    const etag = headers.get("etag");
    // a weak ETag does not promise the same bytes
    files.push({ path, bytes: size, digest: null, version: etag?.startsWith("W/") ? null : etag });
  }
  return { commit: revision, license: null, files };
}

/** Finds the files of an entry, and compares sizes and digests with those of the catalogue. */
function filesOfEntry({ repository, revision, files }: CatalogueEntry, listing: Listing): PlannedFile[] {
  const where = `${repository} at ${revision}`;
  return files.map(({ path, saveAs, bytes, sha256 }) => {
    const found = listing.files.find((file) => file.path === path);
    if (!found)
      throw new DataError(
        `${where} has no file ${path}. It has: ${shortList(listing.files.map((file) => file.path)) || "no files"}.`,
      );
    const { digest } = found;
    if (sha256 !== null && digest?.kind === "sha256" && digest.value !== sha256)
      throw new DataError(
        `${path} of ${where} has SHA-256 ${digest.value}, but ${sha256} in the catalogue; it was not fetched.`,
      );
    if (bytes !== null && found.bytes !== bytes)
      throw new DataError(
        `${path} of ${where} has ${found.bytes} bytes, but ${bytes} in the catalogue; it was not fetched.`,
      );
    return { ...found, digest: sha256 === null ? digest : { kind: "sha256", value: sha256 }, saveAs, fetched: false };
  });
}

/** Files of a model that are used beside its weights. */
const MODEL_FILES = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "tokenizer.model",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "chat_template.json",
  "chat_template.jinja",
];
/**
 * Weights and their index, without other layouts of the same (`consolidated.safetensors`) and other precisions; those of
 * the first format that a repository has are fetched.
 */
const WEIGHTS = [
  { file: /^model(-\d+-of-\d+)?\.safetensors$/, index: "model.safetensors.index.json" },
  { file: /^pytorch_model(-\d+-of-\d+)?\.bin$/, index: "pytorch_model.bin.index.json" },
];
const TEXTS = /^(LICEN[CS]E|NOTICE|README|USE_POLICY)[^/]*$/i;

/** Chooses the files that a reference asks for; weights come last. */
function filesOfReference(plan: FetchPlan, listing: Listing, file: string | undefined): PlannedFile[] {
  const paths = listing.files.map(({ path }) => path);
  const wanted = plan.kind === "model" ? modelFiles(paths) : datasetFiles(paths, file);
  return wanted.map((path) => {
    const listed = listing.files.find((other) => other.path === path)!;
    return { ...listed, saveAs: path, fetched: false };
  });
}

function modelFiles(paths: string[]): string[] {
  const format = WEIGHTS.find(({ file }) => paths.some((path) => file.test(path)));
  if (!format && paths.includes("adapter_config.json"))
    throw new DataError(
      "the repository has an adapter and no model. Fetch the model that its adapter_config.json names as " +
        '"base_model_name_or_path", put the adapter into a folder beside it, write the directory of the fetched model there, ' +
        "and give that folder as the model; or publish the merged model (merge_and_unload() of PEFT).",
    );
  if (!paths.includes("config.json")) throw new DataError("the repository has no config.json: it is not a model.");
  if (!format) {
    const others = shortList(paths.filter((path) => /\.(safetensors|bin|gguf|pth|pt)$/.test(path)));
    throw new DataError(
      `the repository has no model.safetensors or pytorch_model.bin, whole or in shards; its weights: ` +
        `${others || "none"}. Look for a copy of the model in one of these formats, or convert it with save_pretrained ` +
        "of Transformers.",
    );
  }
  const isUsed = (path: string) => MODEL_FILES.includes(path) || path === format.index || TEXTS.test(path);
  return [...paths.filter(isUsed), ...paths.filter((path) => format.file.test(path))];
}

function datasetFiles(paths: string[], file: string | undefined): string[] {
  const data = paths.filter(isDataFile);
  if (file !== undefined && !paths.includes(file))
    throw new DataError(`the repository has no file ${file}. Its data files: ${shortList(data) || "none"}.`);
  if (file !== undefined) return [file];
  if (data.length === 0)
    throw new DataError(
      `the repository has no .json, .jsonl or .parquet file, but: ${shortList(paths) || "no files"}. Repositories with ` +
        "a loading script have their converted data at the revision refs/convert/parquet.",
    );
  return [...paths.filter((path) => TEXTS.test(path)), ...data];
}
