import { parseArgs } from "node:util";
import { usageOf, written, type Command } from "./command";
import { suggestion } from "./nearest";
import { UsageError, type Values } from "./values";

/**
 * Reads the options of a command. A value may begin with one dash, as negative numbers do, but not with two.
 * @throws {UsageError} for an unknown option, with the nearest ones, a missing value, a value of a flag, an option
 * that is given twice, and anything that is not an option; with the usage line
 */
export function parseArguments(args: string[], name: string, command: Command): Values {
  const { options } = command;
  const refuse = (problem: string): never => {
    throw new UsageError(`${problem} Usage: ${name} ${usageOf(command)}`);
  };
  const types = Object.entries(options).map(([option, { placeholder }]) => {
    return [option, { type: placeholder === undefined ? "boolean" : "string" }] as const;
  });
  const { tokens } = parseArgs({ args, options: Object.fromEntries(types), strict: false, tokens: true });
  const values: Values = {};
  for (const token of tokens) {
    if (token.kind === "positional") return refuse(`${name} takes options only, got ${JSON.stringify(token.value)}.`);
    if (token.kind === "option-terminator") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (!option)
      return refuse(
        `${name} has no option ${token.rawName}.${suggestion(token.name, [...Object.keys(options), "help", "json"], "--")}`,
      );
    const isFlag = option.placeholder === undefined;
    if (isFlag && token.value !== undefined) return refuse(`--${token.name}: takes no value.`);
    if (!isFlag && (token.value === undefined || (!token.inlineValue && token.value.startsWith("--"))))
      return refuse(`--${token.name}: needs a value: ${written(options, token.name)}.`);
    if (Object.hasOwn(values, token.name)) return refuse(`--${token.name}: given more than once.`);
    values[token.name] = token.value ?? "";
  }
  return values;
}
