// Measures how fast this machine trains the models of a study, by some of their training steps.
import { optimizerBatches } from "../../data/batches";
import { StudyError } from "../../data/errors";
import { chunked, groupBy } from "../../data/group";
import type { TrainingRate, TrainingWork } from "../../train/training-volume";
import { runPool } from "../../workers/pool";
import type { PlannedRun } from "./planned-run";
import type { PlannedPool } from "./planned-pool";
import type { RateJob } from "./rate-job";
import { rateKey, type MeasuredRate } from "./rates";

/** Time for all measurements of a study, in seconds; loading models and starting processes comes in addition. */
const SECONDS = 12;
/**
 * Measures training steps of the runs of some pools, in as many processes as will train them, side by side.
 *
 * @param known keys of rates that are known
 * @throws {StudyError} if a process fails
 */
export async function measureRates(pools: readonly PlannedPool[], known: ReadonlySet<string>): Promise<MeasuredRate[]> {
  const unknown = pools.map(({ runs, plan }) => {
    const kinds = groupBy(runs, ({ job }) => rateKey(job));
    return { plan, kinds: [...kinds].filter(([key]) => !known.has(key)).map(([key, [run]]) => ({ key, run })) };
  });
  const number = unknown.reduce((sum, { kinds }) => sum + kinds.length, 0);
  const rates: MeasuredRate[] = [];
  for (const { plan, kinds } of unknown) {
    if (kinds.length === 0) continue;
    const work = kinds.map(({ run }) => workOf(run));
    const started = performance.now();
    const byWorker = await measureTogether(plan, work, SECONDS / number);
    const wall = (performance.now() - started) / 1000;
    const inside = Math.max(...byWorker.map(({ seconds }) => seconds));
    kinds.forEach(({ key, run }, i) => {
      const mean = (part: keyof TrainingRate) =>
        byWorker.reduce((sum, { rates }) => sum + rates[i][part], 0) / byWorker.length;
      rates.push({
        key,
        model: run.job.recipe.model.name,
        runs: 0,
        perOperation: mean("perOperation"),
        perUpdate: mean("perUpdate"),
        loading: mean("loading"),
        starting: Math.max(0, wall - inside),
      });
    });
  }
  return rates;
}

/** The rates that each worker of a pool measured. */
async function measureTogether(
  plan: PlannedPool["plan"],
  work: TrainingWork[],
  seconds: number,
): Promise<{ rates: TrainingRate[]; seconds: number }[]> {
  const results: { rates: TrainingRate[]; seconds: number }[] = [];
  const waiting = Array.from({ length: plan.workers }, (_, i): RateJob => ({ id: String(i), work, seconds }));
  let problem: string | undefined;
  await runPool<RateJob, never, { rates: TrainingRate[]; seconds: number }>("lib/sweep/plan/rate-worker.ts", plan, {
    next: (last) => (last ? undefined : waiting.shift()),
    progress: () => {},
    ended: (_, outcome) => {
      if (outcome.type === "complete") results.push(outcome.result);
      else if (outcome.type === "failed") problem ??= outcome.message;
    },
  });
  if (results.length > 0) return results;
  throw new StudyError(
    `The speed of training could not be measured: ${problem ?? "no process answered"} Without it: --no-measuring.`,
  );
}

/** Two micro-batches from the middle of a run's first batch, sorted by length; one if there are no more. */
function workOf({ job, lengths }: PlannedRun): TrainingWork {
  const { plw, seed, hyperparameters: h } = job.recipe;
  const [batch] = optimizerBatches(lengths.rows.length, h.batchSize, 0, seed);
  const order = batch.sort((a, b) => lengths.rows[b] - lengths.rows[a]);
  const chunks = chunked(order, h.microBatchSize);
  const middle = Math.floor((chunks.length - 1) / 2);
  const microBatches = chunks.slice(middle, middle + 2).map((rows) => ({
    rows: rows.map((row) => lengths.rows[row]),
    prompts: rows.map((row) => lengths.prompts[row]),
  }));
  const { modelDir, recompute } = job;
  return { modelDir, microBatches, plw: plw > 0 ? plw : 0.1, adapter: h.adapter, recompute };
}
