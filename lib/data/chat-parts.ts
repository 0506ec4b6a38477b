// Which part of a conversation each stretch of its rendered text belongs to.
import type { LocatedPiece, RenderedChat } from "./chat-pieces";
import { DataError } from "./errors";
import type { Message } from "./message";
import type { Part } from "./parts";
import type { Span } from "./token-spans";

/** A stretch of the rendered text, of one part and message. */
export interface Segment {
  span: Span;
  part: Part;
  /** index of the message; −1 for text before the first */
  message: number;
  /** index of the piece in the rendered chat, for the text of a content */
  piece?: number;
}

/** A special token in the rendered text. */
export interface SpecialToken {
  id: number;
  span: Span;
}

/** What {@link segmentsOf} needs to know of template and tokenizer. */
export interface Surroundings {
  /** special tokens of the text, in order */
  specials: readonly SpecialToken[];
  bosId?: number;
  eosId: number;
  /** text after the last piece of a message when it is the last of the conversation */
  tailOf(message: number): string;
}

const ROLE_PARTS: Record<Message["role"], Part> = {
  system: "system",
  developer: "system",
  user: "user",
  assistant: "assistant",
  tool: "tool",
};

/** Text between two pieces, or before the first, or after the last. */
interface Gap {
  start: number;
  end: number;
  before?: LocatedPiece;
  after?: LocatedPiece;
  /** where the generation tag ends that begins with or in the answer before the gap, if it ends within the gap */
  tagEnd?: number;
  /** where the header of the answer that follows begins and ends; undefined if no answer follows, or cannot be told */
  header?: Span;
  /** whether a message without text may stand in the gap */
  hides: boolean;
}

/**
 * Divides a rendered conversation into parts.
 *
 * - The header of an answer is the template's generation prompt, or what stands before the generation tag.
 * - The end token of a message is the first special token after its text; after a tool call, whose markup may have
 *   special tokens too, the last. It is looked for where nothing else can stand: within the generation tag of an answer,
 *   after the last message, and between a message and the header of an answer. Elsewhere only tokens that end a message so, or EOS, are end tokens.
 * - Text between two messages is of the first up to the white space after its end token, and then of the second.
 *
 * @returns segments in order, without gaps
 * @throws {DataError} if it cannot be told where an answer begins or ends
 */
export function segmentsOf(chat: RenderedChat, messages: readonly Message[], around: Surroundings): Segment[] {
  const { text, pieces } = chat;
  const gaps = gapsOf(chat, messages);
  const ends = new Set([around.eosId]);
  for (const gap of gaps) {
    const end = definiteEnd(chat, gap, around);
    if (end !== undefined) ends.add(end.id);
  }
  const segments: Segment[] = [];
  const add = (start: number, end: number, part: Part, message: number, piece?: number): void => {
    if (end > start) segments.push({ span: [start, end], part, message, ...(piece !== undefined && { piece }) });
  };
  gaps.forEach((gap, g) => {
    if (gap.before === undefined) addLeading(chat, gap, messages, around, ends, add);
    else if (gap.after?.message === gap.before.message) addInner(chat, gap, messages, add);
    else addBetween(chat, gap, messages, around, ends, add);
    const piece = pieces[g];
    if (piece === undefined) return;
    const role = messages[piece.message]!.role;
    add(...piece.span, piece.kind === "thinking" ? "thinking" : ROLE_PARTS[role], piece.message, g);
  });
  if (segments.reduce((at, { span }) => (span[0] === at ? span[1] : -1), 0) !== text.length)
    throw new DataError("the parts of the conversation do not cover its text");
  return segments;
}

type Add = (start: number, end: number, part: Part, message: number) => void;

function gapsOf(chat: RenderedChat, messages: readonly Message[]): Gap[] {
  const { text, pieces } = chat;
  const placed = new Set(pieces.map(({ message }) => message));
  const hidden = messages.flatMap((_, i) => (placed.has(i) ? [] : [i]));
  return Array.from({ length: pieces.length + 1 }, (_, i) => {
    const [before, after] = [pieces[i - 1], pieces[i]];
    const hides = hidden.some((m) => m > (before?.message ?? -1) && m < (after?.message ?? messages.length));
    const gap: Gap = { start: before?.span[1] ?? 0, end: after?.span[0] ?? text.length, before, after, hides };
    if (after && after.message !== before?.message && messages[after.message]!.role === "assistant")
      gap.header = headerIn(chat, gap);
    if (before && messages[before.message]!.role === "assistant")
      gap.tagEnd = chat.generation?.find(([from, to]) => from <= gap.start && to > gap.start && to <= gap.end)?.[1];
    return gap;
  });
}

/**
 * Finds the header of an answer. An earlier answer may lack the end of the generation prompt, which opens the reasoning:
 * a template that drops earlier reasoning ends the header before.
 */
function headerIn(chat: RenderedChat, { start, end }: Pick<Gap, "start" | "end">): Span | undefined {
  const { text, generation, generationPrompt: prompt } = chat;
  const gap = text.slice(start, end);
  const whole = prompt === "" ? -1 : gap.lastIndexOf(prompt);
  if (whole >= 0) return [start + whole, start + whole + prompt.length];
  const tag = [...prompt.matchAll(/<[^<>]*>/g)].find(([name]) => /think/i.test(name));
  const opening = prompt.slice(0, tag?.index).trimEnd().length;
  for (let length = prompt.length - 1; length >= Math.max(opening, 1); length--)
    if (gap.endsWith(prompt.slice(0, length))) return [end - length, end];
  if (opening > 0) {
    const at = gap.lastIndexOf(prompt.slice(0, opening));
    if (at >= 0) return [start + at, start + at + opening];
  }
  const generated = generation?.find(([from]) => from >= start && from <= end);
  return generated && [generated[0], generated[0]];
}

/** Whether nothing but the end of a message, and perhaps the header of an answer, stands in a gap. */
const isPlain = (gap: Gap, { generationPrompt }: RenderedChat): boolean =>
  !gap.hides && (gap.after === undefined || (gap.header !== undefined && generationPrompt !== ""));

const endsWithCall = ({ before }: Gap): boolean => before?.kind === "call";

function specialsIn(around: Surroundings, start: number, end: number): SpecialToken[] {
  return around.specials.filter(({ span }) => span[0] >= start && span[1] <= end && span[1] > span[0]);
}

/**
 * The end token of the message before a gap, where nothing else can stand: within the generation tag of an answer, or
 * before the next header, or where no message follows.
 */
function definiteEnd(chat: RenderedChat, gap: Gap, around: Surroundings): SpecialToken | undefined {
  if (gap.before === undefined || gap.after?.message === gap.before.message) return undefined;
  const tagged = gap.tagEnd === undefined ? [] : specialsIn(around, gap.start, gap.tagEnd);
  if (tagged.length > 0) return endsWithCall(gap) ? tagged.at(-1) : tagged[0];
  if (!isPlain(gap, chat)) return undefined;
  const found = specialsIn(around, gap.start, gap.header?.[0] ?? gap.end);
  return endsWithCall(gap) ? found.at(-1) : found[0];
}

function addLeading(
  { text }: RenderedChat,
  gap: Gap,
  messages: readonly Message[],
  around: Surroundings,
  ends: ReadonlySet<number>,
  add: Add,
): void {
  if (gap.after === undefined) return add(gap.start, gap.end, "template", -1);
  const before = specialsIn(around, 0, gap.header?.[0] ?? gap.end);
  const first = before[0];
  const bos = first?.span[0] === 0 && first.id === around.bosId ? first.span[1] : 0;
  // a system prompt of the template's own ends with an end token
  const ending = before.filter(({ id, span }) => ends.has(id) && span[0] > 0).at(-1)?.span[1];
  const own = ending === undefined ? bos : afterSpace(text, ending, gap.end);
  add(0, own, "template", -1);
  addHeader(text, gap, own, messages, add);
}

/** Text between two pieces of one message. */
function addInner({ text }: RenderedChat, gap: Gap, messages: readonly Message[], add: Add): void {
  const { start, end, before, after } = gap;
  const { message, kind } = before!;
  if (messages[message]!.role !== "assistant") return add(start, end, "template", message);
  if (kind !== "thinking") return add(start, end, after!.kind === "thinking" ? "thinking" : "assistant", message);
  if (after!.kind !== "call") return add(start, end, "thinking", message);
  const closing = /^\s*(<[^<>]+>|\[[^[\]]+\])\s*/.exec(text.slice(start, end));
  if (closing === null)
    throw new DataError(`it cannot be told where the reasoning of message ${message + 1} (index ${message}) ends`);
  add(start, start + closing[0].length, "thinking", message);
  add(start + closing[0].length, end, "assistant", message);
}

/** Text after the last piece of a message, up to the first piece of the next one. */
function addBetween(
  chat: RenderedChat,
  gap: Gap,
  messages: readonly Message[],
  around: Surroundings,
  ends: ReadonlySet<number>,
  add: Add,
): void {
  const { text } = chat;
  const { message } = gap.before!;
  const limit = gap.header?.[0] ?? gap.end;
  const definite = definiteEnd(chat, gap, around);
  const isDefinite = isPlain(gap, chat);
  const ending = definite ?? (isDefinite ? undefined : likelyEnd(chat, gap, limit, messages, around, ends));
  const tail = ending?.span[0] ?? gap.start;
  let start = gap.start;
  if (gap.before!.kind === "call") {
    start = ending ? tail : callEnd(chat, gap, limit, isDefinite, around);
    add(gap.start, start, "assistant", message);
  } else if (gap.before!.kind === "thinking" && messages[message]!.role === "assistant") {
    // an answer of nothing but reasoning: its closing tag
    const closing = /^\s*<[^<>]+>/.exec(text.slice(start, limit));
    if (closing !== null && !(ending && start + closing[0].length > tail)) {
      add(start, start + closing[0].length, "thinking", message);
      start += closing[0].length;
    }
  }
  if (ending) {
    add(start, tail, "template", message);
    add(...ending.span, "end", message);
    start = ending.span[1];
  }
  const own =
    gap.after === undefined || (isDefinite && gap.header)
      ? limit
      : afterSpace(text, Math.max(start, gap.tagEnd ?? 0), limit);
  add(start, own, "template", message);
  if (gap.after) addHeader(text, gap, own, messages, add);
}

/**
 * The end token of a message before a gap in which other special tokens may stand: the first that is one that ends
 * messages. For an answer after which another special token comes first, it is what the template writes after the answer
 * when that is the last message.
 * @throws {DataError} if the template writes other text then, and no token in the gap is known to end messages
 */
function likelyEnd(
  { text, unplacedArguments }: RenderedChat,
  gap: Gap,
  limit: number,
  messages: readonly Message[],
  around: Surroundings,
  ends: ReadonlySet<number>,
): SpecialToken | undefined {
  const found = specialsIn(around, gap.start, limit);
  const known = found.find(({ id }) => ends.has(id));
  const { message, kind } = gap.before!;
  if (unplacedArguments.includes(message)) {
    const written = JSON.stringify(messages[message]!.tool_calls);
    const token = found.map(({ span }) => text.slice(...span)).find((token) => written.includes(token));
    if (token !== undefined)
      throw new DataError(
        `it cannot be told where the tool call of message ${message + 1} (index ${message}) ends, since its arguments ` +
          `have the special token ${token}, and the template takes a decision by their text`,
      );
  }
  if (messages[message]!.role !== "assistant" || known === found[0] || (known && kind === "call")) return known;
  const tail = around.tailOf(message);
  if (text.startsWith(tail, gap.start)) return found.find(({ span }) => span[1] <= gap.start + tail.length);
  if (known !== undefined) return known;
  throw new DataError(
    `it cannot be told which token ends the answer of message ${message + 1} (index ${message}): the template writes ` +
      "other text after it when it is the last",
  );
}

/** Where the markup of a tool call ends that no end token follows. */
function callEnd({ text, generation }: RenderedChat, gap: Gap, limit: number, definite: boolean, around: Surroundings) {
  const { message } = gap.before!;
  const untagged = generation?.find(([from, to]) => from < gap.start && to >= gap.start)?.[1];
  if (untagged !== undefined && untagged <= limit) return untagged;
  const tail = around.tailOf(message);
  const end = definite ? limit : gap.start + tail.length;
  if (!definite && !text.startsWith(tail, gap.start))
    throw new DataError(`it cannot be told where the tool call of message ${message + 1} (index ${message}) ends`);
  return gap.start + text.slice(gap.start, end).trimEnd().length;
}

/** The header of the message after a gap, and what its template writes before its first piece. */
function addHeader(text: string, gap: Gap, from: number, messages: readonly Message[], add: Add): void {
  const { message, kind } = gap.after!;
  if (messages[message]!.role !== "assistant") return add(from, gap.end, "template", message);
  const header = gap.header?.[1];
  if (kind !== "content") {
    if (header === undefined)
      throw new DataError(
        `it cannot be told where the answer of message ${message + 1} (index ${message}) begins, since the template ` +
          "writes no header for add_generation_prompt and has no generation tags",
      );
    add(from, header, "template", message);
    return add(Math.max(from, header), gap.end, kind === "thinking" ? "thinking" : "assistant", message);
  }
  // reasoning that the template writes itself, without text
  const start = Math.max(from, header ?? from);
  const body = start + emptyReasoning(text.slice(start, gap.end));
  add(from, body, "template", message);
  add(body, gap.end, "thinking", message);
}

/** Index at which tags around no reasoning begin, with which a text ends; the text's length if it does not. */
function emptyReasoning(text: string): number {
  const tags = text.trimEnd();
  const closing = /<\/([^<>/]*think[^<>]*)>$/i.exec(tags.slice(tags.lastIndexOf("<")));
  const opened = closing === null ? "" : tags.slice(0, -closing[0].length).trimEnd();
  return closing !== null && opened.endsWith(`<${closing[1]}>`) ? opened.length - closing[1]!.length - 2 : text.length;
}

function afterSpace(text: string, from: number, limit: number): number {
  return from + /^\s*/.exec(text.slice(from, limit))![0].length;
}
