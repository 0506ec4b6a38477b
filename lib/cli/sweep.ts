import { progressLine } from "../notebook/progress-text";
import { sweep, type SweepProgress } from "../sweep/sweep";
import { countOf, pathOf, type Answer, type Values } from "./values";

export async function run(values: Values, signal: AbortSignal): Promise<Answer> {
  const show = progressLine();
  let last: SweepProgress | undefined;
  const runs = await sweep({
    study: pathOf(values, "study"),
    store: pathOf(values, "store"),
    workers: countOf(values, "workers"),
    workersPerGpu: countOf(values, "workers-per-gpu"),
    signal,
    onProgress: (progress) => {
      last = progress;
      show(progress);
    },
  });
  const cached = last?.cached ?? 0;
  return {
    text: `${runs.length} runs are complete, ${cached} of them were there before.`,
    result: {
      runs: runs.map(({ id, name, dir, recipe }) => ({ id, name, dir, plw: recipe.plw })),
      complete: runs.length,
      cached,
      trained: (last?.complete ?? 0) - cached,
    },
  };
}
