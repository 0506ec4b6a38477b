// The command line: npm run -s promptloss -- <command> … [--json]. Each command has a file in lib/cli.
import { parseArgs } from "node:util";
import { COMMANDS } from "./cli/commands";
import { UsageError, type Answer, type Values } from "./cli/values";
import { errorText } from "./data/errors";

void main(process.argv.slice(2));

async function main(args: string[]): Promise<void> {
  const json = args.includes("--json");
  const stop = new AbortController();
  // The first Ctrl-C, or a batch system's warning, stops after the current step; the second one stops at once.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(1);
      process.stderr.write("\nStopping at the next step; once more to stop at once.\n");
      stop.abort();
    });
  }
  try {
    const answer = await run(
      args.filter((arg) => arg !== "--json"),
      stop.signal,
    );
    if (answer.text) process.stdout.write(`${answer.text}\n`);
    if (json) process.stdout.write(`${JSON.stringify(answer.result)}\n`);
    process.exitCode = answer.failed ? 1 : 0;
  } catch (error) {
    const { name, message } = error as Error;
    process.stderr.write(`${errorText(error)}\n`);
    const details = {
      name,
      message,
      ...("failures" in (error as object) && { failures: (error as { failures: unknown }).failures }),
    };
    if (json) process.stdout.write(`${JSON.stringify({ error: details })}\n`);
    process.exitCode = 1;
  }
}

async function run([name, ...args]: string[], signal: AbortSignal): Promise<Answer> {
  const entry = name === undefined ? undefined : COMMANDS[name];
  if (!entry || args.includes("--help")) {
    const wanted = entry ? { [name]: entry } : COMMANDS;
    const text = Object.entries(wanted)
      .map(([command, { usage, summary }]) => `  ${command} ${usage}\n      ${summary}`)
      .join("\n");
    const known = entry !== undefined || name === undefined || name === "--help" || name === "help";
    const heading = known
      ? "npm run -s promptloss -- <command> … [--json]"
      : `There is no command ${JSON.stringify(name)}. The commands are:`;
    return {
      text: `${heading}\n${text}`,
      result: known ? { commands: Object.keys(COMMANDS) } : { error: { name: "UsageError", message: heading } },
      failed: !known,
    };
  }
  return (await entry.load()).run(parse(args, name), signal);
}

function parse(args: string[], name: string): Values {
  try {
    return parseArgs({ args, options: COMMANDS[name].options, strict: true }).values as Values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message} Usage: ${name} ${COMMANDS[name].usage}`);
  }
}
