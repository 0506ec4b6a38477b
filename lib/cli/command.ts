import type { Answer, Values } from "./values";

/** An option of a command; usage line, help and parsing all follow from it. */
export interface Option {
  /** stands for the value in usage lines, such as "dir"; an option without one is a flag */
  placeholder?: string;
  /** what the option means, without a full stop */
  description: string;
  /** what applies where the option is not given */
  default?: string;
  /** the allowed values, where they are names */
  choices?: readonly string[];
  /** whether the command cannot do without it */
  required?: boolean;
}

/** One command of the command line. */
export interface Command {
  /** what the command does, without a full stop */
  summary: string;
  /** by name, without the dashes; in the order of the help */
  options: Record<string, Option>;
  /**
   * options of which one set is given, by name: the usage line shows `(--run id | --model dir)`. A name that ends with
   * "?" may be left out of its set. Options that no set names are shown after the sets.
   */
  alternatives?: readonly (readonly string[])[];
  /** whether Ctrl-C is left to a program that the command starts */
  handlesSignals?: boolean;
  /** Loads the command's code, only when it is called: `status` should not wait for TensorFlow. */
  load(): Promise<{ run(values: Values, signal: AbortSignal): Answer | Promise<Answer> }>;
}

/** The options of a command as one line, such as "--plw w [--seed n]". */
export function usageOf({ options, alternatives = [] }: Command): string {
  const inSets = new Set(alternatives.flat().map(nameIn));
  const others = Object.keys(options).filter((name) => !inSets.has(name));
  const given = others.filter((name) => options[name].required).map((name) => written(options, name));
  const optional = others.filter((name) => !options[name].required).map((name) => `[${written(options, name)}]`);
  const sets = alternatives.map((set) =>
    set.map((name) => (isOptional(name) ? `[${written(options, nameIn(name))}]` : written(options, name))).join(" "),
  );
  return [...given, ...(sets.length > 0 ? [`(${sets.join(" | ")})`] : []), ...optional].join(" ");
}

/** An option as it is typed: "--seed n", or "--yes". */
export function written(options: Command["options"], name: string): string {
  const { placeholder } = options[name];
  return placeholder === undefined ? `--${name}` : `--${name} ${placeholder}`;
}

const isOptional = (name: string): boolean => name.endsWith("?");
const nameIn = (name: string): string => name.replace(/\?$/, "");
