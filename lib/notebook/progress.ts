// Live displays of trainings, sweeps and evaluations in notebooks. A display is one output with a bar, a line and a
// table of runs, and one with loss curves; both are replaced in place.
import type { RunsProgress } from "../evaluate/evaluate-runs";
import type { StepRecord } from "../runs/steps";
import { LossCurve } from "../sweep/loss-curve";
import type { SweepProgress } from "../sweep/sweep-progress";
import { escapeHtml } from "../page/html";
import { notebookKernel } from "./kernel";
import { curvesText, pictureHeight, SIZE, sweepCurves, thinned, trainingCurve, type LiveCurve } from "./live-curves";
import { curvesSvg } from "./live-curves-svg";
import { liveOutput } from "./live-output";
import { evaluationTable, sweepTable } from "./live-runs";
import { liveTableHtml, liveTableText, type LiveTable } from "./live-table";
import { evaluationText, isOver, speedometer, sweepLine, trainingLine, type Counts, type Speed } from "./progress-text";
import { throttled } from "./throttled";

/** Minimum time between two updates of bar and table, in milliseconds; more frequent updates slow the notebook down. */
const STATUS_INTERVAL = 250;
/** Minimum time between two updates of the curves, in milliseconds. */
const CURVES_INTERVAL = 1000;
/** Most points of a curve in the picture that remains, so that the saved notebook stays small. */
const FINAL_POINTS = 100;

/**
 * Creates a live display of a sweep's progress in the output of the running cell:
 * `sweep({ …, onProgress: progressDisplay() })`. It shows a bar, a table of the runs by state, and the loss curves of up
 * to six runs: those in training, and those finished last. The last state remains, also after ■ or an error. A sweep
 * whose runs were all there shows no curves.
 *
 * @returns a callback for the sweep's option `onProgress`
 */
export function progressDisplay(): (progress: SweepProgress) => void {
  const status = statusOutput();
  const curves = curvesOutput();
  const showStatus = throttled(
    (progress: SweepProgress) => status(sweepLine(progress), partOf(progress), sweepTable(progress)),
    STATUS_INTERVAL,
    isOver,
  );
  const showCurves = throttled(
    (progress: SweepProgress) => curves(sweepCurves(progress), isOver(progress)),
    CURVES_INTERVAL,
    isOver,
  );
  return (progress) => {
    showStatus(progress);
    showCurves(progress);
  };
}

/**
 * Creates a live display of a single training in the output of the running cell, with its loss curve:
 * `train({ …, onStep: trainingDisplay() })`. In a notebook, `train` does so by itself. The last state remains, also
 * after ■ or an error.
 *
 * @returns a callback for the option `onStep`
 */
export function trainingDisplay(): (record: StepRecord, totalSteps: number) => void {
  const status = statusOutput();
  const curves = curvesOutput();
  const curve = new LossCurve();
  const average = speedometer();
  interface State {
    record: StepRecord;
    speed: Speed;
    totalSteps: number;
    stopped: boolean;
  }
  const isLast = ({ record, totalSteps, stopped }: State): boolean => stopped || record.step >= totalSteps;
  const showStatus = throttled(
    ({ record, totalSteps, speed, stopped }: State) =>
      status(trainingLine(record, totalSteps, speed, stopped), record.step / totalSteps, { columns: [], rows: [] }),
    STATUS_INTERVAL,
    isLast,
  );
  const showCurves = throttled(
    (state: State) => curves([trainingCurve(curve.points(), state.totalSteps, !isLast(state))], isLast(state)),
    CURVES_INTERVAL,
    isLast,
  );
  let newest: State | undefined;
  const show = (state: State): void => {
    newest = state;
    showStatus(state);
    showCurves(state);
  };
  notebookKernel()?.signal.addEventListener("abort", () => {
    if (newest && !isLast(newest)) show({ ...newest, stopped: true });
  });
  return (record, totalSteps) => {
    curve.append(record);
    show({ record, speed: average(record), totalSteps, stopped: false });
  };
}

/**
 * Creates a live display of an evaluation in the output of the running cell, with a table of the runs by state:
 * `evaluateRuns(runs, tasks, { onProgress: evaluationDisplay() })`. The last state remains, also after ■ or an error.
 *
 * @returns a callback for the option `onProgress`
 */
export function evaluationDisplay(): (progress: RunsProgress) => void {
  const status = statusOutput();
  return throttled(
    (progress: RunsProgress) => status(evaluationText(progress), progress.part, evaluationTable(progress)),
    STATUS_INTERVAL,
    isOver,
  );
}

/** Completed fraction of a sweep: of its steps, or of its runs if there is nothing to train. */
function partOf(progress: SweepProgress): number {
  const { stepsDone, stepsTotal, complete, wanted } = progress;
  if (isComplete(progress)) return 1;
  return stepsTotal > 0 ? stepsDone / stepsTotal : complete / Math.max(wanted, 1);
}

const isComplete = ({ complete, wanted }: Counts): boolean => complete >= wanted;

/** Creates an output with a bar, a line next to it, and a table below. */
function statusOutput(): (line: string, part: number, table: LiveTable) => void {
  const output = liveOutput();
  return (line, part, table) =>
    output({
      "text/html": `<div><div>${bar(part)} ${escapeHtml(line)}</div>${liveTableHtml(table)}</div>`,
      "text/plain": [line, liveTableText(table)].filter((text) => text !== "").join("\n"),
    });
}

/**
 * Creates an output with loss curves, which appears with the first of them; at the end they have fewer points. They are
 * an image in HTML, not a Plotly figure: JupyterLab's Plotly renderer (plotly 7.1) ignores the update of a figure that is
 * drawn, and adds a PNG of it to the saved notebook. An untrusted notebook shows the image too.
 */
function curvesOutput(): (curves: readonly LiveCurve[], isFinal: boolean) => void {
  const output = liveOutput();
  return (curves, isFinal) => {
    if (curves.length === 0) return;
    const shown = isFinal ? curves.map((curve) => thinned(curve, FINAL_POINTS)) : curves;
    const [{ width }, height, text] = [SIZE, pictureHeight(shown), curvesText(shown)];
    const source = `data:image/svg+xml;base64,${Buffer.from(curvesSvg(shown)).toString("base64")}`;
    output({
      "text/html":
        `<img src="${source}" width="${width}" height="${height}" alt="${escapeHtml(text)}" ` +
        'style="max-width: 100%; height: auto;">',
      "text/plain": text,
    });
  };
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
