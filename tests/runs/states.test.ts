// Every arrow between the states of a run and of its claim (heads of lib/runs/store.ts and claim.ts), with two processes.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import {
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative } from "node:path";
import test, { after } from "node:test";
import { Interrupted, RunFailedError, RunHeldError } from "../../lib/data/errors";
import { sha256 } from "../../lib/data/digest";
import { evaluateWith } from "../../lib/evaluate/evaluate";
import { Memo } from "../../lib/evaluate/memo";
import { claimRun, livingHolder } from "../../lib/runs/claim";
import { pruneRun } from "../../lib/runs/prune";
import { RunStore, runFiles, usableRun, type Run } from "../../lib/runs/store";
import { train, type TrainOptions } from "../../lib/train/train";
import type { Instructions } from "./training-process";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "./world";

const dir = temporaryFolder();
const model = tinyModel(join(dir, "model"), 1);
const examples = writeJson(join(dir, "rows.json"), tinyExamples(12, 1));
const STEPS = 6;

/** Options of one run in a store of its own, with a checkpoint after every step. */
function optionsFor(store: string): TrainOptions {
  const checkpointEvery = { steps: 1 };
  return { model, examples, plw: 0.1, hyperparameters: QUICK, store: join(dir, store), checkpointEvery };
}

/** The only run in the store. */
const runIn = (options: TrainOptions): Run => new RunStore(options.store).list()[0]!;

/** Another process that trains the run, and has paused at a step. */
class Other {
  private output = "";
  private readonly ended: Promise<void>;

  private constructor(
    private readonly child: ChildProcess,
    private readonly answer: string,
  ) {
    for (const stream of [child.stdout!, child.stderr!])
      stream.on("data", (text: Buffer) => void (this.output += text.toString()));
    this.ended = new Promise((resolve) => child.on("close", () => resolve()));
    after(() => child.kill("SIGKILL")); // if a test fails before it tells the process how to go on
  }

  /** @param host name of its machine, if it is another one */
  static async pausedAt(step: number, options: TrainOptions, host?: string): Promise<Other> {
    const answer = join(options.store!, "answer");
    const instructions: Instructions = {
      options: options as object as Instructions["options"],
      pauseAt: step,
      answer,
      host,
    };
    const script = join(__dirname, "training-process.ts");
    const other = new Other(spawn(process.execPath, ["--import", "tsx", script, JSON.stringify(instructions)]), answer);
    while (!other.output.includes("paused")) {
      assert.equal(other.child.exitCode, null, other.output);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return other;
  }

  /** Ends the pause and returns how the process ended. */
  async told(what: "go on" | "interrupt" | "fail"): Promise<string> {
    writeFileSync(`${this.answer}.part`, what);
    renameSync(`${this.answer}.part`, this.answer);
    await this.ended;
    const line = /^\{"outcome":.*\}$/m.exec(this.output);
    assert.ok(line, this.output);
    return (JSON.parse(line[0]) as { outcome: string }).outcome;
  }

  async killed(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
  }
}

/** Digest of every file in a folder except claims, by its path. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
  const plain = files.filter((file) => statSync(file).isFile() && !basename(file).startsWith("claim-")).sort();
  return Object.fromEntries(plain.map((file) => [relative(folder, file), sha256(readFileSync(file))]));
}

/** What a run ends with: weights, and records without their times. */
const result = (run: Run) => ({
  weights: sha256(readFileSync(runFiles(run.dir).weights)),
  records: run.records.map((record) => ({ ...record, seconds: 0 })),
});

/** Makes the claim of a process on another machine look as if it had had no heartbeat for 11 minutes. */
function expireClaims(runDir: string, minutes = -11): void {
  const time = Date.now() / 1000 + 60 * minutes;
  for (const name of readdirSync(runDir).filter((name) => name.startsWith("claim-")))
    utimesSync(join(runDir, name), time, time);
}

let undisturbed: Promise<ReturnType<typeof result>> | undefined;
const reference = () => (undisturbed ??= train(optionsFor("undisturbed")).then(result));

test("absent → running → complete: a second process is refused, and later gets the result", async () => {
  const options = optionsFor("complete");
  const other = await Other.pausedAt(3, options);
  assert.equal(runIn(options).status, "running");
  await assert.rejects(train(options), RunHeldError);
  assert.equal(await other.told("go on"), "complete");
  assert.equal(runIn(options).status, "complete");
  const run = await train({ ...options, onStep: () => assert.fail("trained again") });
  assert.deepEqual(result(run), await reference());
});

test("running → partial → running: what a killed process left is continued from its checkpoint", async () => {
  const options = optionsFor("killed");
  const other = await Other.pausedAt(4, options);
  await other.killed();
  assert.equal(runIn(options).status, "partial");
  const run = await train(options);
  assert.deepEqual(
    run.record.attempts.map(({ fromStep }) => fromStep),
    [0, 3],
  );
  assert.deepEqual(result(run), await reference());
});

test("running → partial: a process that is told to stop writes a checkpoint of its last step", async () => {
  const options = optionsFor("interrupted");
  const other = await Other.pausedAt(4, options);
  assert.equal(await other.told("interrupt"), "Interrupted");
  assert.equal(runIn(options).status, "partial");
  const run = await train(options);
  assert.deepEqual(
    run.record.attempts.map(({ fromStep, toStep }) => [fromStep, toStep]),
    [
      [0, 4],
      [4, STEPS],
    ],
  );
  assert.deepEqual(result(run), await reference());
});

test("running → failed: the other process does not try again", async () => {
  const options = optionsFor("failed");
  const other = await Other.pausedAt(2, options);
  assert.equal(await other.told("fail"), "TrainingError");
  const run = runIn(options);
  assert.equal(run.status, "failed");
  assert.equal(existsSync(runFiles(run.dir).checkpoint), false);
  await assert.rejects(train(options), RunFailedError);
});

for (const [what, step] of [
  ["interrupt", 3],
  ["fail", 3],
  ["go on", 3], // to a checkpoint
  ["go on", STEPS], // to the end
] as const) {
  test(`running → lost: another process took the run over and completed it; then ${what} at step ${step}`, async () => {
    const options = optionsFor(`lost-${what.replace(" ", "-")}-${step}`);
    const other = await Other.pausedAt(step, options, "another-machine");
    const { dir: runDir } = runIn(options);
    await assert.rejects(train(options), RunHeldError);
    expireClaims(runDir);
    const run = await train(options);
    const before = contents(run.dir);
    assert.equal(await other.told(what), "RunHeldError");
    assert.deepEqual(contents(run.dir), before);
    assert.equal(runIn(options).status, "complete");
    assert.deepEqual(result(usableRun(runIn(options))), await reference());
  });
}

test("running → lost: a checkpoint of the process that took over stays as it is", async () => {
  const options = optionsFor("lost-checkpoint");
  const other = await Other.pausedAt(2, options, "another-machine");
  expireClaims(runIn(options).dir);
  const stop = new AbortController();
  const stopping = { signal: stop.signal, onStep: ({ step }: { step: number }) => void (step === 4 && stop.abort()) };
  await assert.rejects(train({ ...options, ...stopping }), Interrupted);
  const before = contents(runIn(options).dir);
  assert.equal(await other.told("go on"), "RunHeldError");
  assert.deepEqual(contents(runIn(options).dir), before);
  assert.deepEqual(result(await train(options)), await reference());
});

test("complete → pruned: refused while another process holds run or scores, or takes a claim over", async () => {
  const options = optionsFor("pruned");
  const run = await train(options);
  for (const folder of [run.dir, join(run.dir, "scores")]) {
    const holder = spawn(process.execPath, ["--import", "tsx", join(__dirname, "holder-process.ts"), folder]);
    after(() => holder.kill("SIGKILL"));
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    await assert.rejects(
      pruneRun(run, async () => []),
      RunHeldError,
    );
    const ended = new Promise((resolve) => holder.on("close", resolve));
    holder.kill("SIGKILL");
    await ended;
  }
  const before = contents(run.dir);
  const takenOver = async () => {
    for (const name of readdirSync(run.dir)) if (name.startsWith("claim-")) rmSync(join(run.dir, name));
    return [];
  };
  await assert.rejects(pruneRun(run, takenOver), RunHeldError);
  assert.deepEqual(contents(run.dir), before);
  assert.ok((await pruneRun(run, async () => [])) > 0);
  assert.equal(usableRun(runIn(options)).pruned!.bytes, run.record.weights!.bytes);
  rmSync(join(run.dir, "model", "tokenizer.json"));
  assert.throws(() => usableRun(runIn(options)), /tokenizer\.json is damaged: it is missing/);
});

test("an evaluation whose claim was lost writes nothing", async () => {
  const run = await train(optionsFor("scores"));
  const scores = join(run.dir, "scores");
  for (const after of [0, 1]) {
    let renewals = 0;
    const lost = () => {
      if (renewals++ >= after) throw new RunHeldError("lost");
    };
    const claim = { renew: lost, release: () => {} };
    await assert.rejects(evaluateWith(new Memo(), run, ["pocket-arc"], { limit: 2 }, claim), RunHeldError);
    const written = existsSync(scores) ? readdirSync(scores) : [];
    assert.ok(
      written.every((name) => name.endsWith(".partial")),
      written.join(),
    );
    for (const name of written) assert.equal(readFileSync(join(scores, name), "utf8").trim().split("\n").length, 1);
  }
});

test("a claim of another machine counts by the distance of its last heartbeat, whichever clock was set", async () => {
  const folder = join(dir, "clocks");
  const own = await claimRun(folder, "clocks");
  own.release();
  const foreign = join(folder, "claim-0123456789ab-1-1-00000000");
  for (const [minutes, isLive] of [
    [0, true],
    [-9, true],
    [9, true],
    [-11, false],
    [11, false],
  ] as const) {
    writeFileSync(foreign, "");
    expireClaims(folder, minutes);
    assert.equal(livingHolder(folder) !== undefined, isLive, `${minutes} minutes`);
    assert.equal(existsSync(foreign), isLive);
  }
});

test("what a run needs at its end is read at its start; complete means that every file is there", async () => {
  const moved = tinyModel(join(dir, "moved model"), 1);
  const options = { ...optionsFor("moved"), model: moved };
  const onStep = ({ step }: { step: number }) => void (step === 2 && renameSync(moved, `${moved}-away`));
  const run = await train({ ...options, onStep });
  assert.deepEqual(contents(run.weightsDir), contents((await train(optionsFor("undisturbed"))).weightsDir));
  renameSync(`${moved}-away`, moved);
  for (const name of readdirSync(run.weightsDir)) {
    const file = join(run.weightsDir, name);
    renameSync(file, `${file}.away`);
    await assert.rejects(
      train(options),
      (error: Error) => error instanceof RunFailedError && error.message.includes(`${file} is damaged: it is missing`),
    );
    renameSync(`${file}.away`, file);
  }
  assert.equal((await train(options)).id, run.id);
});

test("a checkpoint whose step or records were changed is not used, and the record says so", async () => {
  const changes: Record<string, (run: Run) => void> = {
    "step 3": ({ dir }) => changed(join(runFiles(dir).checkpoint, "checkpoint.json"), /"step":4/, '"step":3'),
    "step -1": ({ dir }) => changed(join(runFiles(dir).checkpoint, "checkpoint.json"), /"step":4/, '"step":-1'),
    "step 3 in all names": ({ dir }) => {
      const { checkpoint } = runFiles(dir);
      changed(join(checkpoint, "checkpoint.json"), /(?<=step\W*)4/g, "3");
      renameSync(join(checkpoint, "step-4.safetensors"), join(checkpoint, "step-3.safetensors"));
    },
    "a loss": ({ dir }) => changed(runFiles(dir).steps, /"loss":\d/, '"loss":7'),
    "too few records": ({ dir }) => changed(runFiles(dir).steps, /\n[^\n]*\n$/, "\n"),
  };
  for (const [name, change] of Object.entries(changes)) {
    const options = optionsFor(`changed ${name}`);
    const stop = new AbortController();
    const stopping = { signal: stop.signal, onStep: ({ step }: { step: number }) => void (step === 4 && stop.abort()) };
    await assert.rejects(train({ ...options, ...stopping }), Interrupted);
    change(runIn(options));
    const run = await train(options);
    assert.deepEqual(
      run.record.attempts.map(({ fromStep }) => fromStep),
      [0, 0],
      name,
    );
    assert.match(run.record.notes.join("\n"), /Training starts from the beginning\./, name);
    assert.deepEqual(result(run), await reference(), name);
  }
});

/** Replaces text in a file. */
function changed(file: string, pattern: RegExp, replacement: string): void {
  const before = readFileSync(file, "utf8");
  const after = before.replace(pattern, replacement);
  assert.notEqual(after, before, file);
  writeFileSync(file, after);
}
