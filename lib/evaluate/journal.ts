import { appendFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { visibleText } from "../data/visible-text";
import { makeFolder, readJsonLines, writeFileAtomic, writing } from "../runs/files";
import { isObject } from "../data/validate";

/** Outcomes of a task's items so far, saved in a file so that an interrupted task can continue. */
export class Journal<T> {
  private readonly outcomes = new Map<number, T>();

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
    if (file === undefined) return;
    const [header, ...lines] = readJsonLines(file);
    const isSame = isObject(header) && header.settings === settings;
    const isEntry = (entry: unknown): entry is [number, T] =>
      Array.isArray(entry) && entry.length === 2 && isOutcome(entry[0] as number, entry[1]);
    const isWhole = (line: unknown) => Array.isArray(line) && line.every(isEntry);
    const damaged = isSame ? lines.findIndex((line) => !isWhole(line)) : 0;
    const kept = (damaged < 0 ? lines : lines.slice(0, damaged)) as [number, T][][];
    if (isSame && damaged >= 0) {
      console.warn(
        visibleText(`${file}: line ${damaged + 2} is damaged; its items and those that follow are done again.`),
      );
    }
    for (const [item, outcome] of kept.flat()) this.outcomes.set(item, outcome);
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
    const list = [...outcomes];
    for (const [item, outcome] of list) this.outcomes.set(item, outcome);
    const { file } = this;
    if (file !== undefined) writing(file, () => appendFileSync(file, jsonLine(list)));
  }

  /** Deletes the file. */
  remove(): void {
    if (this.file !== undefined) rmSync(this.file, { force: true });
  }
}

const jsonLine = (value: unknown): string => `${JSON.stringify(value)}\n`;
