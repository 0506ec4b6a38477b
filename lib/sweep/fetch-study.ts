// Fetches what a study needs from the Hugging Face Hub; one thing that is not available does not stop the others.
import { catalogueEntryOfTask, datasetEntry } from "../data/catalogue";
import { errorText } from "../data/errors";
import { fetchPlanned, type FetchProgress } from "../data/fetch";
import { missingBytes, planFetch, type FetchPlan, type Wanted } from "../data/fetch-plan";
import { formatBytes } from "../data/format-bytes";
import { isHubReference } from "../data/hub";
import { toRoot } from "../runs/paths";

/** Something to fetch by its name; a name that stands for nothing becomes a failure, so that the others are fetched. */
export interface FetchItem {
  name: string;
  /** @throws {DataError} if the name stands for nothing */
  wanted: () => Wanted;
}

/** Outcome of {@link fetchItems}. */
export interface FetchReport {
  /** what was fetched now */
  fetched: FetchPlan[];
  /** what was there already */
  there: FetchPlan[];
  failures: { name: string; message: string }[];
  interrupted: boolean;
}

/** Options of {@link fetchItems}. */
export interface FetchItemsOptions {
  signal?: AbortSignal;
  /** called once, before anything is fetched, with a text that names what there is to fetch, its size and its license */
  onPlan?: (announcement: string) => void;
  /** returns the callback for the progress of one plan, and a function that is called at its end */
  progress?: () => { show: (progress: FetchProgress) => void; end: () => void };
}

/** Models of the Hub by their references. */
export const modelItems = (references: readonly string[]): FetchItem[] =>
  references.map((reference) => ({ name: reference, wanted: () => ({ kind: "model", reference }) }));

/**
 * Data sets, as references to the Hub or names in the catalogue.
 * @param dir folder for those of the catalogue
 */
export const datasetItems = (names: readonly string[], dir: string): FetchItem[] =>
  names.map((name) => ({
    name,
    wanted: () => (isHubReference(name) ? { kind: "dataset", reference: name } : { entry: datasetEntry(name), dir }),
  }));

/**
 * The data of tasks that the catalogue knows; several tasks may share them.
 * @param dir folder of the benchmarks' data
 */
export function taskItems(tasks: readonly string[], dir: string): FetchItem[] {
  const entries = tasks.flatMap((task) => catalogueEntryOfTask(task) ?? []);
  return [
    ...new Map(entries.map((entry) => [entry.name, { name: entry.name, wanted: () => ({ entry, dir }) }])).values(),
  ];
}

/** Fetches everything that is not there yet. Never throws: what is not available is in the report's failures. */
export async function fetchItems(
  items: readonly FetchItem[],
  { signal, onPlan, progress }: FetchItemsOptions = {},
): Promise<FetchReport> {
  const failures: FetchReport["failures"] = [];
  const plans: FetchPlan[] = [];
  const fetched: FetchPlan[] = [];
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    if (signal?.aborted) return;
    await work().catch((error: unknown) => {
      if (!signal?.aborted) failures.push({ name, message: errorText(error) });
    });
  };
  for (const { name, wanted } of items)
    await attempt(name, async () => void plans.push(await planFetch(wanted(), { signal, retries: 1 })));
  const missing = plans.filter((plan) => plan.files.some((file) => !file.fetched));
  onPlan?.(announcement(plans, failures));
  for (const plan of missing)
    await attempt(plan.name, async () => {
      const line = progress?.();
      await fetchPlanned(plan, { signal, onProgress: line?.show }).finally(line?.end);
      fetched.push(plan);
    });
  const there = plans.filter((plan) => !missing.includes(plan));
  return { fetched, there, failures, interrupted: signal?.aborted === true };
}

function announcement(plans: FetchPlan[], failures: FetchReport["failures"]): string {
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
  return [...lines, ...refused, `${formatBytes(total)} to fetch in all`].join("\n");
}

/** The outcome in words: counts, and each failure by name with its reason. */
export function fetchSummary({ fetched, there, failures, interrupted }: FetchReport): string {
  const counts = [
    `${fetched.length} fetched`,
    ...(there.length > 0 ? [`${there.length} there already`] : []),
    ...(failures.length > 0 ? [`${failures.length} not available`] : []),
  ];
  return [
    `${counts.join(", ")}${failures.length > 0 ? ":" : ""}`,
    ...failures.map(({ name, message }) => `  ${named(name, message)}`),
    ...(interrupted ? ["Interrupted. Partial files are kept; the same command continues."] : []),
  ].join("\n");
}

const named = (name: string, message: string) => (message.includes(name) ? message : `${name}: ${message}`);
