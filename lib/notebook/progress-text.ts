// Progress of trainings, sweeps and evaluations as lines of text, and their output on the command line.
import { visibleText } from "../data/visible-text";
import { abridged } from "../data/well-formed";
import type { FetchProgress } from "../data/fetch";
import { formatBytes } from "../data/format-bytes";
import type { RunsProgress } from "../evaluate/evaluate-runs";
import type { StepRecord } from "../runs/steps";
import type { SweepProgress } from "../sweep/sweep-progress";
import { throttled } from "./throttled";

/** Minimum time between two updates of a line in place, in milliseconds. */
const TERMINAL_INTERVAL = 250;
/** Minimum time between two lines of a log, which cannot be updated in place, in milliseconds. */
const LOG_INTERVAL = 10_000;

/**
 * Writes a sweep's progress for the command line: updated in place on a terminal, otherwise one line every 10 s.
 *
 * @param stream output stream; default: stderr
 * @returns a callback for the sweep's option `onProgress`
 */
export function progressLine(stream: NodeJS.WriteStream = process.stderr): (progress: SweepProgress) => void {
  return lineWriter(stream, sweepLine);
}

/**
 * Writes an evaluation's progress for the command line: updated in place on a terminal, otherwise one line every 10 s.
 *
 * @param stream output stream; default: stderr
 * @returns a callback for the option `onProgress` of `evaluateRuns`
 */
export function evaluationLine(stream: NodeJS.WriteStream = process.stderr): (progress: RunsProgress) => void {
  return lineWriter(stream, evaluationText);
}

function lineWriter<T extends Counts>(
  stream: NodeJS.WriteStream,
  lineOf: (progress: T) => string,
): (progress: T) => void {
  let final: string | undefined;
  const write = (progress: T): void => {
    const { wanted, complete, failed } = progress;
    const counts = isOver(progress) ? `${complete} + ${failed} of ${wanted}` : undefined;
    if (counts !== undefined && counts === final) return; // the end may be reported more than once
    final = counts;
    const line = visibleText(lineOf(progress));
    if (!stream.isTTY) stream.write(`${line}\n`);
    else stream.write(`\r\x1b[K${abridged(line, (stream.columns || 80) - 2)}${isOver(progress) ? "\n" : ""}`);
  };
  return throttled(write, stream.isTTY ? TERMINAL_INTERVAL : LOG_INTERVAL, isOver);
}

/**
 * Formats a sweep's progress as one line: runs, failures, steps, tokens per second, losses of the runs in training, and
 * remaining time.
 */
export function sweepLine(progress: SweepProgress): string {
  const { wanted, complete, cached, failed, stepsDone, stepsTotal, tokensPerSecond, active } = progress;
  const losses = active.flatMap(({ loss }) => (loss === null ? [] : [loss]));
  return [
    `${complete} of ${wanted} runs${cached > 0 ? ` (${cached} were there)` : ""}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(stepsTotal > 0 ? [`step ${stepsDone} of ${stepsTotal}`] : []),
    ...(tokensPerSecond > 0 ? [`${Math.round(tokensPerSecond).toLocaleString("en-US")} tokens/s`] : []),
    ...(losses.length > 0 ? [`loss ${losses.map((loss) => loss.toFixed(3)).join(", ")}`] : []),
    ...remaining(progress),
  ].join(" · ");
}

/** Formats an evaluation's progress as one line. */
export function evaluationText(progress: RunsProgress): string {
  const { wanted, complete, cached, failed } = progress;
  return [
    `${complete} of ${wanted} runs evaluated${cached > 0 ? ` (${cached} were there)` : ""}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...remaining(progress),
  ].join(" · ");
}

/**
 * Formats the progress of a single training as one line.
 *
 * @param stopped whether the training was interrupted
 */
export function trainingLine(
  { step, loss, promptLoss, completionLoss }: StepRecord,
  totalSteps: number,
  { tokensPerSecond, secondsPerStep }: Speed,
  stopped = false,
): string {
  const components = [
    ...(promptLoss === null ? [] : [`prompt ${promptLoss.toFixed(3)}`]),
    ...(completionLoss === null ? [] : [`completion ${completionLoss.toFixed(3)}`]),
  ];
  return [
    `step ${step} of ${totalSteps}`,
    `loss ${loss.toFixed(3)}${components.length > 0 ? ` (${components.join(", ")})` : ""}`,
    `${Math.round(tokensPerSecond).toLocaleString("en-US")} tokens/s`,
    ...(step >= totalSteps ? [] : [stopped ? "interrupted" : `${duration((totalSteps - step) * secondsPerStep)} left`]),
  ].join(" · ");
}

/** Speed of a training. */
export interface Speed {
  tokensPerSecond: number;
  secondsPerStep: number;
}

/** Creates a function that averages the training speed over all steps passed to it. */
export function speedometer(): (record: StepRecord) => Speed {
  let [steps, tokens, seconds] = [0, 0, 0];
  return (record) => {
    steps += 1;
    tokens += record.tokens;
    seconds += record.seconds;
    return { tokensPerSecond: seconds > 0 ? tokens / seconds : 0, secondsPerStep: seconds / steps };
  };
}

/** What the progress of sweeps and of evaluations have in common. */
export interface Counts {
  wanted: number;
  complete: number;
  failed: number;
  stopped: boolean;
  etaSeconds: number | null;
}

/** Returns whether nothing more will change: everything is complete or failed, or the work was interrupted. */
export function isOver({ wanted, complete, failed, stopped }: Counts): boolean {
  return stopped || complete + failed >= wanted;
}

/** The last part of a line: the remaining time, or that the work was interrupted. */
function remaining(progress: Counts): string[] {
  if (progress.stopped) return ["interrupted"];
  return isOver(progress) || progress.etaSeconds === null ? [] : [`${duration(progress.etaSeconds)} left`];
}

/**
 * Makes lines of the progress of a download: bytes, speed and remaining time.
 *
 * @param interval minimum time between two lines in milliseconds; the last one is always shown
 * @returns a callback for the option `onProgress` of `fetchDataset` and `fetchModel`
 */
export function fetchTexts(interval: number, show: (line: string) => void): (progress: FetchProgress) => void {
  let first: { bytes: number; time: number } | undefined;
  let shown = -Infinity;
  return ({ name, file, bytes, totalBytes }) => {
    const time = performance.now();
    first ??= { bytes, time };
    if (time - shown < interval && bytes < totalBytes) return;
    shown = time;
    const rate = (1000 * (bytes - first.bytes)) / (time - first.time);
    const speed = rate > 0 ? `, ${formatBytes(rate)}/s, ${duration((totalBytes - bytes) / rate)} left` : "";
    show(`${name}: ${formatBytes(bytes)} of ${formatBytes(totalBytes)}${speed} (${file})`);
  };
}

/**
 * Formats a duration: "42 s", "3 min 20 s", "2 h 5 min".
 *
 * @param seconds rounded to whole seconds; negative values give "0 s"
 */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
