import { appendFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { sha256 } from "../data/digest";
import { visibleText } from "../data/visible-text";
import { makeFolder, readJsonLines, writeFileAtomic, writing } from "../runs/files";
import { isObject } from "../data/validate";

/**
 * Outcomes of a task's items so far, saved in a file so that an interrupted task can continue. Each line of the file
 * has a digest that covers it and the lines before, so that what is read back is what was written.
 */
export class Journal<T> {
  private readonly outcomes = new Map<number, T>();
  /** of the lines so far */
  private digest: string;

  /**
   * Opens the file and reads the outcomes saved in it, up to the first line that is damaged: what follows is done again,
   * and a warning is printed.
   * @param file undefined: outcomes are kept in memory only
   * @param settings key; saved outcomes are reused only if it matches
   * @param isOutcome whether a value can be the outcome of an item
   * @throws {StoreError} if the file cannot be read or written
   */
  constructor(
    private readonly file: string | undefined,
    settings: string,
    isOutcome: (item: number, value: unknown) => value is T,
  ) {
    this.digest = sha256(settings);
    if (file === undefined) return;
    const [header, ...lines] = readJsonLines(file);
    const isSame = isObject(header) && header.settings === settings;
    const isEntry = (entry: unknown): entry is [number, T] =>
      Array.isArray(entry) && entry.length === 2 && isOutcome(entry[0] as number, entry[1]);
    const kept: Line<T>[] = [];
    for (const line of isSame ? lines : []) {
      const [digest, list] = Array.isArray(line) ? (line as unknown[]) : [];
      if (!Array.isArray(list) || !list.every(isEntry) || digest !== this.digestWith(list)) {
        const damaged = `${file}: line ${kept.length + 2} is damaged; its items and those that follow are done again.`;
        console.warn(visibleText(damaged));
        break;
      }
      kept.push(this.keep(list));
    }
    makeFolder(dirname(file));
    writeFileAtomic(file, [{ settings }, ...kept].map(jsonLine).join(""));
  }

  /** Number of items with an outcome. */
  get size(): number {
    return this.outcomes.size;
  }

  /** Checks whether an item has an outcome. */
  has(item: number): boolean {
    return this.outcomes.has(item);
  }

  /** Returns the outcome of an item, which must have one. */
  get(item: number): T {
    return this.outcomes.get(item)!;
  }

  /**
   * Adds outcomes, and appends them to the file.
   * @throws {StoreError} if the file cannot be written
   */
  add(outcomes: Iterable<[number, T]>): void {
    const line = this.keep([...outcomes]);
    const { file } = this;
    if (file !== undefined) writing(file, () => appendFileSync(file, jsonLine(line)));
  }

  /** Keeps outcomes in memory; returns their line. */
  private keep(list: [number, T][]): Line<T> {
    for (const [item, outcome] of list) this.outcomes.set(item, outcome);
    this.digest = this.digestWith(list);
    return [this.digest, list];
  }

  private digestWith(list: [number, T][]): string {
    return sha256(this.digest, JSON.stringify(list));
  }

  /** Deletes the file. */
  remove(): void {
    if (this.file !== undefined) rmSync(this.file, { force: true });
  }
}

/** A line of the file: digest of this line and those before, outcomes by item. */
type Line<T> = [string, [number, T][]];

const jsonLine = (value: unknown): string => `${JSON.stringify(value)}\n`;
