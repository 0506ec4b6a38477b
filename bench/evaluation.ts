// Compares multiple-choice evaluation with lm-evaluation-harness' `hf` model on the same items, model and machine,
// alternating between the two.
//
//   node --import tsx bench/evaluation.ts --model DIR --data DIR --python PYTHON [--limit 200] [--repeats 3]
//
// The data folder contains piqa/validation.jsonl and arc_challenge/{train,test}.jsonl; PYTHON needs lm-eval 0.4.13 and
// torch.
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
if (!values.model || !values.data) {
  throw new Error("--model and --data are required; the usage is at the top of bench/evaluation.ts");
}
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

const parseLastLine = (output: string): Measured => JSON.parse(output.trimEnd().split("\n").at(-1)!) as Measured;
/** Measures our side in its own process, so that no measurement warms up another. */
const child = (task: string, shots: number): Measured =>
  parseLastLine(
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
  parseLastLine(
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
  if (!values.python) throw new Error("--python is missing; give a Python interpreter that has lm-eval installed");
  console.log(`| task | ours, s | harness at batch ${BATCHES.join(" / ")}, s | best harness time / ours | metrics |`);
  console.log("|---|---|---|---|---|");
  for (const { task, shots } of CASES) {
    const ourSeconds: number[] = [];
    const harnessSeconds = BATCHES.map(() => [] as number[]);
    let metrics = "";
    for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
      const result = child(task, shots);
      ourSeconds.push(result.seconds);
      BATCHES.forEach((batch, i) => {
        const other = harness(task, shots, batch);
        harnessSeconds[i].push(other.seconds);
        metrics = Object.keys(result.metrics)
          .map((name) => `${name} ${result.metrics[name].toFixed(4)} / ${other.metrics[`${name},none`]?.toFixed(4)}`)
          .join(", ");
      });
    }
    const ourMedian = median(ourSeconds);
    const medians = harnessSeconds.map(median);
    const cells = [
      `${task}, ${shots} shots`,
      ourMedian.toFixed(2),
      medians.map((seconds) => seconds.toFixed(2)).join(" / "),
      (Math.min(...medians) / ourMedian).toFixed(2),
      metrics,
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

void main();
