// Multiple choice, side by side with lm-evaluation-harness' `hf` model: the same items, model, machine, in turn.
//
//   node --import tsx bench/evaluation.ts --model DIR --data DIR --python PYTHON [--limit 200] [--repeats 3]
//
// DATA holds piqa/validation.jsonl, arc_challenge/{train,test}.jsonl; PYTHON is one with lm-eval 0.4.13 and torch.
import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

interface Measured {
  seconds: number;
  metrics: Record<string, number>;
}

const CASES = [
  { task: "piqa", shots: 0 },
  { task: "arc_challenge", shots: 25 },
];
const BATCHES = [1, 16, 64];

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    data: { type: "string" },
    python: { type: "string" },
    limit: { type: "string", default: "200" },
    repeats: { type: "string", default: "3" },
    "ours-only": { type: "string" },
  },
});
if (!values.model || !values.data) throw new Error("--model and --data are needed; see the head of this file.");
const [model, data] = [resolve(values.model), resolve(values.data)];

async function ours(task: string, shots: number): Promise<Measured> {
  const [{ evaluate }, { loadModel }] = await Promise.all([
    import("../lib/evaluate/evaluate"),
    import("../lib/model/causal-lm"),
  ]);
  const loaded = loadModel(model);
  const started = performance.now();
  const [{ metrics }] = await evaluate(loaded, [task], { dataDir: data, fewShot: shots, limit: Number(values.limit) });
  return { seconds: (performance.now() - started) / 1000, metrics: metrics as Record<string, number> };
}

/** A process of its own for each measurement, so that neither warms up the other. */
const last = (output: string): Measured => JSON.parse(output.trimEnd().split("\n").at(-1)!) as Measured;
const child = (task: string, shots: number): Measured =>
  last(
    execFileSync(
      process.execPath,
      [
        ...process.execArgv,
        __filename,
        "--model",
        model,
        "--data",
        data,
        "--limit",
        values.limit,
        "--ours-only",
        `${task} ${shots}`,
      ],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    ),
  );
const harness = (task: string, shots: number, batch: number): Measured =>
  last(
    execFileSync(
      values.python!,
      [join(__dirname, "harness.py"), model, data, task, String(shots), values.limit, String(batch)],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, OMP_WAIT_POLICY: "PASSIVE" } },
    ),
  );
const median = (numbers: number[]): number => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function main(): Promise<void> {
  if (values["ours-only"]) {
    const [task, shots] = values["ours-only"].split(" ");
    console.log(JSON.stringify(await ours(task, Number(shots))));
    return;
  }
  if (!values.python) throw new Error("--python is needed: one with lm-eval installed.");
  console.log(
    `| task | ours, s | harness at batch ${BATCHES.join(" / ")}, s | its best / ours | metrics |\n|---|---|---|---|---|`,
  );
  for (const { task, shots } of CASES) {
    const own: number[] = [];
    const theirs = BATCHES.map(() => [] as number[]);
    let metrics = "";
    for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
      const result = child(task, shots);
      own.push(result.seconds);
      BATCHES.forEach((batch, i) => {
        const other = harness(task, shots, batch);
        theirs[i].push(other.seconds);
        metrics = Object.keys(result.metrics)
          .map((name) => `${name} ${result.metrics[name].toFixed(4)} / ${other.metrics[`${name},none`]?.toFixed(4)}`)
          .join(", ");
      });
    }
    const medians = theirs.map(median);
    console.log(
      `| ${task}, ${shots} shots | ${median(own).toFixed(2)} | ${medians.map((s) => s.toFixed(2)).join(" / ")} | ${(Math.min(...medians) / median(own)).toFixed(2)} | ${metrics} |`,
    );
  }
}

void main();
