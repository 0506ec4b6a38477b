import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { makeFolder, writeFileAtomic, writing } from "../runs/files";
import { dirname } from "node:path";

/** Outcomes of a task's items so far, saved in a file so that an interrupted task can continue. */
export class Journal<T> {
  private readonly outcomes = new Map<number, T>();

  /**
   * Opens the file and reads the outcomes saved in it.
   * @param file undefined: outcomes are kept in memory only
   * @param settings key; saved outcomes are reused only if it matches
   * @throws {StoreError} if the file cannot be written
   */
  constructor(
    private readonly file: string | undefined,
    settings: string,
  ) {
    if (file === undefined) return;
    const header = JSON.stringify({ settings });
    const [savedHeader, ...lines] = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    if (savedHeader !== header) {
      makeFolder(dirname(file));
      writeFileAtomic(file, `${header}\n`);
      return;
    }
    lines.pop(); // empty, or truncated by a crash
    for (const line of lines)
      for (const [item, outcome] of JSON.parse(line) as [number, T][]) this.outcomes.set(item, outcome);
    writeFileAtomic(file, [header, ...lines, ""].join("\n"));
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
    if (file !== undefined) writing(file, () => appendFileSync(file, `${JSON.stringify(list)}\n`));
  }

  /** Deletes the file. */
  remove(): void {
    if (this.file !== undefined) rmSync(this.file, { force: true });
  }
}
