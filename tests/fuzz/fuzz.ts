// Fuzzes the readers of files for as long as one likes: valid files, changed in structure or in bytes, must give the
// right value or an error of ours that names file and place, within a second.
//
//   node --import tsx tests/fuzz/fuzz.ts --seconds 3600
//
// --seconds n   how long to run; default: 60
// --count n     number of inputs of each format instead
// --format x    one format: safetensors, torch-file, config, tokenizer, study, data, csv, checkpoint,
//               journal; default: all
// --seed n      default: drawn, and printed
// --input n     one input by its number, judged in this process (for a debugger); needs --format and --seed
// --save dir    where inputs that fail are saved; default: promptloss-fuzz in the system's temporary folder
//
// Ends with 1 if an input fails. Each failure is printed with the command that repeats it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Campaign, countsText, failureText } from "./campaign";
import { FORMATS, formatOf } from "./formats";
import { inputOf } from "./input";
import { judge } from "./judge";

/** Inputs of a format that are judged before the next format has its turn. */
const ROUND = 50;

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: { seconds: text, count: text, format: text, seed: text, input: text, save: text },
});

/** The number of an option; undefined if it is not given. */
function numberOf(name: "seconds" | "count" | "seed" | "input"): number | undefined {
  const given = values[name];
  if (given === undefined) return undefined;
  if (!/^\d+$/.test(given)) throw new Error(`--${name} must be a whole number, got ${JSON.stringify(given)}`);
  return Number(given);
}

const formats = values.format === undefined ? FORMATS : [formatOf(values.format)];
const seed = numberOf("seed") ?? Math.floor(Math.random() * 2 ** 31);

async function one(index: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "promptloss-fuzz-"));
  try {
    const input = inputOf(formats[0], seed, index);
    console.log(input.what);
    const outcome = await judge(formats[0], input, join(dir, "input"));
    console.log(outcome);
    if (outcome.kind === "fault") process.exitCode = 1;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function many(): Promise<void> {
  const count = numberOf("count") ?? Infinity;
  const end = count < Infinity ? Infinity : Date.now() + 1000 * (numberOf("seconds") ?? 60);
  console.log(`seed ${seed}`);
  const campaign = new Campaign(seed, values.save ?? join(tmpdir(), "promptloss-fuzz"));
  let printed = 0;
  for (let from = 0; from < count && Date.now() < end; from += ROUND) {
    for (const { name } of formats) {
      if (Date.now() >= end) break;
      await campaign.run(name, from, Math.min(ROUND, count - from));
      for (; printed < campaign.failures.length; printed++) console.log(failureText(campaign.failures[printed]));
    }
  }
  campaign.close();
  console.log(countsText(campaign.counts));
  if (campaign.failures.length > 0) process.exitCode = 1;
}

const input = numberOf("input");
void (input === undefined ? many() : one(input));
