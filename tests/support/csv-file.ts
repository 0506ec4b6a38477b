import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../runs/world";

const folder = temporaryFolder();

/** Writes a CSV file, over the one before; returns its path. */
export function csvFile(text: string): string {
  const path = join(folder, "scores.csv");
  writeFileSync(path, text);
  return path;
}
