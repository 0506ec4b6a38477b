import { visibleText } from "../data/visible-text";
import { abridged } from "../data/well-formed";
import type { FetchPlan } from "../data/fetch-plan";
import { isHubReference } from "../data/hub";
import { defaultDataDir } from "../data/repository";
import { fetchTexts } from "../notebook/progress-text";
import { datasetItems, fetchItems, fetchSummary, modelItems, taskItems, type FetchItem } from "../sweep/fetch-study";
import { say } from "./terminal";
import { UsageError, pathOf, type Answer, type Values } from "./values";

export async function run(values: Values, signal: AbortSignal): Promise<Answer> {
  const items = await itemsOf(values);
  if (items.length === 0)
    return {
      text: "Nothing to fetch: all that the study names is on this machine, or comes with Promptloss.",
      result: { fetched: [], there: [], failures: [], interrupted: false },
    };
  const report = await fetchItems(items, {
    signal,
    onPlan: say,
    progress: progressLine,
  });
  const { fetched, there, failures, interrupted } = report;
  return {
    text: fetchSummary(report),
    result: { fetched: fetched.map(describe), there: there.map(describe), failures, interrupted },
    failed: failures.length > 0 || interrupted,
  };
}

/** What the options ask for; without --data and --model, what the study needs. */
async function itemsOf(values: Values): Promise<FetchItem[]> {
  const named = { models: namesOf(values.model), datasets: namesOf(values.data) };
  const isOfStudy = values.study !== undefined || (values.model === undefined && values.data === undefined);
  const needed = isOfStudy
    ? await needsOf(pathOf(values, "study"))
    : { models: [], datasets: [], tasks: [], dataDir: undefined };
  const dir = pathOf(values, "dir") ?? needed.dataDir ?? defaultDataDir();
  const wrong = named.models.find((reference) => !isHubReference(reference));
  if (wrong !== undefined) throw new UsageError(`--model: write hf:owner/name, got ${wrong}`);
  const items = [
    ...modelItems([...named.models, ...needed.models]),
    ...datasetItems([...named.datasets, ...needed.datasets], dir),
    ...taskItems(needed.tasks, dir),
  ];
  return [...new Map(items.map((item) => [item.name, item])).values()];
}

async function needsOf(study: string | undefined) {
  return (await import("../sweep/study-file")).studyDownloads(study);
}

const namesOf = (list: string | undefined) => [
  ...new Set((list ?? "").split(",").flatMap((name) => (name.trim() === "" ? [] : [name.trim()]))),
];

/** A plan in the answer of --json. */
function describe({ name, kind, repository, commit, license, folder, files }: FetchPlan): object {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { name, kind, repository, commit, license, folder, files: files.map(({ saveAs }) => saveAs), bytes };
}

/** Writes a plan's progress: updated in place on a terminal, otherwise one line every 10 s. */
function progressLine(stream: NodeJS.WriteStream = process.stderr) {
  const interval = stream.isTTY ? 250 : 10_000;
  let written = false;
  const show = fetchTexts(interval, (text) => {
    const line = visibleText(text);
    written = true;
    stream.write(stream.isTTY ? `\r\x1b[K${abridged(line, (stream.columns || 80) - 2)}` : `${line}\n`);
  });
  const end = () => void (stream.isTTY && written && stream.write("\n"));
  return { show, end };
}
