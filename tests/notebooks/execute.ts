// Executes notebooks headless with `jupyter nbconvert`, and reads their outputs.
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The repository's root. */
export const ROOT = join(__dirname, "..", "..");

/** File names of the notebooks, sorted. */
export const NAMES = readdirSync(join(ROOT, "notebooks"))
  .filter((name) => name.endsWith(".ipynb"))
  .sort();

/** An output of a cell. */
export interface Output {
  output_type: string;
  name?: string;
  text?: string | string[];
  data?: Record<string, unknown>;
  evalue?: string;
}

/** A notebook as it is stored. */
export interface Notebook {
  cells: { cell_type: string; id: string; source: string[]; outputs?: Output[] }[];
  metadata: { kernelspec: { name: string } };
}

/** Notebooks that were executed, and the end of the log of those that failed, by file name. */
export interface Execution {
  executed: Map<string, Notebook>;
  failures: Map<string, string>;
}

/**
 * Executes notebooks on a study, with runs and outputs in `folder`. 02-sweep comes first if it is among them, so that
 * the others find its runs; the others run two at a time.
 */
export async function executeNotebooks(names: readonly string[], study: string, folder: string): Promise<Execution> {
  const execution: Execution = { executed: new Map(), failures: new Map() };
  const rest = names.filter((name) => !name.startsWith("02"));
  for (const name of names) if (name.startsWith("02")) await execute(name, study, folder, execution);
  while (rest.length > 0) await Promise.all(rest.splice(0, 2).map((name) => execute(name, study, folder, execution)));
  return execution;
}

async function execute(name: string, study: string, folder: string, { executed, failures }: Execution): Promise<void> {
  const target = join(folder, "executed");
  const child = spawn(
    join(ROOT, ".venv", "bin", "python"),
    [
      "-m",
      "nbconvert",
      "--to",
      "notebook",
      "--execute",
      "--log-level=WARN",
      "--ExecutePreprocessor.timeout=300",
      "--output-dir",
      target,
      join(ROOT, "notebooks", name),
    ],
    {
      env: {
        ...process.env,
        PROMPTLOSS_STUDY: study,
        PROMPTLOSS_RUNS: join(folder, "runs"),
        PROMPTLOSS_OUT: join(folder, "out"),
      },
    },
  );
  let log = "";
  child.stderr.on("data", (chunk) => {
    log += String(chunk);
  });
  const status = await new Promise((done) => child.on("close", done));
  if (status === 0) executed.set(name, JSON.parse(readFileSync(join(target, name), "utf8")) as Notebook);
  else failures.set(name, log.slice(-3000));
}

/** All outputs of a notebook. */
export const outputsOf = (notebook: Notebook): Output[] => notebook.cells.flatMap((cell) => cell.outputs ?? []);

/** The HTML of all outputs. */
export const htmlOf = (notebook: Notebook): string =>
  outputsOf(notebook)
    .map(({ data }) => [data?.["text/html"] ?? ""].flat().join(""))
    .join("\n");

/** What the cells printed, and what they showed, as plain text. */
export const textOf = (notebook: Notebook): string =>
  outputsOf(notebook)
    .map(({ text = "", data }) => [text, data?.["text/plain"] ?? ""].flat().join(""))
    .join("\n");
