// Progress of trainings, sweeps and evaluations: displays in notebooks and lines on the command line.
import type { FetchProgress } from "../data/fetch";
import { formatBytes } from "../data/format-bytes";
import type { RunsProgress } from "../evaluate/evaluate-runs";
import type { SweepProgress } from "../sweep/sweep-progress";
import type { StepRecord } from "../runs/steps";
import { liveDisplay, type Html } from "./display";
import { escapeHtml } from "./html";

/** Minimum time between two updates of a display, in milliseconds; more frequent updates slow the notebook down. */
const DISPLAY_INTERVAL = 250;
/** Minimum time between two lines of a log, which cannot be updated in place, in milliseconds. */
const LOG_INTERVAL = 10_000;

/**
 * Creates a live display of a sweep's progress in the output of the running cell:
 * `sweep({ …, onProgress: progressDisplay() })`. The final state remains visible.
 *
 * @returns a callback for the sweep's option `onProgress`
 */
export function progressDisplay(): (progress: SweepProgress) => void {
  const show = liveDisplay();
  return throttled((progress: SweepProgress) => show(sweepHtml(progress)), DISPLAY_INTERVAL, isOver);
}

/**
 * Creates a live display of a single training in the output of the running cell:
 * `train({ …, onStep: trainingDisplay() })`.
 *
 * @returns a callback for the option `onStep`
 */
export function trainingDisplay(): (record: StepRecord, totalSteps: number) => void {
  const show = liveDisplay();
  const speed = speedometer();
  const update = throttled(
    (content: Html & { over: boolean }) => show(content),
    DISPLAY_INTERVAL,
    ({ over }) => over,
  );
  return (record, totalSteps) => {
    const line = trainingLine(record, totalSteps, speed(record));
    const html = `<div>${bar(record.step / totalSteps)} ${escapeHtml(line)}</div>`;
    update({ html, text: line, over: record.step >= totalSteps });
  };
}

/**
 * Creates a live display of an evaluation in the output of the running cell:
 * `evaluateRuns(runs, tasks, { onProgress: evaluationDisplay() })`.
 *
 * @returns a callback for the option `onProgress`
 */
export function evaluationDisplay(): (progress: RunsProgress) => void {
  const show = liveDisplay();
  return throttled((progress: RunsProgress) => show(evaluationHtml(progress)), DISPLAY_INTERVAL, isOver);
}

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
    const line = lineOf(progress);
    if (!stream.isTTY) stream.write(`${line}\n`);
    else stream.write(`\r\x1b[K${line.slice(0, (stream.columns || 80) - 1)}${isOver(progress) ? "\n" : ""}`);
  };
  return throttled(write, stream.isTTY ? DISPLAY_INTERVAL : LOG_INTERVAL, isOver);
}

/**
 * Formats a sweep's progress as one line: runs, failures, steps, tokens per second, losses of the runs in training, and
 * remaining time.
 */
export function sweepLine(progress: SweepProgress): string {
  const { wanted, complete, cached, failed, stepsDone, stepsTotal, tokensPerSecond, etaSeconds, active } = progress;
  const losses = active.flatMap(({ loss }) => (loss === null ? [] : [loss]));
  return [
    `${complete} of ${wanted} runs${cached > 0 ? ` (${cached} were there)` : ""}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(stepsTotal > 0 ? [`step ${stepsDone} of ${stepsTotal}`] : []),
    ...(tokensPerSecond > 0 ? [`${Math.round(tokensPerSecond).toLocaleString("en-US")} tokens/s`] : []),
    ...(losses.length > 0 ? [`loss ${losses.map((loss) => loss.toFixed(3)).join(", ")}`] : []),
    ...(isOver(progress) || etaSeconds === null ? [] : [`${duration(etaSeconds)} left`]),
  ].join(" · ");
}

function sweepHtml(progress: SweepProgress): Html {
  const active = progress.active.map(
    ({ run, step, totalSteps, loss }) =>
      `${run}: step ${step} of ${totalSteps}${loss === null ? "" : `, loss ${loss.toFixed(3)}`}`,
  );
  const part =
    progress.stepsTotal > 0
      ? progress.stepsDone / progress.stepsTotal
      : progress.complete / Math.max(progress.wanted, 1);
  return progressHtml(progress, sweepLine(progress), part, active, progress.failures);
}

/** Formats an evaluation's progress as one line. */
function evaluationText(progress: RunsProgress): string {
  const { wanted, complete, cached, failed, etaSeconds } = progress;
  return [
    `${complete} of ${wanted} runs evaluated${cached > 0 ? ` (${cached} were there)` : ""}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(isOver(progress) || etaSeconds === null ? [] : [`${duration(etaSeconds)} left`]),
  ].join(" · ");
}

function evaluationHtml(progress: RunsProgress): Html {
  const active = progress.active.map(
    ({ run, task, tasksDone, tasks, done, total }) =>
      `${run}: ${task}, ${done} of ${total} items (task ${tasksDone + 1} of ${tasks})`,
  );
  const failures = progress.failures.map(({ run, task, message }) => ({
    run: task === null ? run : `${run}, ${task}`,
    message,
  }));
  return progressHtml(progress, evaluationText(progress), progress.part, active, failures);
}

/**
 * Formats progress as a bar with one line next to it, followed by the active runs and the failures.
 *
 * @param part completed fraction, 0 to 1
 */
function progressHtml(
  progress: Counts,
  line: string,
  part: number,
  active: string[],
  failed: { run: string; message: string }[],
): Html {
  const failures = failed.map(({ run, message }) => `failed: ${run}: ${message}`);
  const small = (text: string): string => `<div style="font-size: 85%;">${escapeHtml(text)}</div>`;
  const filled = isOver(progress) && failures.length === 0 ? 1 : part;
  const details = [...active, ...failures].map(small).join("");
  return {
    html: `<div><div>${bar(filled)} ${escapeHtml(line)}</div>${details}</div>`,
    text: [line, ...active, ...failures].join("\n"),
  };
}

function trainingLine(
  { step, loss, promptLoss, completionLoss }: StepRecord,
  totalSteps: number,
  { tokensPerSecond, secondsPerStep }: Speed,
): string {
  const components = [
    ...(promptLoss === null ? [] : [`prompt ${promptLoss.toFixed(3)}`]),
    ...(completionLoss === null ? [] : [`completion ${completionLoss.toFixed(3)}`]),
  ];
  return [
    `step ${step} of ${totalSteps}`,
    `loss ${loss.toFixed(3)}${components.length > 0 ? ` (${components.join(", ")})` : ""}`,
    `${Math.round(tokensPerSecond).toLocaleString("en-US")} tokens/s`,
    ...(step < totalSteps ? [`${duration((totalSteps - step) * secondsPerStep)} left`] : []),
  ].join(" · ");
}

interface Speed {
  tokensPerSecond: number;
  secondsPerStep: number;
}

/** Creates a function that averages the training speed over all steps passed to it. */
function speedometer(): (record: StepRecord) => Speed {
  let [steps, tokens, seconds] = [0, 0, 0];
  return (record) => {
    steps += 1;
    tokens += record.tokens;
    seconds += record.seconds;
    return { tokensPerSecond: seconds > 0 ? tokens / seconds : 0, secondsPerStep: seconds / steps };
  };
}

/** Counts that sweeps and evaluations have in common. */
interface Counts {
  wanted: number;
  complete: number;
  failed: number;
}

function isOver({ wanted, complete, failed }: Counts): boolean {
  return complete + failed >= wanted;
}

/**
 * Draws a progress bar from two boxes, because JupyterLab removes `<progress>` elements from untrusted notebooks.
 *
 * @param part completed fraction; clamped to [0, 1]
 */
function bar(part: number): string {
  const width = Math.round(200 * Math.min(Math.max(part, 0), 1));
  const box = "display: inline-block; height: 10px;";
  return (
    `<span style="${box} width: ${width}px; background-color: #2d7dd2;"></span>` +
    `<span style="${box} width: ${200 - width}px; background-color: rgba(128, 128, 128, 0.3);"></span>`
  );
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

/**
 * Limits the rate of calls: `show` is called at most every `interval` milliseconds, with the newest value, but
 * immediately if `isFinal` holds.
 */
function throttled<T>(show: (value: T) => void, interval: number, isFinal: (value: T) => boolean): (value: T) => void {
  let shown = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  let newest: T;
  const now = (): void => {
    clearTimeout(timer);
    timer = undefined;
    shown = performance.now();
    show(newest);
  };
  return (value) => {
    newest = value;
    const wait = shown + interval - performance.now();
    if (wait <= 0 || isFinal(value)) now();
    else timer ??= setTimeout(now, wait).unref();
  };
}
