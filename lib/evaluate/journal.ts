import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { makeFolder, writeFileAtomic, writing } from "../runs/files";
import { dirname } from "node:path";

/** What came out for items so far; kept in a file where there is one, so that an interrupted task continues. */
export class Journal<T> {
  private readonly outcomes = new Map<number, T>();

  /** @param settings a text that must be the same for what was kept to count */
  constructor(
    private readonly file: string | undefined,
    settings: string,
  ) {
    if (file === undefined) return;
    const header = JSON.stringify({ settings });
    const [found, ...lines] = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    if (found !== header) {
      makeFolder(dirname(file));
      writeFileAtomic(file, `${header}\n`);
      return;
    }
    lines.pop(); // empty, or cut off by a crash
    for (const line of lines)
      for (const [item, outcome] of JSON.parse(line) as [number, T][]) this.outcomes.set(item, outcome);
    writeFileAtomic(file, [header, ...lines, ""].join("\n"));
  }

  get size(): number {
    return this.outcomes.size;
  }

  has(item: number): boolean {
    return this.outcomes.has(item);
  }

  get(item: number): T {
    return this.outcomes.get(item)!;
  }

  add(outcomes: Iterable<[number, T]>): void {
    const list = [...outcomes];
    for (const [item, outcome] of list) this.outcomes.set(item, outcome);
    const { file } = this;
    if (file !== undefined) writing(file, () => appendFileSync(file, `${JSON.stringify(list)}\n`));
  }

  remove(): void {
    if (this.file !== undefined) rmSync(this.file, { force: true });
  }
}
