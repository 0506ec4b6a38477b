import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../runs/world";

const folder = temporaryFolder();

/** Writes a CSV file and returns its path; every call overwrites the same file. */
export function csvFile(text: string): string {
  const path = join(folder, "scores.csv");
  writeFileSync(path, text);
  return path;
}
