import type { RunsProgress } from "../evaluate/evaluate-runs";
import type { SweepProgress } from "../sweep/sweep-progress";
import type { StepRecord } from "../runs/steps";
import { liveDisplay, type Html } from "./display";
import { escapeHtml } from "./html";

/** A display changes at most this often (ms): more only makes the notebook slow. */
const DISPLAY_INTERVAL = 250;
/** Lines in a log, where nothing can be replaced in place (ms). */
const LOG_INTERVAL = 10_000;

/** Shows a sweep under the running cell, in place: `sweep({ …, onProgress: progressDisplay() })`. The last state stays. */
export function progressDisplay(): (progress: SweepProgress) => void {
  const show = liveDisplay();
  return throttled((progress: SweepProgress) => show(sweepHtml(progress)), DISPLAY_INTERVAL, isOver);
}

/** Shows one training under the running cell, in place: `train({ …, onStep: trainingDisplay() })`. */
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

/** Shows an evaluation of runs under the running cell, in place: `evaluateRuns(runs, tasks, { onProgress: evaluationDisplay() })`. */
export function evaluationDisplay(): (progress: RunsProgress) => void {
  const show = liveDisplay();
  return throttled((progress: RunsProgress) => show(evaluationHtml(progress)), DISPLAY_INTERVAL, isOver);
}

/** Writes a sweep's progress for the command line: in place on a terminal, else a line every 10 s. */
export function progressLine(stream: NodeJS.WriteStream = process.stderr): (progress: SweepProgress) => void {
  return lineWriter(stream, sweepLine);
}

/** The same for an evaluation of runs. */
export function evaluationLine(stream: NodeJS.WriteStream = process.stderr): (progress: RunsProgress) => void {
  return lineWriter(stream, evaluationText);
}

function lineWriter<T extends Counts>(
  stream: NodeJS.WriteStream,
  lineOf: (progress: T) => string,
): (progress: T) => void {
  const write = (progress: T): void => {
    const line = lineOf(progress);
    if (!stream.isTTY) stream.write(`${line}\n`);
    else stream.write(`\r\x1b[K${line.slice(0, (stream.columns || 80) - 1)}${isOver(progress) ? "\n" : ""}`);
  };
  return throttled(write, stream.isTTY ? DISPLAY_INTERVAL : LOG_INTERVAL, isOver);
}

/** A sweep in one line. */
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

/** An evaluation of runs in one line. */
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

function progressHtml(
  progress: Counts,
  line: string,
  part: number,
  active: string[],
  failed: { run: string; message: string }[],
): Html {
  const failures = failed.map(({ run, message }) => `failed: ${run}: ${message}`);
  const small = (text: string): string => `<div style="font-size: 85%;">${escapeHtml(text)}</div>`;
  return {
    html: `<div><div>${bar(isOver(progress) && failures.length === 0 ? 1 : part)} ${escapeHtml(line)}</div>${[...active, ...failures].map(small).join("")}</div>`,
    text: [line, ...active, ...failures].join("\n"),
  };
}

function trainingLine(
  { step, loss, promptLoss, completionLoss }: StepRecord,
  totalSteps: number,
  { tokensPerSecond, secondsAStep }: Speed,
): string {
  const apart = [
    ...(promptLoss === null ? [] : [`prompt ${promptLoss.toFixed(3)}`]),
    ...(completionLoss === null ? [] : [`completion ${completionLoss.toFixed(3)}`]),
  ];
  return [
    `step ${step} of ${totalSteps}`,
    `loss ${loss.toFixed(3)}${apart.length > 0 ? ` (${apart.join(", ")})` : ""}`,
    `${Math.round(tokensPerSecond).toLocaleString("en-US")} tokens/s`,
    ...(step < totalSteps ? [`${duration((totalSteps - step) * secondsAStep)} left`] : []),
  ].join(" · ");
}

interface Speed {
  tokensPerSecond: number;
  secondsAStep: number;
}

/** Speed over all steps seen so far. */
function speedometer(): (record: StepRecord) => Speed {
  let [steps, tokens, seconds] = [0, 0, 0];
  return (record) => {
    steps += 1;
    tokens += record.tokens;
    seconds += record.seconds;
    return { tokensPerSecond: seconds > 0 ? tokens / seconds : 0, secondsAStep: seconds / steps };
  };
}

interface Counts {
  wanted: number;
  complete: number;
  failed: number;
}

function isOver({ wanted, complete, failed }: Counts): boolean {
  return complete + failed >= wanted;
}

/** A bar that is drawn with two boxes: untrusted notebooks remove `<progress>`. */
function bar(part: number): string {
  const width = Math.round(200 * Math.min(Math.max(part, 0), 1));
  const box = "display: inline-block; height: 10px;";
  return (
    `<span style="${box} width: ${width}px; background-color: #2d7dd2;"></span>` +
    `<span style="${box} width: ${200 - width}px; background-color: rgba(128, 128, 128, 0.3);"></span>`
  );
}

/** "42 s", "3 min 20 s", "2 h 5 min" */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Calls `show` at most every `interval` ms, with the newest value; with a final one at once. */
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
