// Help, usage lines and the reading of options, all from the table of commands.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseArguments } from "../../lib/cli/arguments";
import { usageOf, type Command } from "../../lib/cli/command";
import { COMMANDS } from "../../lib/cli/commands";
import { nearest } from "../../lib/cli/nearest";
import { TRUNCATIONS } from "../../lib/data/encode";
import { NORMALIZERS } from "../../lib/data/normalizer";
import { FORMATS } from "../../lib/evaluate/task";

const root = join(__dirname, "..", "..");

interface Answer {
  status: number | null;
  lines: string[];
  stderr: string;
}

function promptloss(...args: string[]): Answer {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", "lib/cli.ts", ...args], {
    cwd: root,
    encoding: "utf8",
  });
  return { status, lines: stdout.trimEnd().split("\n"), stderr };
}

const copy: Command = {
  summary: "copies",
  options: {
    from: { placeholder: "file", description: "what", required: true },
    to: { placeholder: "dir", description: "where" },
    at: { placeholder: "url", description: "where else" },
    times: { placeholder: "n", description: "how often", default: "1" },
    yes: { description: "without asking" },
  },
  alternatives: [["to", "times?"], ["at"]],
  load: () => Promise.reject(new Error("not called")),
};

test("the usage line follows from the options", () => {
  assert.equal(usageOf(copy), "--from file (--to dir [--times n] | --at url) [--yes]");
});

test("options are read by the same table; what is not among them is refused with the nearest", () => {
  assert.deepEqual(
    { ...parseArguments(["--from", "-1", "--to=--x", "--yes"], "copy", copy) },
    {
      from: "-1",
      to: "--x",
      yes: "",
    },
  );
  for (const [args, message] of [
    [["--form", "x"], "copy has no option --form. Did you mean --from?"],
    [["--tim=2"], "copy has no option --tim. Did you mean --times?"],
    [["--nothing"], "copy has no option --nothing."],
    [["--constructor"], "copy has no option --constructor."],
    [["--from"], "--from: needs a value: --from file."],
    [["--from", "--yes"], "--from: needs a value: --from file."],
    [["--yes=no"], "--yes: takes no value."],
    [["x"], 'copy takes options only, got "x".'],
  ] as [string[], string][]) {
    assert.throws(() => parseArguments(args, "copy", copy), {
      name: "UsageError",
      message: `${message} Usage: copy ${usageOf(copy)}`,
    });
  }
});

test("nearest names: exchanged, missing and wrong letters, and beginnings", () => {
  const names = ["doctor", "fetch", "sweep", "status", "study", "start"];
  assert.deepEqual(nearest("swep", names), ["sweep"]);
  assert.deepEqual(nearest("fecth", names), ["fetch"]);
  assert.deepEqual(nearest("stat", names), ["status", "start"]);
  assert.deepEqual(nearest("doktor", names), ["doctor"]);
  assert.deepEqual(nearest("evaluate", names), []);
});

test("the table is complete: every file of a command, every option of a set, choices from the library", () => {
  for (const [name, { options, alternatives = [] }] of Object.entries(COMMANDS)) {
    assert.ok(readdirSync(join(root, "lib", "cli")).includes(`${name}.ts`), name);
    for (const option of alternatives.flat()) assert.ok(option.replace("?", "") in options, `${name}: ${option}`);
  }
  assert.equal(COMMANDS.train.options.normalizer.choices, NORMALIZERS);
  assert.equal(COMMANDS.train.options.truncation.choices, TRUNCATIONS);
  assert.equal(COMMANDS.evaluate.options.format.choices, FORMATS);
  assert.deepEqual(
    Object.keys(require.cache).filter((path) => /@tensorflow|lib\/model\//.test(path)),
    [], // help does not wait for TensorFlow
  );
});

test("help lists commands, and each command's options with defaults and allowed values, 80 columns wide", () => {
  const overview = promptloss("help");
  assert.equal(overview.status, 0, overview.stderr);
  for (const [name, { summary }] of Object.entries(COMMANDS))
    assert.ok(overview.lines.join("\n").includes(`\n  ${name.padEnd(10)} ${summary.slice(0, 30)}`), name);
  const train = promptloss("help", "train");
  const text = train.lines.join("\n");
  assert.match(text, /^npm run -s promptloss -- train --plw w \(--model dir\|name --data file/);
  assert.match(text, /\n {2}--truncation name\n {6}what happens .*; one of truncate, drop, error;\n {6}default: /);
  for (const { lines } of [overview, train, promptloss("evaluate", "--help"), promptloss("fetch", "-h")])
    assert.deepEqual(
      lines.filter((line) => line.length > 80),
      [],
    );
  assert.deepEqual(promptloss("train", "--help"), train);
  assert.deepEqual(promptloss("--help", "train"), train);
  assert.deepEqual(promptloss(), overview);
});

test("the JSON of help has the options too", () => {
  const { commands } = JSON.parse(promptloss("help", "evaluate", "--json").lines.at(-1)!) as {
    commands: { name: string; usage: string; options: { name: string; default?: string; choices?: string[] }[] }[];
  };
  assert.deepEqual(
    commands.map(({ name }) => name),
    ["evaluate"],
  );
  assert.equal(commands[0].usage, `evaluate ${usageOf(COMMANDS.evaluate)}`);
  const format = commands[0].options.find(({ name }) => name === "format")!;
  assert.deepEqual([format.default, format.choices], ["harness", [...FORMATS]]);
  const all = JSON.parse(promptloss("--json").lines.at(-1)!) as typeof format & { commands: { name: string }[] };
  assert.deepEqual(
    all.commands.map(({ name }) => name),
    Object.keys(COMMANDS),
  );
});

test("an unknown command is refused with the nearest", () => {
  const { status, stderr } = promptloss("swep");
  assert.equal(status, 1);
  assert.match(stderr, /^There is no command "swep"\. Did you mean sweep\? The commands are doctor, /);
  assert.equal(promptloss("toString").status, 1);
});
