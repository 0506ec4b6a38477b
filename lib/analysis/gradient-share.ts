import { abortSignal, checkOptions, count } from "../data/arguments";
import { checkRuns } from "../runs/check-runs";
import { join } from "node:path";
import { encodeDataset, type EncodedExample } from "../data/encode";
import { readExamples } from "../data/example";
import { completionUnder, lossWeightingOf, lossWeights, type LossWeighting } from "../data/loss-weighting";
import type { Row } from "../data/rows";
import { loadModel } from "../model/causal-lm";
import { readJsonIfAny, writeFileAtomic } from "../runs/files";
import type { Run } from "../runs/store";
import { gradientParts, type GradientParts } from "../train/prompt-weighted-loss";
import { trainingFile } from "../evaluate/own-rows";
import { subjectOf } from "../evaluate/subject";
import { pause } from "../evaluate/work";
import { Interrupted } from "../data/errors";

/** Share of completion tokens in a run's gradient and in its loss weights, on one batch of its training rows. */
export interface GradientShare {
  run: Run;
  /**
   * ‖completion part‖ / (‖prompt part‖ + ‖completion part‖) of the gradient at the initial parameters; null if both
   * norms are 0
   */
  atStart: number | null;
  /** the same at the final parameters */
  atEnd: number | null;
  /** Σ w over completion tokens / Σ w over all predicted tokens (w: loss weight) */
  ofWeights: number;
}

/** Content of gradient-share.json in a run's folder. */
interface Stored {
  /** key; stored values are reused only if it matches */
  settings: string;
  start: GradientParts;
  end: GradientParts;
  ofWeights: number;
}

/**
 * Measures the completion tokens' share of the gradient for each complete run, with the first rows of its training data
 * as one batch. Results are stored in the run's folder: a second call only reads them, and a call after an interrupt
 * continues.
 *
 * @param options `rows`: number of rows in the batch; default 8; `signal`: stops the measurement before the next run
 * @throws {EvaluationError} if a run's training rows or models have changed since it was trained
 * @throws {Interrupted} if `signal` is aborted
 */
export async function gradientShares(
  runs: readonly Run[],
  options: { rows?: number; signal?: AbortSignal } = {},
): Promise<GradientShare[]> {
  const { rows = ROWS, signal } = checkOptions("gradientShares", options, { rows: count, signal: abortSignal });
  checkRuns("gradientShares", runs);
  const cache: MeasurementCache = { batches: new Map(), starts: new Map() };
  const shares: GradientShare[] = [];
  for (const run of runs) {
    let stored = storedShare(run, rows);
    if (!stored) {
      await pause(signal).catch(() => {
        throw new Interrupted(
          `gradientShares: interrupted before ${run.name}; the runs before it are done, and the same call continues.`,
        );
      });
      stored = { settings: settingsOf(run, rows), ...measure(run, rows, cache) };
      writeFileAtomic(shareFile(run), JSON.stringify(stored));
    }
    const share = ({ prompt, completion }: GradientParts) =>
      prompt + completion > 0 ? completion / (prompt + completion) : null;
    shares.push({ run, atStart: share(stored.start), atEnd: share(stored.end), ofWeights: stored.ofWeights });
  }
  return shares;
}

/** Number of rows of the batch, if not given. */
const ROWS = 8;

const shareFile = (run: Run) => join(run.dir, "gradient-share.json");
const settingsOf = (run: Run, rows: number) => JSON.stringify({ format: 1, rows, weights: run.record.weights?.sha256 });

function storedShare(run: Run, rows: number): Stored | undefined {
  const stored = readJsonIfAny(shareFile(run)) as Partial<Stored> | undefined;
  const isPart = (part: GradientParts | undefined) => [part?.prompt, part?.completion].every(Number.isFinite);
  const isWhole = isPart(stored?.start) && isPart(stored?.end) && Number.isFinite(stored?.ofWeights);
  return isWhole && stored?.settings === settingsOf(run, rows) ? (stored as Stored) : undefined;
}

/** Whether {@link gradientShares} has measured a run, with its default number of rows. */
export const hasGradientShare = (run: Run): boolean => storedShare(run, ROWS) !== undefined;

/** Intermediate results that several runs share. */
interface MeasurementCache {
  /** batch by data set and encoding */
  batches: Map<string, EncodedExample[]>;
  /** gradient parts at the initial parameters, by model, encoding, weighting and normalizer */
  starts: Map<string, GradientParts>;
}

function measure(run: Run, rows: number, { batches, starts }: MeasurementCache): Omit<Stored, "settings"> {
  const { normalizer, template, truncation, dropEmpty, hyperparameters, model, data, tokenizer } = run.recipe;
  const { maxLength, microBatchSize } = hyperparameters;
  const weighting = lossWeightingOf(run.recipe);
  const subject = subjectOf(run);
  try {
    const encoding = JSON.stringify([data.digest, tokenizer.digest, template, truncation, dropEmpty, maxLength]);
    if (!batches.has(encoding)) {
      const examples = readExamples<Row>(trainingFile("gradientShares", run)).slice(0, rows);
      const options = {
        template,
        truncation,
        dropEmpty,
        maxLength,
        name: data.name,
      };
      batches.set(encoding, encodeDataset(examples, subject.model().needTokenizer(), options).examples);
    }
    const batch = batches.get(encoding)!;
    const key = JSON.stringify([model.digest, encoding, weighting, normalizer, microBatchSize]);
    if (!starts.has(key)) {
      const initial = loadModel(run.initialDir);
      starts.set(key, gradientParts(initial, batch, weighting, normalizer, microBatchSize));
      initial.dispose();
    }
    return {
      start: starts.get(key)!,
      end: gradientParts(subject.model(), batch, weighting, normalizer, microBatchSize),
      ofWeights: completionShareOfWeights(batch, weighting),
    };
  } finally {
    subject.release();
  }
}

/** Σ w over completion tokens / Σ w over all predicted tokens; token 0 is never predicted. */
function completionShareOfWeights(batch: readonly EncodedExample[], weighting: LossWeighting): number {
  const tokens = batch.flatMap((example) => {
    const completion = completionUnder(example, weighting.turns);
    return [...lossWeights(example, weighting)].map((w, t) => ({ w, completion: completion[t] })).slice(1);
  });
  const sum = (selected: typeof tokens): number => selected.reduce((total, { w }) => total + w, 0);
  return sum(tokens.filter(({ completion }) => completion)) / sum(tokens);
}
