import assert from "node:assert/strict";
import { after, beforeEach, mock, test } from "node:test";
import { show } from "../../lib/notebook/display";
import { interruptSignal } from "../../lib/notebook/interrupt";
import type { NotebookKernel } from "../../lib/notebook/kernel";
import { livePanels, trainingCurve } from "../../lib/notebook/live-curves";
import { evaluationTable, sweepTable } from "../../lib/notebook/live-runs";
import { liveTableText } from "../../lib/notebook/live-table";
import { evaluationDisplay, progressDisplay, trainingDisplay } from "../../lib/notebook/progress";
import { duration, progressLine, sweepLine } from "../../lib/notebook/progress-text";
import type { RunsProgress } from "../../lib/evaluate/evaluate-runs";
import type { RunProgress, SweepProgress } from "../../lib/sweep/sweep-progress";
import type { StepRecord } from "../../lib/runs/steps";

const KERNEL = Symbol.for("promptloss.kernel");
const slots = globalThis as Record<symbol, unknown>;
interface Shown {
  data: Record<string, string>;
  id?: string;
  update: boolean;
}
let shown: Shown[] = [];
/** The SVG of an output with loss curves; undefined for one without. */
function svgOf({ data }: Shown): string | undefined {
  const encoded = /^<img src="data:image\/svg\+xml;base64,([^"]*)"/.exec(data["text/html"]!)?.[1];
  return encoded && Buffer.from(encoded, "base64").toString("utf8");
}
/** The outputs without loss curves, or those with them. */
const statuses = (): Shown[] => shown.filter((output) => svgOf(output) === undefined);
const pictures = (): Shown[] => shown.filter((output) => svgOf(output) !== undefined);
/** Number of points of each curve in an output, those of completion loss first. */
const pointCounts = (output: Shown): number[] =>
  [...svgOf(output)!.matchAll(/<polyline points="([^"]*)"/g)].map(([, points]) => points!.split(" ").length);
let controller = new AbortController();
const kernel: NotebookKernel = {
  display: ({ data, transient }, update) => {
    shown.push({ data: data as Record<string, string>, id: transient.display_id, update });
    return true;
  },
  get signal() {
    return controller.signal;
  },
};

beforeEach(() => {
  slots[KERNEL] = kernel;
  controller = new AbortController();
  shown = [];
});
after(() => {
  delete slots[KERNEL];
});

const curveTo = (step: number) =>
  Array.from({ length: step }, (_, i) => ({ step: i + 1, promptLoss: 3, completionLoss: 2 + 1 / (i + 1) }));

function runAt(plw: number, step: number): RunProgress {
  const [run, dataset, model] = [`<pocket> · Short · PLW ${plw} · weights · seed 42`, "Short", "<pocket>"];
  return { run, dataset, model, plw, step, totalSteps: 10, loss: 1.23456, etaSeconds: 65, curve: curveTo(step) };
}

const sweepAt = (stepsDone: number, complete: number): SweepProgress => ({
  wanted: 5,
  complete,
  cached: 1,
  failed: 1,
  stepsDone,
  stepsTotal: 40,
  tokensPerSecond: 12345.6,
  etaSeconds: 200,
  stopped: false,
  active: complete < 4 ? [runAt(0.1, 3)] : [],
  waiting: complete < 4 ? [runAt(1, 0).run] : [],
  finished: complete < 4 ? [runAt(0, 10)] : [runAt(0, 10), runAt(0.1, 10), runAt(1, 10)],
  failures: [{ run: runAt(0.5, 0).run, message: "disk\nfull" }],
  datasets: ["Other", "Short"],
  models: ["<pocket>"],
});

test("sweepLine formats runs, failures, steps, speed, losses and remaining time", () => {
  assert.equal(
    sweepLine(sweepAt(13, 2)),
    "2 of 5 runs (1 were there) · 1 failed · step 13 of 40 · 12,346 tokens/s · loss 1.235 · 3 min 20 s left",
  );
  assert.equal(duration(59.6), "1 min 0 s");
  assert.equal(duration(7500), "2 h 5 min");
});

test("a table lists running, failed, waiting and finished runs in at most 12 lines", () => {
  assert.equal(
    liveTableText(sweepTable(sweepAt(13, 2))),
    [
      "          run                            step   loss  completion  prompt       left",
      "running   <pocket> · Short · PLW 0.1  3 of 10  1.235       2.333   3.000  1 min 5 s",
      "failed    <pocket> · Short · PLW 0.5: disk full",
      "waiting   1; next: <pocket> · Short · PLW 1",
      "finished  1; last: <pocket> · Short · PLW 0",
    ].join("\n"),
  );
  const many = {
    ...sweepAt(13, 2),
    active: Array.from({ length: 9 }, (_, i) => runAt(i, 3)),
    failures: Array.from({ length: 7 }, (_, i) => ({ run: runAt(i, 0).run, message: "x".repeat(500) })),
    waiting: Array.from({ length: 80 }, (_, i) => runAt(i, 0).run),
  };
  const { rows } = sweepTable(many);
  assert.equal(rows.length, 11); // and the heading
  assert.deepEqual(
    rows.filter((row) => "text" in row && / more$/.test(row.text)),
    [
      { state: "running", text: "4 more" },
      { state: "failed", text: "5 more" },
    ],
  );
  assert.ok(rows.every((row) => !("text" in row) || row.text.length < 140));
  const stopped = sweepTable({ ...sweepAt(13, 2), stopped: true });
  assert.equal(stopped.rows[0]!.state, "stopped");
});

test("progressDisplay updates in place, at a limited rate, and keeps the final state", async () => {
  const update = progressDisplay();
  for (let step = 0; step < 39; step++) update(sweepAt(step, 2));
  assert.equal(statuses().length, 1);
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(statuses().length, 2);
  assert.equal(pictures().length, 1); // curves are drawn less often
  assert.match(statuses()[1]!.data["text/plain"]!, /step 38 of 40/); // the newest value, not the one that started the timer
  update(sweepAt(40, 4));
  assert.equal(statuses().length, 3); // immediately, since the cell may end
  assert.match(statuses()[2]!.data["text/plain"]!, /^4 of 5 runs/);
  assert.match(statuses()[2]!.data["text/plain"]!, /failed +<pocket> · Short · PLW 0\.5: disk full/);
  assert.deepEqual(
    statuses().map(({ update: again }) => again),
    [false, true, true],
  );
  assert.equal(new Set(statuses().map(({ id }) => id)).size, 1);
  assert.match(statuses()[1]!.data["text/html"]!, />&lt;pocket&gt; · Short · PLW 0\.1</);
});

test("curves of the runs in training and of those finished last are drawn in place, with fewer points at the end", () => {
  const update = progressDisplay();
  update(sweepAt(13, 2));
  const svg = svgOf(pictures()[0]!)!;
  assert.deepEqual(pointCounts(pictures()[0]!), [10, 3, 10, 3]); // two runs, completion and prompt loss
  assert.equal(svg.match(/<circle/g)!.length, 2); // at the ends of the one in training
  assert.match(svg, />&lt;pocket&gt; · Short · PLW 0\.1</);
  assert.match(
    pictures()[0]!.data["text/plain"]!,
    /^<pocket> · Short · PLW 0\.1: step 3 of 10, completion 2\.333, prompt 3\.000$/m,
  );
  const long = (run: RunProgress): RunProgress => ({ ...run, curve: curveTo(200) });
  update({ ...sweepAt(40, 4), finished: Array.from({ length: 100 }, (_, plw) => long(runAt(plw, 10))) });
  const final = pictures()[1]!;
  assert.deepEqual([final.id, final.update], [pictures()[0]!.id, true]);
  assert.deepEqual(pointCounts(final), Array(12).fill(100));
  assert.deepEqual(
    [...svgOf(final)!.matchAll(/>&lt;pocket&gt; · Short · PLW (\d+)</g)].map(([, plw]) => plw),
    ["94", "95", "96", "97", "98", "99"],
  );
  const lines = [...svgOf(final)!.matchAll(/<polyline .*? stroke="(\S+)" .*? stroke-opacity="(\S+)"/g)].slice(0, 6);
  assert.deepEqual([...new Set(lines.map(([, color]) => color))], ["#21A0D8"]); // the sweep's second data set
  assert.deepEqual(
    lines.map(([, , opacity]) => Number(opacity)),
    [1, 0.89, 0.78, 0.67, 0.56, 0.45],
  );
  const cell = { outputs: [statuses().at(-1)!, final].map(({ data }) => ({ data, output_type: "display_data" })) };
  const saved = JSON.stringify({ cells: [cell] }, null, 1).length; // as Jupyter saves it
  assert.ok(saved < 60_000, `${saved} characters`);
});

test("the horizontal axis ends at the last step, or earlier while the curves fit into half of it", () => {
  const endOf = (reached: number, totalSteps: number): number =>
    livePanels([trainingCurve(curveTo(reached), totalSteps, true)])[0]!.x[1];
  assert.equal(endOf(7, 5000), 5000 / 512);
  assert.equal(endOf(40, 40), 40);
  assert.equal(endOf(21, 40), 40);
  assert.equal(endOf(19, 40), 20);
  assert.equal(endOf(50, 40), 50);
});

test("a sweep whose runs were all there shows no curves; a stopped one says so and keeps them", () => {
  progressDisplay()({ ...sweepAt(0, 4), finished: [], failures: [], failed: 0, complete: 5, cached: 5, stepsTotal: 0 });
  assert.equal(pictures().length, 0);
  assert.equal(shown.length, 1);
  assert.equal(shown[0]!.data["text/plain"], "5 of 5 runs (5 were there) · 12,346 tokens/s");
  const update = progressDisplay();
  update(sweepAt(13, 2));
  update({ ...sweepAt(14, 2), stopped: true });
  assert.match(statuses().at(-1)!.data["text/plain"]!, /· interrupted\n.*\nstopped +<pocket> · Short · PLW 0\.1/);
  assert.doesNotMatch(statuses().at(-1)!.data["text/plain"]!, / left( ·|\n {2})/);
  assert.deepEqual(pointCounts(pictures().at(-1)!), [10, 3, 10, 3]);
  assert.doesNotMatch(svgOf(pictures().at(-1)!)!, /<circle/);
});

test("evaluationDisplay lists running and failed runs, and counts those that wait", () => {
  const progress: RunsProgress = {
    ...{ wanted: 9, complete: 2, cached: 1, failed: 1, stopped: false, part: 0.3, etaSeconds: 61 },
    active: [{ run: "a · <One>", task: "piqa", tasksDone: 1, tasks: 3, done: 20, total: 100 }],
    failures: [{ run: "b · One", task: null, message: "gone" }],
  };
  const update = evaluationDisplay();
  update(progress);
  assert.equal(
    shown[0]!.data["text/plain"],
    "2 of 9 runs evaluated (1 were there) · 1 failed · 1 min 1 s left\n" + liveTableText(evaluationTable(progress)),
  );
  assert.match(liveTableText(evaluationTable(progress)), /^running +a · <One> +piqa +20 of 100 +1 of 3\n/m);
  assert.match(liveTableText(evaluationTable(progress)), /\nfailed +b · One: gone\nwaiting +5$/);
  update({ ...progress, stopped: true });
  assert.match(shown[1]!.data["text/plain"]!, / · interrupted\n/);
  assert.match(shown[1]!.data["text/html"]!, />a · &lt;One&gt;</);
});

const record: StepRecord = {
  step: 1,
  loss: 2,
  promptLoss: 3,
  completionLoss: null,
  gradientNorm: 1,
  learningRate: 1,
  tokens: 100,
  paddingTokens: 0,
  seconds: 0.5,
};

test("trainingDisplay shows the loss, its prompt and completion parts, speed, remaining time and curves", () => {
  const update = trainingDisplay();
  update(record, 3);
  assert.equal(statuses()[0]!.data["text/plain"], "step 1 of 3 · loss 2.000 (prompt 3.000) · 200 tokens/s · 1 s left");
  assert.deepEqual(pointCounts(pictures()[0]!), [1]); // no completion loss
  update({ ...record, step: 3 }, 3);
  assert.equal(statuses().at(-1)!.data["text/plain"], "step 3 of 3 · loss 2.000 (prompt 3.000) · 200 tokens/s");
  assert.deepEqual(pointCounts(pictures().at(-1)!), [2]);
});

test("trainingDisplay says that the training was interrupted, with its last step", () => {
  const update = trainingDisplay();
  update(record, 9);
  update({ ...record, step: 2 }, 9);
  controller.abort();
  assert.match(
    statuses().at(-1)!.data["text/plain"]!,
    /^step 2 of 9 · loss [^a-z]*\(prompt 3\.000\) · 200 tokens\/s · interrupted$/,
  );
  assert.deepEqual(pointCounts(pictures().at(-1)!), [2]);
});

test("progressLine writes whole lines if the stream is not a terminal", () => {
  const lines: string[] = [];
  const update = progressLine({
    isTTY: false,
    write: (text: string) => {
      lines.push(text);
      return true;
    },
  } as unknown as NodeJS.WriteStream);
  for (const step of [1, 2, 3]) update(sweepAt(step, 2));
  for (const tokensPerSecond of [12345, 12344, 12343]) update({ ...sweepAt(40, 4), tokensPerSecond }); // still the end
  const ended = sweepLine({ ...sweepAt(40, 4), tokensPerSecond: 12345 });
  assert.deepEqual(lines, [`${sweepLine(sweepAt(1, 2))}\n`, `${ended}\n`]);
});

test("show displays tables as HTML and plain text in one output; outside a notebook it prints them", async () => {
  await show([{ a: 1 }], { caption: "Title" });
  assert.deepEqual(Object.keys(shown[0]!.data), ["text/html", "text/plain"]);
  delete slots[KERNEL];
  const print = mock.method(console, "log", () => {});
  await show([{ a: 1 }], { caption: "Title" });
  await show({ data: [{ name: "loss", x: [1], y: [2] }], layout: {} });
  print.mock.restore();
  assert.deepEqual(
    print.mock.calls.map(({ arguments: [text] }) => text as string),
    ["Title\na\n-\n1", "Figure (loss)"],
  );
  await assert.rejects(show({} as never), /show: cannot display this value/);
});

test("interruptSignal: the running cell's signal in a notebook; elsewhere Ctrl-C aborts it and the next is new", () => {
  assert.equal(interruptSignal(), controller.signal);
  delete slots[KERNEL];
  const signal = interruptSignal();
  assert.equal(interruptSignal(), signal);
  process.emit("SIGINT");
  assert.equal(signal.aborted, true);
  assert.equal((signal.reason as Error).name, "AbortError");
  const next = interruptSignal();
  assert.equal(next.aborted, false);
  process.emit("SIGINT");
  assert.equal(next.aborted, true);
  assert.equal(process.listenerCount("SIGINT"), 0);
});
