import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "../data/digest";
import { isObject } from "../data/validate";
import { loadTokenizer } from "../data/tokenizer";
import { tokenizerFiles } from "../data/tokenizer-files";
import { fileDigest, filesDigest, fileStamp, modelFiles, pathsOf, storedScalars } from "../model/model-digest";
import { readJsonIfAny, writeFileAtomic } from "./files";

export { fileDigest };

interface Entry {
  /** of the files that the value depends on */
  stamp: string;
  value: unknown;
  /** of stamp and value: an entry that was damaged is not used */
  check: string;
}

/**
 * Caches values computed from files, in `.digests.json` of the store. An entry is valid as long as the files keep
 * their size, times and inode. With it, finding a hundred finished runs reads no model and tokenizes nothing.
 */
export class DigestCache {
  private readonly file: string;
  private readonly entries: Map<string, Entry>;
  private changed = false;

  /** @param store the run store's folder; it need not exist yet */
  constructor(private readonly store: string) {
    this.file = join(store, ".digests.json");
    this.entries = new Map(Object.entries(this.load()));
  }

  /**
   * Returns the cached value, or calls `compute` and caches the result until {@link save} writes it.
   * @param kind type of the value; part of the key, together with the first file
   * @param files the files that the value depends on; all must exist
   * @param compute returns a value that can be stored as JSON
   */
  of<T>(kind: string, files: string[], compute: () => T): T {
    const key = `${kind} ${files[0]}`;
    const stamp = sha256(...files.map(fileStamp));
    const known = this.entries.get(key);
    if (known?.stamp === stamp) return known.value as T;
    const value = compute();
    this.entries.set(key, { stamp, value, check: checkOf(stamp, value) });
    this.changed = true;
    return value;
  }

  /** Writes new entries to the store. Does nothing if the store cannot be written. */
  save(): void {
    if (!this.changed) return;
    this.changed = false;
    try {
      mkdirSync(this.store, { recursive: true });
      writeFileAtomic(this.file, JSON.stringify({ ...this.load(), ...Object.fromEntries(this.entries) }));
    } catch {
      /* only a cache: a read-only store must remain usable */
    }
  }

  private load(): Record<string, Entry> {
    const content = readJsonIfAny(this.file);
    return isObject(content) ? Object.fromEntries(Object.entries(content).filter(isIntact)) : {};
  }
}

const checkOf = (stamp: string, value: unknown): string => sha256(stamp, JSON.stringify(value));

function isIntact(entry: [string, unknown]): entry is [string, Entry] {
  if (!isObject(entry[1])) return false;
  const { stamp, value, check } = entry[1];
  return typeof stamp === "string" && value !== undefined && check === checkOf(stamp, value);
}

/**
 * Computes the digest of a Hugging Face model directory and counts the model's parameters. The digest is of config.json
 * and all .safetensors files; if the model is a PyTorch checkpoint, of config.json and the checkpoint's files. That of an
 * adapter's directory covers its base; its parameters are those of the merged model.
 * @returns `digest`: SHA-256 in hexadecimal; `parameters`: number of scalar parameters
 * @throws {ModelError} if config.json or the files are missing, or the files are damaged
 */
export function modelDigest(dir: string, cache: DigestCache): { digest: string; parameters: number } {
  const files = modelFiles(dir);
  return cache.of("model", pathsOf(files), () => ({ digest: filesDigest(files), parameters: storedScalars(files) }));
}

/**
 * Computes the digest of a directory's tokenizer, see {@link loadTokenizer}.
 * @throws {DataError} if tokenizer files are missing or invalid
 */
export function tokenizerDigest(dir: string, cache: DigestCache): string {
  const files = tokenizerFiles(dir);
  if (files.length === 0) return loadTokenizer(dir).digest; // throws an error that names the missing file
  return cache.of("tokenizer", files, () => loadTokenizer(dir).digest);
}
