// Reading conversations: rows of OpenAI's format, of ShareGPT's, and pairs of prompt and completion.
import { DataError } from "./errors";
import {
  own,
  readMessageWeight,
  readRowWeights,
  twoForms,
  type FieldProblem,
  type WeightForm,
} from "./foreign-weights";
import {
  isInAlpacaFormat,
  ROLES,
  type Conversation,
  type Message,
  type MessageWeight,
  type Role,
  type ToolCall,
} from "./message";
import { describeValue, shallowJson } from "./read-json";
import { isObject, shown } from "./validate";
import { halfCharacterIn, illFormedField } from "./well-formed";

/** How a row holds a conversation. */
export type ConversationFormat = "messages" | "conversations" | "prompt and completion";

/** The fields of each format. */
const FORMAT_FIELDS: Record<ConversationFormat, readonly string[]> = {
  messages: ["messages"],
  conversations: ["conversations"],
  "prompt and completion": ["prompt", "completion"],
};

/**
 * The format of a row's conversation, of several the first that is not null; undefined for a row that holds none. A row
 * with `instruction` and `output` is in Alpaca's format, whatever else it has.
 */
export function conversationFormat(row: Record<string, unknown>): ConversationFormat | undefined {
  if (isInAlpacaFormat(row)) return undefined;
  const formats = (Object.keys(FORMAT_FIELDS) as ConversationFormat[]).filter(
    (format) =>
      FORMAT_FIELDS[format].every((field) => Object.hasOwn(row, field)) &&
      !(format === "prompt and completion" && Object.hasOwn(row, "instruction")),
  );
  return formats.find((format) => FORMAT_FIELDS[format].every((field) => own(row, field) !== undefined)) ?? formats[0];
}

/** A conversation that was read, or what is wrong with it. */
export type ReadConversation = { conversation: Conversation } | { problems: FieldProblem[] };

/**
 * Reads a row:
 *
 * - `messages`: OpenAI's; the content is a text, a list of blocks of text, or null; a reasoning has one of the names
 *   `reasoning_content`, `reasoning` and `thinking`
 * - `conversations`: ShareGPT's, of `from` and `value`; a `system` beside it is the first message
 * - `prompt` and `completion`: two texts, a user's and an assistant's message; or two lists of messages, of which only
 *   those of the completion are learned, as TRL does
 *
 * `tools` is a list of descriptions, or one as JSON text. What the row says of its own weights, in the way of one tool
 * or in the form of {@link Conversation}: see `readMessageWeight` and `readRowWeights`.
 */
export function readConversation(row: Record<string, unknown>, format: ConversationFormat): ReadConversation {
  const problems: FieldProblem[] = [];
  const forms: WeightForm[] = [];
  const given = messagesOf(row, format, problems);
  const messages: Message[] = [];
  const weights: (MessageWeight | undefined)[] = [];
  for (const [i, { field, value, learn }] of given.entries()) {
    const read = format === "conversations" ? shareGptMessage(value) : openAiMessage(value);
    problems.push(...read.problems.map(({ field: name, problem }) => ({ field: join(field, name), problem })));
    if (read.message === undefined) continue;
    messages.push(read.message);
    const { role, content } = read.message;
    const own = readMessageWeight(value as Record<string, unknown>, role, content, i === given.length - 1);
    problems.push(...own.problems.map(({ field: name, problem }) => ({ field: join(field, name), problem })));
    forms.push(...own.forms.map(({ tool, field: name }) => ({ tool, field: join(field, name) })));
    if (learn === false && own.forms.length > 0)
      problems.push({
        field: join(field, own.forms[0].field),
        problem: "is a weight of a message of the prompt, of which nothing is learned; leave it out, or give messages",
      });
    weights.push(learn === false ? { learn: false } : own.weight);
  }
  const tools = toolsOf(row, problems);
  const rowWeights = readRowWeights(row, problems);
  if (rowWeights.rowWeight !== undefined) forms.push({ tool: "Fireworks", field: "weight" });
  if (rowWeights.lossMask !== undefined) forms.push({ tool: "Megatron-Bridge", field: "loss_mask" });
  const ownForm = format === "messages" && problems.length === 0 ? ownWeights(row, messages, problems) : {};
  if (ownForm.weights ?? ownForm.rowWeight)
    forms.push({ tool: "Promptloss", field: ownForm.weights ? "weights" : "rowWeight" });
  if (ownForm.lossMask) forms.push({ tool: "Megatron-Bridge", field: "lossMask" });
  problems.push(...twoForms(forms));
  if (problems.length > 0) return { problems };
  return {
    conversation: {
      messages,
      ...(tools && { tools }),
      ...(weights.some((weight) => weight !== undefined) && { weights }),
      ...rowWeights,
      ...ownForm,
    },
  };
}

/** Weights in the form of {@link Conversation}, of a row in memory, or of a file that was written from such rows. */
function ownWeights(
  row: Record<string, unknown>,
  messages: readonly Message[],
  problems: FieldProblem[],
): Partial<Conversation> {
  const weights = own(row, "weights");
  if (weights !== undefined) checkWeights(weights, messages, problems);
  return {
    ...(weights !== undefined && {
      weights: (weights as MessageWeight[]).map((weight) => (weight as MessageWeight | null) ?? undefined),
    }),
    ...readRowWeights(row, problems, { rowWeight: "rowWeight", lossMask: "lossMask" }),
  };
}

const join = (field: string, name: string): string => (name === "" ? field : `${field}.${name}`);

/** A message before it is read. */
interface GivenMessage {
  field: string;
  value: unknown;
  learn?: false;
}

function messagesOf(
  row: Record<string, unknown>,
  format: ConversationFormat,
  problems: FieldProblem[],
): GivenMessage[] {
  const list = (field: string, learn?: false): GivenMessage[] => {
    const value = row[field];
    if (!Array.isArray(value)) problems.push({ field, problem: `is ${describeValue(value)}, not a list of messages` });
    else if (value.length === 0) problems.push({ field, problem: "has no messages" });
    else return value.map((entry, i) => ({ field: `${field}[${i}]`, value: entry, ...(learn === false && { learn }) }));
    return [];
  };
  if (format === "messages") return list("messages");
  if (format === "prompt and completion") {
    const { prompt, completion } = row;
    if (Array.isArray(prompt) && Array.isArray(completion)) return [...list("prompt", false), ...list("completion")];
    if (typeof prompt === "string" && typeof completion === "string")
      return [
        { field: "prompt", value: { role: "user", content: prompt } },
        { field: "completion", value: { role: "assistant", content: completion } },
      ];
    problems.push({
      field: "completion",
      problem: `is ${describeValue(completion)}, and prompt is ${describeValue(prompt)}; both must be texts, or lists of messages`,
    });
    return [];
  }
  const system = Object.hasOwn(row, "system") && row.system !== null && row.system !== "" ? row.system : undefined;
  const first = system === undefined ? [] : [{ field: "system", value: { from: "system", value: system } }];
  return [...first, ...list("conversations")];
}

// ---------------------------------------------------------------- messages

interface ReadMessage {
  message?: Message;
  problems: FieldProblem[];
}

const REASONING = ["reasoning_content", "reasoning", "thinking"];

function openAiMessage(value: unknown): ReadMessage {
  if (!isObject(value)) return { problems: [{ field: "", problem: `is ${describeValue(value)}, not a message` }] };
  const problems: FieldProblem[] = [];
  const role = own(value, "role");
  if (!ROLES.includes(role as Role))
    problems.push({ field: "role", problem: `must be one of ${ROLES.join(", ")}, got ${shown(role)}` });
  const reasonings = REASONING.filter((key) => own(value, key) !== undefined && own(value, key) !== "");
  const reasoning = reasonings.length > 0 ? textOf(value, reasonings[0]!, problems) : undefined;
  if (reasonings.some((key) => own(value, key) !== reasoning))
    problems.push({ field: reasonings[1]!, problem: `differs from ${reasonings[0]!}; leave one of them out` });
  if (reasoning !== undefined && role !== "assistant")
    problems.push({ field: reasonings[0]!, problem: "belongs to an assistant's messages" });
  const calls = callsOf(own(value, "tool_calls"), role, problems);
  const content = contentOf(own(value, "content"), calls !== undefined || reasoning !== undefined, problems);
  const [id, name] = ["tool_call_id", "name"].map((key) =>
    own(value, key) === undefined ? undefined : textOf(value, key, problems),
  );
  return {
    problems,
    message: {
      role: role as Role,
      content,
      ...(reasoning !== undefined && { reasoning_content: reasoning }),
      ...(calls && { tool_calls: calls }),
      ...(id !== undefined && { tool_call_id: id }),
      ...(name !== undefined && { name }),
    },
  };
}

function textOf(row: Record<string, unknown>, key: string, problems: FieldProblem[]): string {
  const value = own(row, key);
  const problem = typeof value === "string" ? halfCharacterIn(value) : `is ${describeValue(value)}, not a string`;
  if (problem !== undefined) problems.push({ field: key, problem });
  return typeof value === "string" ? value : "";
}

/** A content as text: blocks of text one after the other, as templates write them. */
function contentOf(content: unknown, mayBeAbsent: boolean, problems: FieldProblem[]): string {
  if (content === undefined && mayBeAbsent) return "";
  if (!Array.isArray(content)) return textOf({ content }, "content", problems);
  return content
    .map((block: unknown, i) => {
      const field = `content[${i}]`;
      if (isObject(block) && block.type === "text" && typeof block.text === "string") {
        const problem = halfCharacterIn(block.text);
        if (problem !== undefined) problems.push({ field: `${field}.text`, problem });
        return block.text;
      }
      const type = isObject(block) ? own(block, "type") : undefined;
      problems.push({
        field,
        problem: type === "text" ? "has no text" : `is no block of text: ${shown(type ?? block)}`,
      });
      return "";
    })
    .join("");
}

function callsOf(calls: unknown, role: unknown, problems: FieldProblem[]): ToolCall[] | undefined {
  if (calls === undefined || (Array.isArray(calls) && calls.length === 0)) return undefined;
  if (!Array.isArray(calls)) problems.push({ field: "tool_calls", problem: `is ${describeValue(calls)}, not a list` });
  else if (role !== "assistant") problems.push({ field: "tool_calls", problem: "belongs to an assistant's messages" });
  else return calls.flatMap((call, i) => toolCall(call, `tool_calls[${i}]`, problems) ?? []);
  return undefined;
}

/** A call in OpenAI's form; a call without `function` around name and arguments gets it. */
function toolCall(call: unknown, field: string, problems: FieldProblem[]): ToolCall | undefined {
  const target = isObject(call) ? (own(call, "function") ?? call) : call;
  if (!isObject(call) || !isObject(target) || typeof own(target, "name") !== "string" || target.name === "") {
    problems.push({ field, problem: "must be a call of a function, with name and arguments" });
    return undefined;
  }
  const args = own(target, "arguments") ?? {};
  if (typeof args !== "string" && !isObject(args))
    problems.push({
      field: `${field}.arguments`,
      problem: `is ${describeValue(args)}, neither an object nor JSON text`,
    });
  jsonProblem(call, field, problems);
  const id = own(call, "id");
  return {
    type: "function",
    ...(typeof id === "string" && { id }),
    function: { name: target.name as string, arguments: args as Record<string, unknown> | string },
  };
}

const SHARE_GPT_ROLES = new Map<unknown, Role>([
  ["human", "user"],
  ["user", "user"],
  ["gpt", "assistant"],
  ["assistant", "assistant"],
  ["chatgpt", "assistant"],
  ["system", "system"],
  ["tool", "tool"],
  ["observation", "tool"],
  ["function_response", "tool"],
  ["function_call", "assistant"],
]);

function shareGptMessage(value: unknown): ReadMessage {
  if (!isObject(value)) return { problems: [{ field: "", problem: `is ${describeValue(value)}, not a message` }] };
  const problems: FieldProblem[] = [];
  const from = own(value, "from");
  const role = SHARE_GPT_ROLES.get(from);
  if (role === undefined)
    problems.push({
      field: "from",
      problem: `must be one of ${[...SHARE_GPT_ROLES.keys()].join(", ")}, got ${shown(from)}`,
    });
  const content = textOf(value, "value", problems);
  if (problems.length > 0) return { problems };
  if (from !== "function_call") return { problems, message: { role: role!, content } };
  let call: unknown;
  try {
    call = shallowJson(content);
  } catch {
    return { problems: [{ field: "value", problem: "must be a call as JSON, with name and arguments" }] };
  }
  const calls = [call].flat().flatMap((one) => toolCall(one, "value", problems) ?? []);
  return { problems, message: { role: "assistant", content: "", tool_calls: calls } };
}

// ---------------------------------------------------------------- tools

function toolsOf(row: Record<string, unknown>, problems: FieldProblem[]): unknown[] | undefined {
  let tools = own(row, "tools");
  if (tools === undefined || tools === "") return undefined;
  if (typeof tools === "string") {
    try {
      tools = shallowJson(tools);
    } catch {
      problems.push({ field: "tools", problem: "is a text that is not JSON" });
      return undefined;
    }
  }
  if (!Array.isArray(tools) || !tools.every(isObject)) {
    problems.push({ field: "tools", problem: "must be a list of descriptions of functions" });
    return undefined;
  }
  jsonProblem(tools, "tools", problems);
  return tools.length > 0 ? tools : undefined;
}

/** Finds what templates could not write as Python does: half characters, and numbers of another form there. */
function jsonProblem(value: unknown, field: string, problems: FieldProblem[]): void {
  const illFormed = illFormedField(value, field);
  if (illFormed) problems.push(illFormed);
  const waiting = [value];
  for (let next; waiting.length > 0;) {
    next = waiting.pop();
    if (typeof next === "object" && next !== null) waiting.push(...(Object.values(next) as unknown[]));
    if (typeof next !== "number" || (Number.isInteger(next) ? Number.isSafeInteger(next) : !/e/.test(String(next))))
      continue;
    problems.push({ field, problem: `has the number ${next}, which Python writes otherwise; give it as a text` });
  }
}

// ---------------------------------------------------------------- rows in memory

/**
 * Reads a conversation in memory as one of a file.
 * @param where names it in an error, "" for none
 * @throws {DataError} listing what is wrong, each with its field
 */
export function checkConversation(row: unknown, where: string): Conversation {
  const prefix = where === "" ? "" : `${where}: `;
  if (!isObject(row)) throw new DataError(`${prefix}is ${describeValue(row)}, not a conversation`);
  const read = readConversation(row, conversationFormat(row) ?? "messages");
  if ("conversation" in read) return read.conversation;
  const listed = read.problems.slice(0, 20).map(({ field, problem }) => `field "${field}" ${problem}`);
  throw new DataError(`${prefix}${listed.join("; ")}`, read.problems);
}

const MESSAGE_WEIGHT_KEYS = ["learn", "factor", "ranges", "keepEnd"];

function checkWeights(weights: unknown, messages: readonly Message[], problems: FieldProblem[]): void {
  if (!Array.isArray(weights) || weights.length > messages.length)
    return void problems.push({ field: "weights", problem: "must be a list with at most one entry a message" });
  weights.forEach((weight: unknown, i) => {
    if (weight === undefined || weight === null) return;
    const field = `weights[${i}]`;
    if (!isObject(weight)) return void problems.push({ field, problem: `must be an object, got ${shown(weight)}` });
    const unknown = Object.keys(weight).filter((key) => !MESSAGE_WEIGHT_KEYS.includes(key));
    const { learn, factor = 1, ranges, keepEnd } = weight as MessageWeight;
    const isFlag = (flag: unknown): boolean => flag === undefined || typeof flag === "boolean";
    if (unknown.length > 0)
      problems.push({
        field: `${field}.${unknown[0]}`,
        problem: `is an unknown key; known keys: ${MESSAGE_WEIGHT_KEYS.join(", ")}`,
      });
    else if (!Number.isFinite(factor) || factor < 0 || !isFlag(learn) || !isFlag(keepEnd))
      problems.push({ field, problem: "must have a factor of at least 0, and learn and keepEnd true or false" });
    else if (
      ranges !== undefined &&
      !(Array.isArray(ranges) && ranges.every((range) => isRange(range, messages[i].content)))
    )
      problems.push({
        field: `${field}.ranges`,
        problem: `must be a list of ranges [start, end] of whole characters of the content, which has ${messages[i].content.length} UTF-16 code units`,
      });
  });
}

/** Whether a value is a range of UTF-16 code units of a text that is not empty and cuts no character in two. */
function isRange(range: unknown, text: string): boolean {
  if (!Array.isArray(range) || range.length !== 2 || !range.every(Number.isSafeInteger)) return false;
  const [start, end] = range as [number, number];
  const isCut = (at: number): boolean => (text.codePointAt(at - 1) ?? 0) > 0xffff;
  return start >= 0 && end > start && end <= text.length && !isCut(start) && !isCut(end);
}
