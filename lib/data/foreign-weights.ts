// Keys by which rows of other tools say what is learned, read as these tools mean them.
import { isObject, shown } from "./validate";
import type { MessageWeight, Role } from "./message";

/** What is wrong with a field of a row. */
export interface FieldProblem {
  field: string;
  problem: string;
}

/** The tool of each key of a message that says what is learned. */
const TOOL_OF = {
  weight: "OpenAI",
  loss_weight: "LLaMA-Factory",
  loss_scale: "ms-swift",
  loss: "ms-swift",
  train: "Axolotl",
  train_detail: "Axolotl",
} as const;

/** Keys that are weights of messages only; beside the messages, their tools pass over them. */
const ONLY_OF_MESSAGES = ["loss_weight", "loss_scale", "train_detail"];

/** A tool in whose way a row says what is learned. */
export interface WeightForm {
  tool: string;
  /** a field of the row that does */
  field: string;
}

/** A weight that was read, or what is wrong with it. */
export interface ReadWeight {
  weight?: MessageWeight;
  /** one for each key of the message that is about weights */
  forms: WeightForm[];
  problems: FieldProblem[];
}

const isWeight = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value) && value >= 0;
const A_WEIGHT = "must be a finite number of at least 0";

/** The value of a field; undefined where it is absent or null. */
export const own = (row: Record<string, unknown>, key: string): unknown =>
  Object.hasOwn(row, key) ? (row[key] ?? undefined) : undefined;

/**
 * Reads what a message says about its own learning:
 *
 * - `weight`, 0 or 1, of an assistant (OpenAI's fine-tuning format; mistral-finetune)
 * - `loss_weight`, any weight, of any role (LLaMA-Factory v1, `core/utils/rendering.py`, commit 03af066)
 * - `loss_scale`, any weight, and `loss`, true or false, of an assistant (ms-swift 4.6, `loss_scale/base.py`): they are
 *   the content's, and the end token keeps its weight, but for a message with 0 or false that is not the last
 * - `train`, true or false, and `train_detail`, ranges of characters of the content with an inclusive end (Axolotl,
 *   `prompt_strategies/chat_template.py`, commit 01f6a5c): `train` says whether the message is learned, `train_detail`
 *   what of its content; its end token is learned too. Without `train`, a `train_detail` of [] says that the message is
 *   not learned, any other that it is
 *
 * Where a tool also learns headers and line ends of the message, these stay template here. A value that the tool would
 * not take is a problem; so is a `train_detail` that Axolotl would clip or pass over: beyond the content, of a content
 * that is a list of blocks, or with ranges that overlap and differ in `train`.
 *
 * @param content text of the message's content
 * @param isLast whether the message is the last of its row
 */
export function readMessageWeight(
  message: Record<string, unknown>,
  role: Role,
  content: string,
  isLast: boolean,
): ReadWeight {
  const problems: FieldProblem[] = [];
  const given = new Map<string, number>();
  const read = (key: string, roles: "assistant" | "any", requirement: string, weightOf: (value: unknown) => number) => {
    const value = own(message, key);
    if (value === undefined) return;
    const weight = weightOf(value);
    if (Number.isNaN(weight)) problems.push({ field: key, problem: `${requirement}, got ${shown(value)}` });
    else if (roles === "assistant" && role !== "assistant")
      problems.push({ field: key, problem: `belongs to an assistant's messages; this one is of the role ${role}` });
    else given.set(key, weight);
  };
  const number = (value: unknown): number => (isWeight(value) ? value : NaN);
  read("weight", "assistant", "must be 0 or 1", (value) => (value === 0 || value === 1 ? value : NaN));
  read("loss_weight", "any", A_WEIGHT, number);
  read("loss_scale", "assistant", A_WEIGHT, number);
  const flag = (value: unknown): number => (typeof value === "boolean" ? Number(value) : NaN);
  read("loss", "assistant", "must be true or false", flag);
  read("train", "any", "must be true or false", flag);
  const detail = own(message, "train_detail");
  const ranges = detail === undefined ? undefined : readRanges(detail, message, content, problems);
  const scale = given.get("loss_scale");
  if (scale !== undefined && given.has("loss") && given.get("loss") !== scale)
    problems.push({ field: "loss", problem: "contradicts loss_scale; leave one of them out" });
  const forms = Object.entries(TOOL_OF)
    .filter(([field]) => own(message, field) !== undefined)
    .map(([field, tool]) => ({ tool, field }));
  if (problems.length > 0 || forms.length === 0) return { forms, problems };
  const [weight = ranges === undefined ? 0 : 1] = given.values();
  const learned = messageWeight(role, weight, ranges);
  const keepEnd = forms[0].tool === "ms-swift" && (isLast || weight !== 0);
  return { weight: learned && { ...learned, ...(keepEnd && { keepEnd }) }, forms, problems };
}

function messageWeight(role: Role, weight: number, ranges?: [number, number][]): MessageWeight | undefined {
  if (weight === 0) return { learn: false };
  const learn = role !== "assistant" && { learn: true };
  const factor = weight !== 1 && { factor: weight };
  const result: MessageWeight = { ...learn, ...factor, ...(ranges && { ranges }) };
  return Object.keys(result).length > 0 ? result : undefined;
}

/**
 * Reads ranges to be learned; they count characters (code points), as Python does, and include their end.
 * @returns undefined if none is given
 */
function readRanges(
  detail: unknown,
  message: Record<string, unknown>,
  content: string,
  problems: FieldProblem[],
): [number, number][] | undefined {
  const problem = (field: string, text: string): [] => {
    problems.push({ field: `train_detail${field}`, problem: text });
    return [];
  };
  if (!Array.isArray(detail)) return problem("", `must be a list of ranges, got ${shown(detail)}`);
  if (detail.length === 0) return undefined;
  if (Array.isArray(message.content)) return problem("", "needs a content that is a text, not a list of blocks");
  const starts = codePointStarts(content);
  const ranges = (detail as unknown[]).flatMap((entry, index): Range[] => {
    if (!isObject(entry)) return problem(`[${index}]`, `must be an object, got ${shown(entry)}`);
    const { begin_offset: from, end_offset: to, train } = entry as Record<string, never>;
    if (typeof train !== "boolean") return problem(`[${index}].train`, `must be true or false, got ${shown(train)}`);
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to < from)
      return problem(`[${index}]`, "must have whole numbers begin_offset and end_offset, from 0, the end not before");
    if (to >= starts.length - 1)
      return problem(
        `[${index}].end_offset`,
        `must be before the end of the content, which has ${starts.length - 1} characters`,
      );
    return [{ index, from, to, train }];
  });
  const last: { learned?: Range; masked?: Range } = {};
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const [same, other] = range.train ? (["learned", "masked"] as const) : (["masked", "learned"] as const);
    const before = last[other];
    if (before && before.to >= range.from)
      problem(
        `[${range.index}]`,
        `overlaps train_detail[${before.index}], which says otherwise of the same characters`,
      );
    if (!last[same] || range.to > last[same].to) last[same] = range;
  }
  return ranges.flatMap(({ from, to, train }) => (train ? [[starts[from], starts[to + 1]] as [number, number]] : []));
}

/** A range of characters of a content, both ends included. */
interface Range {
  /** in `train_detail` */
  index: number;
  from: number;
  to: number;
  train: boolean;
}

/** For each character the UTF-16 code unit at which it starts; at last the length of the text. */
function codePointStarts(text: string): number[] {
  const starts = [0];
  for (const character of text) starts.push(starts.at(-1)! + character.length);
  return starts;
}

/** What a row says about the weights of all of its tokens. */
export interface RowWeights {
  rowWeight?: number;
  lossMask?: number[];
}

/**
 * Reads what a row says of all of its tokens: by the keys of other tools a `weight` (the root weight of Fireworks'
 * weighted training) and a `loss_mask`, a weight for each token of the rendered row (Megatron-Bridge). A key that only
 * messages have is a problem.
 * @param keys of the two in the row
 */
export function readRowWeights(
  row: Record<string, unknown>,
  problems: FieldProblem[],
  keys: Record<keyof RowWeights, string> = { rowWeight: "weight", lossMask: "loss_mask" },
): RowWeights {
  for (const field of ONLY_OF_MESSAGES)
    if (own(row, field) !== undefined) problems.push({ field, problem: "belongs to a message, not to the row" });
  const [weight, mask] = [own(row, keys.rowWeight), own(row, keys.lossMask)];
  if (weight !== undefined && !isWeight(weight))
    problems.push({ field: keys.rowWeight, problem: `${A_WEIGHT}, got ${shown(weight)}` });
  if (mask !== undefined && !(Array.isArray(mask) && mask.every(isWeight)))
    problems.push({
      field: keys.lossMask,
      problem: `must be a list of finite numbers of at least 0, got ${shown(mask)}`,
    });
  return {
    ...(weight !== undefined && { rowWeight: weight as number }),
    ...(mask !== undefined && { lossMask: mask as number[] }),
  };
}

/**
 * Says what is wrong with a row that says in two tools' ways what is learned: none of them says which would hold.
 * @param forms of all fields of the row that are about weights
 */
export function twoForms([first, ...others]: readonly WeightForm[]): FieldProblem[] {
  const other = others.find(({ tool }) => tool !== first.tool);
  if (other === undefined) return [];
  const problem =
    `stands beside ${first.field}: a row says in the way of one tool what is learned, ${first.tool}'s or ` +
    `${other.tool}'s; leave one of them out`;
  return [{ field: other.field, problem }];
}
