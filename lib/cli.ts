// The command line: npm run -s promptloss -- <command> … [--json]. Each command has a file in lib/cli.
import { parseArguments } from "./cli/arguments";
import type { Command } from "./cli/command";
import { COMMANDS } from "./cli/commands";
import { helpOn, helpOnAll } from "./cli/help";
import { suggestion } from "./cli/nearest";
import { answer, answerJson, say } from "./cli/terminal";
import { UsageError, type Answer } from "./cli/values";
import { errorText } from "./data/errors";

async function main(given: string[]): Promise<void> {
  const json = given.includes("--json");
  try {
    const result = await run(given.filter((arg) => arg !== "--json"));
    if (result.text) answer(result.text);
    if (json) answerJson(result.result);
    process.exitCode = result.failed ? 1 : 0;
  } catch (error) {
    const { name, message } = error as Error;
    say(errorText(error));
    const details = {
      name,
      message,
      ...("failures" in (error as object) && { failures: (error as { failures: unknown }).failures }),
    };
    if (json) answerJson({ error: details });
    process.exitCode = 1;
  }
}

async function run([first = "help", ...args]: string[]): Promise<Answer> {
  const isAsking = first === "help" || [first, ...args].some((arg) => arg === "--help" || arg === "-h");
  const name = [first, ...args].find((arg) => !["help", "--help", "-h"].includes(arg));
  if (name === undefined) return helpOnAll(COMMANDS);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new UsageError(noCommand(name));
  if (isAsking) return helpOn(name, command);
  const values = parseArguments(args, name, command);
  const signal = stopSignal(command);
  return (await command.load()).run(values, signal);
}

function noCommand(name: string): string {
  const names = Object.keys(COMMANDS);
  return `There is no command ${JSON.stringify(name)}.${suggestion(name, names)} The commands are ${names.join(", ")}.`;
}

/** Aborted by the first Ctrl-C, or a batch system's warning: the command stops after the current step. */
function stopSignal({ handlesSignals }: Command): AbortSignal {
  const stop = new AbortController();
  if (handlesSignals) return stop.signal;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(1);
      say("\nStopping at the next step; once more to stop at once.");
      stop.abort();
    });
  }
  return stop.signal;
}

void main(process.argv.slice(2));
