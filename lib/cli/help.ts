import { usageOf, written, type Command } from "./command";
import type { Answer } from "./values";

/** Width of the help, in characters. */
const WIDTH = 80;
const PROGRAM = "npm run -s promptloss --";
/** Where the summaries of commands begin. */
const COLUMN = 13;

/** Help on all commands. */
export function helpOnAll(commands: Record<string, Command>): Answer {
  const list = Object.entries(commands).flatMap(([name, { summary }]) => wrapped(summary, `  ${name}`.padEnd(COLUMN)));
  const text = [
    `${PROGRAM} <command> … [--json]`,
    ...list,
    "",
    ...wrapped(
      `${PROGRAM} help <command>, or <command> --help, lists a command's options, their defaults and allowed values.`,
    ),
    ...wrapped("With --json the last line of output is one JSON object."),
    ...wrapped(
      "Relative paths on the command line count from the folder you are in, those in study files and environment " +
        "variables from the repository's root.",
    ),
  ];
  return { text: text.join("\n"), result: { commands: described(commands) } };
}

/** Help on one command: usage, what it does, and its options. */
export function helpOn(name: string, command: Command): Answer {
  const { summary, options } = command;
  const list = Object.entries(options).flatMap(([option, { description, default: fallback, choices, required }]) => {
    const notes = [
      description,
      ...(required ? ["must be given"] : []),
      ...(choices ? [`one of ${choices.join(", ")}`] : []),
      ...(fallback === undefined ? [] : [`default: ${fallback}`]),
    ];
    return optionHelp(written(options, option), notes.join("; "));
  });
  const text = [
    ...wrapped(`${usageOf(command)} [--json]`, `${PROGRAM} ${name} `, "    "),
    "",
    ...wrapped(summary),
    "",
    ...list,
    ...optionHelp("--json", "the last line of output is one JSON object"),
  ];
  return { text: text.join("\n"), result: { commands: described({ [name]: command }) } };
}

const optionHelp = (option: string, text: string): string[] => [`  ${option}`, ...wrapped(text, "      ")];

/** The commands and their options as plain data, for --json. */
function described(commands: Record<string, Command>): object[] {
  return Object.entries(commands).map(([name, command]) => ({
    name,
    summary: command.summary,
    usage: `${name} ${usageOf(command)}`,
    options: Object.entries(command.options).map(([option, details]) => ({ name: option, ...details })),
  }));
}

/**
 * Breaks a text into lines of at most {@link WIDTH} characters.
 * @param first beginning of the first line
 * @param rest beginning of the others
 */
function wrapped(text: string, first = "", rest = " ".repeat(first.length)): string[] {
  const lines: string[] = [];
  let [line, isEmpty] = [first, true];
  for (const word of unbroken(text)) {
    const longer = isEmpty ? line + word : `${line} ${word}`;
    if (longer.length > WIDTH && !isEmpty) {
      lines.push(line);
      line = rest + word;
    } else line = longer;
    isEmpty = false;
  }
  return [...lines, line];
}

/** The words of a text; in a usage line, "[--seed n]" is one. */
const unbroken = (text: string): string[] => text.match(/\[--[^\]]*\]\S*|\S+/g) ?? [];
