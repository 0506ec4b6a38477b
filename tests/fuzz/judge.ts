// Reads one input as the product does and judges what came of it.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PromptlossError } from "../../lib/data/errors";
import type { Format, Input } from "./format";
import type { Files } from "./mutate";

/** CPU time that reading an input may take, in seconds: other processes on the machine do not count. */
const MAX_SECONDS = 1;
/** Memory that the process may have held, in bytes. */
const MAX_MEMORY = 1.5 * 2 ** 30;

/** What came of an input: read, refused with an error of ours, or a fault. */
export type Outcome = { kind: "read" | "refused" } | { kind: "fault"; fault: string };

/** Writes the files of an input into an empty folder. */
export function writeFiles(dir: string, files: Files): void {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  for (const [name, bytes] of files) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), bytes);
  }
}

/** Reads an input in a folder and compares with what it must give. */
export async function judge(format: Format, { files, isValid }: Input, dir: string): Promise<Outcome> {
  writeFiles(dir, files);
  const expected = format.expected(files, isValid);
  let { result, seconds } = await timed(format, dir);
  // The first input of a format pays for what is compiled and loaded then; a fault takes as long again.
  if (seconds > MAX_SECONDS) ({ result, seconds } = await timed(format, dir));
  const fault = (text: string): Outcome => ({ kind: "fault", fault: text });
  if (seconds > MAX_SECONDS) return fault(`took ${seconds.toFixed(1)} s of CPU time`);
  const memory = process.resourceUsage().maxRSS * 1024;
  if (memory > MAX_MEMORY) return fault(`the process holds ${(memory / 2 ** 30).toFixed(1)} GiB`);
  if ("error" in result) {
    const { error } = result;
    if (!(error instanceof PromptlossError)) return fault(`error of a foreign class: ${foreign(error)}`);
    const message = error.message;
    if (!message.includes(dir)) return fault(`the error names no file: ${message.slice(0, 300)}`);
    if (!format.place.test(message)) return fault(`the error names no place: ${message.slice(0, 300)}`);
    if (message.length > 20_000) return fault(`the error has ${message.length} characters: ${message.slice(0, 300)}`);
    if ("refused" in expected || expected.mayRefuse) return { kind: "refused" };
    return fault(`refused, but right: ${message.slice(0, 500)}`);
  }
  if ("refused" in expected) return fault(`accepted, but must be refused: ${expected.refused}`);
  const wrong = expected.check(result.value);
  return wrong === undefined ? { kind: "read" } : fault(`wrong value: ${wrong}`);
}

/** Reads an input; returns the result, and the CPU time that it took. */
async function timed(format: Format, dir: string) {
  const before = process.cpuUsage();
  let result: { value: unknown } | { error: unknown };
  try {
    result = { value: await format.read(dir) };
  } catch (error) {
    result = { error };
  }
  const { user, system } = process.cpuUsage(before);
  return { result, seconds: (user + system) / 1e6 };
}

function foreign(error: unknown): string {
  return error instanceof Error ? (error.stack ?? String(error)).slice(0, 1000) : String(error);
}
