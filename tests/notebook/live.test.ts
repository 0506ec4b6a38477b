import assert from "node:assert/strict";
import { after, beforeEach, mock, test } from "node:test";
import { show } from "../../lib/notebook/display";
import { interruptSignal } from "../../lib/notebook/interrupt";
import type { NotebookKernel } from "../../lib/notebook/kernel";
import { duration, progressDisplay, progressLine, sweepLine, trainingDisplay } from "../../lib/notebook/progress";
import type { SweepProgress } from "../../lib/sweep/sweep-progress";
import type { StepRecord } from "../../lib/runs/steps";

const KERNEL = Symbol.for("promptloss.kernel");
const slots = globalThis as Record<symbol, unknown>;
let shown: { data: Record<string, string>; id?: string; update: boolean }[] = [];
const controller = new AbortController();
const kernel: NotebookKernel = {
  display: ({ data, transient }, update) => {
    shown.push({ data: data as Record<string, string>, id: transient.display_id, update });
  },
  signal: controller.signal,
};

beforeEach(() => {
  slots[KERNEL] = kernel;
  shown = [];
});
after(() => {
  delete slots[KERNEL];
});

const sweepAt = (stepsDone: number, complete: number): SweepProgress => ({
  wanted: 5,
  complete,
  cached: 1,
  failed: 1,
  stepsDone,
  stepsTotal: 40,
  tokensPerSecond: 12345.6,
  etaSeconds: 200,
  active: complete < 4 ? [{ run: "<pocket>", step: 3, totalSteps: 10, loss: 1.23456 }] : [],
  failures: [{ run: "run-7", message: "disk full" }],
});

test("sweepLine formats runs, failures, steps, speed, losses and remaining time", () => {
  assert.equal(
    sweepLine(sweepAt(13, 2)),
    "2 of 5 runs (1 were there) · 1 failed · step 13 of 40 · 12,346 tokens/s · loss 1.235 · 3 min 20 s left",
  );
  assert.equal(duration(59.6), "1 min 0 s");
  assert.equal(duration(7500), "2 h 5 min");
});

test("progressDisplay updates in place, at a limited rate, and keeps the final state", async () => {
  const update = progressDisplay();
  for (let step = 0; step < 39; step++) update(sweepAt(step, 2));
  assert.equal(shown.length, 1);
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(shown.length, 2);
  assert.match(shown[1]!.data["text/plain"]!, /step 38 of 40/); // the newest value, not the one that started the timer
  update(sweepAt(40, 4));
  assert.equal(shown.length, 3); // immediately, since the cell may end
  assert.match(shown[2]!.data["text/plain"]!, /^4 of 5 runs/);
  assert.match(shown[2]!.data["text/plain"]!, /failed: run-7: disk full/);
  assert.deepEqual(
    shown.map(({ update: again }) => again),
    [false, true, true],
  );
  assert.equal(new Set(shown.map(({ id }) => id)).size, 1);
  assert.match(shown[1]!.data["text/html"]!, /&lt;pocket&gt;: step 3 of 10, loss 1\.235/);
});

test("trainingDisplay shows the loss, its prompt and completion parts, speed and remaining time", () => {
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
  const update = trainingDisplay();
  update(record, 3);
  assert.equal(shown[0]!.data["text/plain"], "step 1 of 3 · loss 2.000 (prompt 3.000) · 200 tokens/s · 1 s left");
  update({ ...record, step: 3 }, 3);
  assert.equal(shown.at(-1)!.data["text/plain"], "step 3 of 3 · loss 2.000 (prompt 3.000) · 200 tokens/s");
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
