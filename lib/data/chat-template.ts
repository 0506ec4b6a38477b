import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { Environment, parse, tokenize } from "@huggingface/jinja";
import { tokenizerHome } from "./adapter-base";
import { DataError } from "./errors";
import type { Message } from "./message";
import { readText } from "./read-json";
import { BoundedInterpreter } from "./template-bounds";
import { readTokenizerFiles, tokenText, type TokenizerFiles } from "./tokenizer-files";
import { isObject } from "./validate";

/** A chat template: a Jinja text, with the special tokens that it names. */
export interface ChatTemplate {
  name: string;
  /** Jinja, as in `chat_template` of tokenizer_config.json */
  jinja: string;
  /** Jinja for conversations with tools, if another text is for these ("tool_use" in Transformers) */
  toolUse?: string;
  /** values of `bos_token`, `eos_token` and other names of special tokens */
  specialTokens: Record<string, string>;
  /** the day that `strftime_now` gives, such as "2026-07-26"; without it a template that asks for the date is refused */
  date?: string;
}

/** Options of {@link loadChatTemplate}. */
export interface LoadChatTemplateOptions {
  /** file of a Jinja text to use instead of the tokenizer's own template */
  file?: string;
  /** name of one of several templates of the tokenizer; default "default", or "tool_use" for conversations with tools */
  name?: string;
  /** see {@link ChatTemplate.date} */
  date?: string;
}

const SPECIAL_TOKENS = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((role) => `${role}_token`);

/**
 * Loads the chat template of a tokenizer, as Transformers 5 does: chat_template.jinja, with others in
 * additional_chat_templates, else `chat_template` of tokenizer_config.json, a text or a list of named ones.
 *
 * @param dir directory with tokenizer.json, also of an adapter
 * @throws {DataError} if there is none, or none of that name, or it is not valid Jinja
 */
export function loadChatTemplate(dir: string, options: LoadChatTemplateOptions = {}): ChatTemplate {
  const files = readTokenizerFiles(dir);
  const { file, name, date } = options;
  if (file !== undefined)
    return { name: file, jinja: readJinja(file), specialTokens: specialTokenTexts(files), ...(date && { date }) };
  const template = ownChatTemplate(dir, files, options);
  if (template) {
    for (const jinja of [template.jinja, template.toolUse ?? ""]) checkJinja(jinja, `${dir}: ${nameOf(template)}`);
    return template;
  }
  throw new DataError(
    `${dir}: ${absence(name ?? "default", [...namedTemplates(dir, files.config.chat_template).keys()])}`,
  );
}

/**
 * Reads the file of a chat template.
 * @throws {DataError} naming the file, if it cannot be read or is not valid Jinja
 */
export function readJinja(file: string): string {
  const jinja = readText(file);
  checkJinja(jinja, file);
  return jinja;
}

/** @throws {DataError} for a text that is not valid Jinja */
export function checkJinja(jinja: string, where?: string): void {
  try {
    compiled(jinja);
  } catch (error) {
    const prefix = where === undefined ? "" : `${where}: `;
    throw new DataError(`${prefix}is not valid Jinja: ${(error as Error).message}`);
  }
}

const nameOf = ({ name }: ChatTemplate): string => `chat template ${JSON.stringify(name)}`;

/**
 * The chat template among a tokenizer's files; undefined if there is none, or none of that name.
 * @param files of {@link readTokenizerFiles}
 */
export function ownChatTemplate(
  dir: string,
  files: TokenizerFiles,
  { name, date }: LoadChatTemplateOptions = {},
): ChatTemplate | undefined {
  const named = namedTemplates(dir, files.config.chat_template);
  const jinja = named.get(name ?? "default");
  if (jinja === undefined) return undefined;
  const toolUse = name === undefined ? named.get("tool_use") : undefined;
  return {
    name: name ?? "the tokenizer's",
    jinja,
    ...(toolUse !== undefined && { toolUse }),
    specialTokens: specialTokenTexts(files),
    ...(date !== undefined && { date }),
  };
}

/** The texts of special tokens by their names in templates. */
export function specialTokenTexts({ tokenNames }: TokenizerFiles): Record<string, string> {
  const texts = SPECIAL_TOKENS.map((name) => [name, tokenText(tokenNames[name])] as const);
  return Object.fromEntries(texts.flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])));
}

const absence = (wanted: string, given: string[]): string =>
  given.length === 0
    ? "there is no chat template, neither chat_template.jinja nor chat_template in tokenizer_config.json; " +
      "name a file with one"
    : `there is no chat template with the name "${wanted}"; there are ${given.join(", ")}`;

/** The files beside a tokenizer's own that hold its chat templates: chat_template.jinja, then additional ones by name. */
export function chatTemplateFiles(dir: string): string[] {
  const home = tokenizerHome(dir);
  const own = join(home, OWN_TEMPLATE);
  const folder = join(home, "additional_chat_templates");
  const additional = existsSync(folder) ? readdirSync(folder).sort() : [];
  return [
    ...(existsSync(own) ? [own] : []),
    ...additional.filter((entry) => entry.endsWith(EXTENSION)).map((entry) => join(folder, entry)),
  ];
}

const OWN_TEMPLATE = "chat_template.jinja";
const EXTENSION = ".jinja";

function namedTemplates(dir: string, configured: unknown): Map<string, string> {
  const named = new Map<string, string>();
  for (const file of chatTemplateFiles(dir))
    named.set(basename(file) === OWN_TEMPLATE ? "default" : basename(file, EXTENSION), readText(file));
  if (named.size > 0) return named;
  if (typeof configured === "string") return named.set("default", configured);
  if (!Array.isArray(configured)) return named;
  for (const entry of configured as unknown[])
    if (isObject(entry) && typeof entry.name === "string" && typeof entry.template === "string")
      named.set(entry.name, entry.template);
  return named;
}

/** Options of {@link renderChat}. */
export interface RenderChatOptions {
  /** descriptions of functions, as JSON schema */
  tools?: readonly unknown[];
  /** whether the text ends with the header of an assistant's answer; default false */
  addGenerationPrompt?: boolean;
  /** further variables of the template, such as `enable_thinking` */
  variables?: Record<string, unknown>;
}

/** Texts to write where the assistant's text begins and ends by the template's `generation` tags. */
export type GenerationMarks = readonly [start: string, end: string];

/**
 * Renders messages through a chat template, as `apply_chat_template` of Transformers 5 does. A message's reasoning has
 * the names `reasoning_content` and `thinking`, as there.
 *
 * Numbers within tools and arguments are written as JavaScript does: refused where Python would write them otherwise.
 *
 * @param marks texts to write in the place of the template's `generation` tags; default: nothing
 * @throws {DataError} if the template refuses the messages, is not valid Jinja, asks for a date that it does not have, or
 *   takes too much: with s characters in messages, tools and other variables, more than 2·10⁶ + 200 s steps, a text or
 *   list of more than 10⁶ + 20 s characters, or a range of more than 100,000 numbers (`template-bounds.ts`)
 */
export function renderChat(
  template: ChatTemplate,
  messages: readonly Message[],
  { tools, addGenerationPrompt = false, variables }: RenderChatOptions = {},
  marks: GenerationMarks = ["", ""],
): string {
  const text = (tools && template.toolUse) ?? template.jinja;
  try {
    const { program } = compiled(text);
    const environment = environmentOf(
      {
        strftime_now: (format: string) => dateText(template.date, format),
        ...template.specialTokens,
        ...variables,
        messages: messages.map(templateMessage),
        tools: tools ?? null,
        documents: null,
        add_generation_prompt: addGenerationPrompt,
        [START]: marks[0],
        [END]: marks[1],
      },
      CONSTANTS,
    );
    return (new BoundedInterpreter(environment).run(program) as { value: string }).value;
  } catch (error) {
    throw new DataError(`${nameOf(template)}: ${(error as Error).message}`);
  }
}

/** Names of a template with their values. */
function environmentOf(values: Record<string, unknown>, outer?: Environment): Environment {
  const environment = new Environment(outer);
  for (const [name, value] of Object.entries(values)) {
    environment.variables.delete(name);
    environment.set(name, value);
  }
  return environment;
}

/**
 * Whether a template says by `generation` tags what is an assistant's text.
 * @throws {DataError} if it is not valid Jinja
 */
export function hasGenerationTags(template: ChatTemplate, tools?: readonly unknown[]): boolean {
  const jinja = (tools && template.toolUse) ?? template.jinja;
  checkJinja(jinja, nameOf(template));
  return compiled(jinja).tagged;
}

function templateMessage(message: Message): Record<string, unknown> {
  const { role, content, reasoning_content: reasoning, tool_calls: calls, tool_call_id: id, name } = message;
  return {
    ...(reasoning !== undefined && { thinking: reasoning }),
    role,
    content,
    ...(reasoning !== undefined && { reasoning_content: reasoning }),
    ...(calls !== undefined && { tool_calls: calls }),
    ...(id !== undefined && { tool_call_id: id }),
    ...(name !== undefined && { name }),
  };
}

// ---------------------------------------------------------------- compilation

type Program = ReturnType<typeof parse>;
/** Names of variables that stand in the place of the tags. */
const START = "promptloss_generation_start";
const END = "promptloss_generation_end";
const TAG = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g;

interface Compiled {
  program: Program;
  tagged: boolean;
}

/** Templates that were parsed before, by their text. */
const cache = new Map<string, Compiled>();
const MAX_CACHED = 100;

/**
 * Parses a template. The library drops `generation` tags before it parses, with other white space than Jinja; here they
 * become statements, which take white space as tags do, and then variables in the syntax tree.
 */
function compiled(jinja: string): Compiled {
  let found = cache.get(jinja);
  if (found === undefined) {
    let tagged = false;
    const text = jinja.replace(TAG, (_, left: string, end: string | undefined, right: string) => {
      tagged = true;
      return `{%${left} set ${end ? END : START} = 1 ${right}%}`;
    });
    const program = parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true }));
    adapt(program);
    found = { program, tagged };
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(jinja, found);
  }
  return found;
}

/**
 * Makes of a parsed template what Jinja understands by it: statements that set a mark become the variable itself, a loop
 * over an undefined value has no rounds, where the library fails, and `strip` takes the characters that it is given, which
 * the library ignores.
 */
function adapt(node: unknown): void {
  if (typeof node !== "object" || node === null) return;
  const given = node as Record<string, unknown>;
  if (given.type === "For") {
    const select = isObject(given.iterable) && given.iterable.type === "SelectExpression" ? given.iterable : undefined;
    if (select) select.lhs = orNothing(select.lhs);
    else given.iterable = orNothing(given.iterable);
  }
  for (const [key, value] of Object.entries(given)) {
    const understood = markOf(value) ?? stripOf(value);
    if (understood !== undefined) given[key] = understood;
    adapt(given[key]);
  }
}

/** The syntax tree of `operand | default([])`. */
const orNothing = (operand: unknown): unknown => ({
  type: "FilterExpression",
  operand,
  filter: {
    type: "CallExpression",
    callee: { type: "Identifier", value: "default" },
    args: [{ type: "ArrayLiteral", value: [] }],
  },
});

function markOf(node: unknown): unknown {
  if (!isObject(node) || node.type !== "Set" || !isObject(node.assignee)) return undefined;
  return node.assignee.value === START || node.assignee.value === END ? node.assignee : undefined;
}

/** The call of a function of {@link STRIPS} for that of a text's method, or for the filter `trim` with characters. */
function stripOf(node: unknown): unknown {
  if (!isObject(node)) return undefined;
  const callOf = (method: string, args: unknown[]) => ({
    type: "CallExpression",
    callee: { type: "Identifier", value: STRIPS[method]!.name },
    args,
  });
  const call = node.type === "FilterExpression" ? node.filter : node;
  if (!isObject(call) || call.type !== "CallExpression" || !isObject(call.callee)) return undefined;
  const { callee, args } = call as { callee: Record<string, unknown>; args: unknown[] };
  if (call !== node) return callee.value === "trim" ? callOf("strip", [node.operand, ...args]) : undefined;
  const method =
    callee.type === "MemberExpression" && !callee.computed && isObject(callee.property) && callee.property.value;
  return typeof method === "string" && Object.hasOwn(STRIPS, method)
    ? callOf(method, [callee.object, ...args])
    : undefined;
}

// ---------------------------------------------------------------- functions of templates

/** What Python's `str.strip` takes away without an argument. */
const WHITE_SPACE =
  "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000";

/** Python's `str.strip`, on the given sides. */
const stripping = (fromLeft: boolean, fromRight: boolean) => (text: unknown, characters?: unknown) => {
  if (typeof text !== "string") throw new Error("strip is called on a value that is not a text");
  const taken = new Set(typeof characters === "string" ? characters : WHITE_SPACE);
  let [from, to] = [0, text.length];
  const firstOf = () => String.fromCodePoint(text.codePointAt(from)!);
  const lastOf = () => [...text.slice(Math.max(from, to - 2), to)].at(-1)!;
  while (fromLeft && from < to && taken.has(firstOf())) from += firstOf().length;
  while (fromRight && to > from && taken.has(lastOf())) to -= lastOf().length;
  return text.slice(from, to);
};

/** Python's methods with their functions here, and the names of these in templates. */
const STRIPS: Record<string, { name: string; of: (text: unknown, characters?: unknown) => string }> = {
  strip: { name: "promptloss_strip", of: stripping(true, true) },
  lstrip: { name: "promptloss_lstrip", of: stripping(true, false) },
  rstrip: { name: "promptloss_rstrip", of: stripping(false, true) },
};

/** Names that have the same values in all templates, unless a variable has the name. */
const CONSTANTS = environmentOf({
  ...{ true: true, false: false, none: null, True: true, False: false, None: null },
  ...{ range, raise_exception: refuse },
  ...Object.fromEntries(Object.values(STRIPS).map(({ name, of }) => [name, of])),
});

function refuse(message: string): never {
  throw new Error(message);
}

/** The longest range, as in jinja2's sandbox, in which Transformers renders. */
const MAX_RANGE = 100_000;

function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (![from, to, step].every(Number.isInteger)) refuse("range() takes whole numbers");
  if (step === 0) refuse("range() takes no step of 0");
  const length = Math.max(0, Math.ceil((to - from) / step));
  if (length > MAX_RANGE)
    refuse(`a range of ${length} numbers is too long: ${MAX_RANGE} is the most, as in Transformers`);
  return Array.from({ length }, (_, i) => from + i * step);
}

const MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July"],
  ...["August", "September", "October", "November", "December"],
];

/** A day in Python's strftime format. */
function dateText(date: string | undefined, format: string): string {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(date ?? "") ?? [];
  if (year === undefined || MONTHS[Number(month) - 1] === undefined) {
    throw new Error(
      "it asks for today's date (strftime_now), which would make every day another run; give the template's \"date\", " +
        `such as "2026-07-26", or its own variable for the date${date === undefined ? "" : `; got ${JSON.stringify(date)}`}`,
    );
  }
  const name = MONTHS[Number(month) - 1];
  const values: Record<string, string> = { Y: year, m: month, d: day, B: name, b: name.slice(0, 3), H: "00", M: "00" };
  return format.replace(/%(.)/g, (_, code: string) => {
    if (code === "%") return "%";
    return values[code] ?? refuse(`it asks for a date with %${code}, which is not known here`);
  });
}
