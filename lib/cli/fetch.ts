import { catalogueEntryOfTask, datasetEntry } from "../data/catalogue";
import { errorText } from "../data/errors";
import { defaultDataDir, fetchPlanned, type FetchProgress } from "../data/fetch";
import { missingBytes, planFetch, type FetchPlan, type Wanted } from "../data/fetch-plan";
import { formatBytes } from "../data/format-bytes";
import { isHubReference } from "../data/hub";
import { duration } from "../notebook/progress";
import { fromRoot, toRoot } from "../runs/paths";
import { UsageError, type Answer, type Values } from "./values";

/** Something to fetch by its name; a name that stands for nothing becomes a failure, so that the others are fetched. */
type Item = { name: string; wanted: () => Wanted };

interface Failure {
  name: string;
  message: string;
}

export async function run(values: Values, signal: AbortSignal): Promise<Answer> {
  const items = await itemsOf(values);
  if (items.length === 0)
    return {
      text: "Nothing to fetch: all that the study names is on this machine, or comes with Promptloss.",
      result: { fetched: [], there: [], failures: [], interrupted: false },
    };
  const failures: Failure[] = [];
  const plans: FetchPlan[] = [];
  const done: FetchPlan[] = [];
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    if (signal.aborted) return;
    await work().catch((error: unknown) => {
      if (!signal.aborted) failures.push({ name, message: errorText(error) });
    });
  };
  for (const { name, wanted } of items)
    await attempt(name, async () => void plans.push(await planFetch(wanted(), { signal, retries: 1 })));
  const missing = plans.filter((plan) => plan.files.some(({ fetched }) => !fetched));
  process.stderr.write(announcement(plans, failures));
  for (const plan of missing)
    await attempt(plan.name, async () => {
      const line = progressLine();
      await fetchPlanned(plan, { signal, onProgress: line.show }).finally(line.end);
      done.push(plan);
    });
  const there = plans.filter((plan) => !missing.includes(plan));
  return {
    text: summary(done, there, failures, signal.aborted),
    result: {
      fetched: done.map(describe),
      there: there.map(describe),
      failures,
      interrupted: signal.aborted,
    },
    failed: failures.length > 0 || signal.aborted,
  };
}

/** What the options ask for; without --data and --model, what the study needs. */
async function itemsOf(values: Values): Promise<Item[]> {
  const named = { models: namesOf(values.model), datasets: namesOf(values.data) };
  const isOfStudy = values.study !== undefined || (values.model === undefined && values.data === undefined);
  const needed = isOfStudy ? await needsOf(values.study) : { models: [], datasets: [], tasks: [], dataDir: undefined };
  const dir = values.dir === undefined ? (needed.dataDir ?? defaultDataDir()) : fromRoot(values.dir);
  const models = [...named.models, ...needed.models].map((reference): Item => {
    if (!isHubReference(reference)) throw new UsageError(`--model: write hf:owner/name, got ${reference}`);
    return { name: reference, wanted: () => ({ kind: "model", reference }) };
  });
  const datasets = [...named.datasets, ...needed.datasets].map((name): Item => {
    if (isHubReference(name)) return { name, wanted: () => ({ kind: "dataset", reference: name }) };
    return { name, wanted: () => ({ entry: datasetEntry(name), dir }) };
  });
  const benchmarks = needed.tasks.flatMap((task): Item[] => {
    const entry = catalogueEntryOfTask(task);
    return entry ? [{ name: entry.name, wanted: () => ({ entry, dir }) }] : [];
  });
  return [...models, ...new Map([...datasets, ...benchmarks].map((item) => [item.name, item])).values()];
}

async function needsOf(study: string | undefined) {
  return (await import("../sweep/study-file")).studyDownloads(study);
}

const namesOf = (list: string | undefined) => [
  ...new Set((list ?? "").split(",").flatMap((name) => (name.trim() === "" ? [] : [name.trim()]))),
];

function announcement(plans: FetchPlan[], failures: Failure[]): string {
  const lines = plans.map((plan) => {
    const { name, kind, commit, license, files, folder } = plan;
    const left = files.filter(({ fetched }) => !fetched);
    const count = left.length === files.length ? "" : `${left.length} of `;
    const fileCount = `${count}${files.length} ${files.length === 1 ? "file" : "files"}`;
    const amount = left.length === 0 ? "there already" : `${fileCount}, ${formatBytes(missingBytes(plan))} to fetch`;
    return `  ${name} (${kind}, commit ${commit.slice(0, 7)}): ${amount}; license: ${license ?? "none stated"}; ${toRoot(folder)}`;
  });
  const total = plans.reduce((sum, plan) => sum + missingBytes(plan), 0);
  const refused = failures.map(({ name }) => `  ${name}: not available; the reason is given at the end`);
  return [...lines, ...refused, `${formatBytes(total)} to fetch in all`, ""].join("\n");
}

function summary(done: FetchPlan[], there: FetchPlan[], failures: Failure[], isInterrupted: boolean): string {
  const counts = [
    `${done.length} fetched`,
    ...(there.length > 0 ? [`${there.length} there already`] : []),
    ...(failures.length > 0 ? [`${failures.length} not available`] : []),
  ];
  return [
    `${counts.join(", ")}${failures.length > 0 ? ":" : ""}`,
    ...failures.map(({ name, message }) => `  ${named(name, message)}`),
    ...(isInterrupted ? ["Interrupted. Partial files are kept; the same command continues."] : []),
  ].join("\n");
}

const named = (name: string, message: string) => (message.includes(name) ? message : `${name}: ${message}`);

/** A plan in the answer of --json. */
function describe({ name, kind, repository, commit, license, folder, files }: FetchPlan): object {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { name, kind, repository, commit, license, folder, files: files.map(({ saveAs }) => saveAs), bytes };
}

/** Writes a plan's progress: updated in place on a terminal, otherwise one line every 10 s. */
function progressLine(stream: NodeJS.WriteStream = process.stderr) {
  const interval = stream.isTTY ? 250 : 10_000;
  let first: { bytes: number; time: number } | undefined;
  let shown = -Infinity;
  const show = ({ name, file, bytes, totalBytes }: FetchProgress): void => {
    const time = performance.now();
    first ??= { bytes, time };
    if (time - shown < interval && bytes < totalBytes) return;
    shown = time;
    const rate = (1000 * (bytes - first.bytes)) / (time - first.time);
    const speed = rate > 0 ? `, ${formatBytes(rate)}/s, ${duration((totalBytes - bytes) / rate)} left` : "";
    const line = `${name}: ${formatBytes(bytes)} of ${formatBytes(totalBytes)}${speed} (${file})`;
    stream.write(stream.isTTY ? `\r\x1b[K${line.slice(0, (stream.columns || 80) - 1)}` : `${line}\n`);
  };
  const end = () => void (stream.isTTY && first && stream.write("\n"));
  return { show, end };
}
