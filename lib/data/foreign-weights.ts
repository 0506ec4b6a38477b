// Keys by which rows of other tools say what is learned, read as these tools mean them.
import { isObject, shown } from "./validate";
import type { MessageWeight, Role } from "./message";

/** What is wrong with a field of a row. */
export interface FieldProblem {
  field: string;
  problem: string;
}

/** A weight that was read, or what is wrong with it. */
export interface ReadWeight {
  weight?: MessageWeight;
  problems: FieldProblem[];
}

const isWeight = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value) && value >= 0;
const A_WEIGHT = "must be a finite number of at least 0";

/**
 * Reads what a message says about its own learning:
 *
 * - `weight`, 0 or 1, of an assistant (OpenAI's fine-tuning format; mistral-finetune)
 * - `loss_weight`, any weight, of any role (LLaMA-Factory v1, `core/utils/rendering.py`, commit 03af066)
 * - `loss_scale`, any weight, and `loss`, true or false, of an assistant (ms-swift 4.6, `loss_scale/base.py`): they are
 *   the content's, and the end token keeps its weight, but for a message with 0 or false that is not the last
 * - `train`, true or false, and `train_detail`, ranges of characters of the content with an inclusive end (Axolotl,
 *   `prompt_strategies/chat_template.py`, commit 01f6a5c): only what they name is learned, and the end token
 *
 * Where a tool also learns headers and line ends of the message, these stay template here. A value that the tool would
 * not take is a problem, and so are two keys that contradict.
 *
 * @param isLast whether the message is the last of its row
 */
export function readMessageWeight(
  message: Record<string, unknown>,
  role: Role,
  content: string,
  isLast: boolean,
): ReadWeight {
  const problems: FieldProblem[] = [];
  const given: [key: string, weight: number][] = [];
  const read = (key: string, roles: "assistant" | "any", requirement: string, weightOf: (value: unknown) => number) => {
    const value = Object.hasOwn(message, key) ? message[key] : undefined;
    if (value === undefined || value === null) return;
    const weight = weightOf(value);
    if (Number.isNaN(weight)) problems.push({ field: key, problem: `${requirement}, got ${shown(value)}` });
    else if (roles === "assistant" && role !== "assistant")
      problems.push({ field: key, problem: `belongs to an assistant's messages; this one is of the role ${role}` });
    else given.push([key, weight]);
  };
  const number = (value: unknown): number => (isWeight(value) ? value : NaN);
  read("weight", "assistant", "must be 0 or 1", (value) => (value === 0 || value === 1 ? value : NaN));
  read("loss_weight", "any", A_WEIGHT, number);
  read("loss_scale", "assistant", A_WEIGHT, number);
  const flag = (value: unknown): number => (typeof value === "boolean" ? Number(value) : NaN);
  read("loss", "assistant", "must be true or false", flag);
  read("train", "any", "must be true or false", flag);
  const detail = Object.hasOwn(message, "train_detail") ? message.train_detail : undefined;
  const ranges = detail === undefined || detail === null ? undefined : readRanges(detail, content, problems);
  const other = given.find(([, weight]) => weight !== given[0]![1]);
  if (other) problems.push({ field: other[0], problem: `contradicts ${given[0]![0]}; leave one of them out` });
  const weight = given[0]?.[1];
  if (ranges && ranges.length > 0 && weight === 0)
    problems.push({ field: "train_detail", problem: `contradicts ${given[0]![0]}; leave one of them out` });
  if (problems.length > 0 || (weight === undefined && ranges === undefined)) return { problems };
  const own = messageWeight(role, weight, ranges);
  const keepEnd = given.some(([key]) => key === "loss_scale" || key === "loss") && (isLast || weight !== 0);
  return { weight: own && { ...own, ...(keepEnd && { keepEnd }) }, problems };
}

function messageWeight(role: Role, weight: number | undefined, ranges?: [number, number][]): MessageWeight | undefined {
  if (weight === 0 || ranges?.length === 0) return { learn: false };
  const learn = role !== "assistant" && { learn: true };
  const factor = weight !== undefined && weight !== 1 && { factor: weight };
  const result: MessageWeight = { ...learn, ...factor, ...(ranges && { ranges }) };
  return Object.keys(result).length > 0 ? result : undefined;
}

/** Reads ranges to be learned; they count characters (code points), as Python does, and include their end. */
function readRanges(detail: unknown, content: string, problems: FieldProblem[]): [number, number][] {
  const problem = (field: string, text: string): undefined =>
    void problems.push({ field: `train_detail${field}`, problem: text });
  if (!Array.isArray(detail)) return problem("", `must be a list of ranges, got ${shown(detail)}`) ?? [];
  const starts = codePointStarts(content);
  return detail.flatMap((entry: unknown, i) => {
    if (!isObject(entry)) return problem(`[${i}]`, `must be an object, got ${shown(entry)}`) ?? [];
    const { begin_offset: begin, end_offset: end, train } = entry;
    if (typeof train !== "boolean") return problem(`[${i}].train`, `must be true or false, got ${shown(train)}`) ?? [];
    if (
      !Number.isSafeInteger(begin) ||
      !Number.isSafeInteger(end) ||
      (begin as number) < 0 ||
      (end as number) < (begin as number)
    )
      return problem(`[${i}]`, "must have whole numbers begin_offset and end_offset, from 0, the end not before") ?? [];
    if ((end as number) >= starts.length - 1)
      return (
        problem(
          `[${i}].end_offset`,
          `must be before the end of the content, which has ${starts.length - 1} characters`,
        ) ?? []
      );
    return train ? [[starts[begin as number]!, starts[(end as number) + 1]!] as [number, number]] : [];
  });
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
 * Reads a row's `weight` (the root weight of Fireworks' weighted training) and `loss_mask`, a weight for each token of
 * the rendered row (Megatron-Bridge).
 */
export function readRowWeights(row: Record<string, unknown>, problems: FieldProblem[]): RowWeights {
  const value = (key: string): unknown => (Object.hasOwn(row, key) ? (row[key] ?? undefined) : undefined);
  const [weight, mask] = [value("weight"), value("loss_mask")];
  if (weight !== undefined && !isWeight(weight))
    problems.push({ field: "weight", problem: `${A_WEIGHT}, got ${shown(weight)}` });
  if (mask !== undefined && !(Array.isArray(mask) && mask.every(isWeight)))
    problems.push({
      field: "loss_mask",
      problem: `must be a list of finite numbers of at least 0, got ${shown(mask)}`,
    });
  return {
    ...(weight !== undefined && { rowWeight: weight as number }),
    ...(mask !== undefined && { lossMask: mask as number[] }),
  };
}
