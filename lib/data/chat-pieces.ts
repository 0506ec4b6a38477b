// Where the pieces of a conversation (contents, reasoning, names of called tools) stand in its rendered text: found by
// rendering again with marks of private-use characters around them.
import { hasGenerationTags, renderChat, type ChatTemplate, type RenderChatOptions } from "./chat-template";
import { DataError } from "./errors";
import type { Message } from "./message";
import type { Span } from "./token-spans";
import { isObject } from "./validate";

/** What a piece of a message is. */
export type PieceKind = "content" | "thinking" | "call";

/** A piece of a message in the rendered text. */
export interface LocatedPiece {
  message: number;
  kind: PieceKind;
  /** half-open range of UTF-16 code units of the rendered text */
  span: Span;
  /** index in the message's field of the character at which the span starts */
  offset: number;
}

/** A rendered conversation with the places of its pieces. */
export interface RenderedChat {
  text: string;
  /** the header of an answer, as the template adds it at the end of the text; "" if it adds none there */
  generationPrompt: string;
  /** in the order of the text */
  pieces: LocatedPiece[];
  /** ranges within the template's generation tags; undefined if the template has no such tags */
  generation?: Span[];
  /** indices of messages whose reasoning the template leaves out */
  droppedThinking: number[];
  /** indices of messages with a text in the arguments of a call whose place cannot be told */
  unplacedArguments: number[];
}

/** A piece of a message before it is rendered: its text is `lead + body + trail`, white space around a body. */
interface Piece {
  message: number;
  kind: PieceKind;
  /** whether the text can be divided without its place, as of an empty content, or a text in the arguments of a call */
  optional: boolean;
  /** index of the body in the field */
  at: number;
  lead: string;
  body: string;
  trail: string;
  /** how many characters of `lead` and of `trail` are between the marks */
  leadInside: number;
  trailInside: number;
  open: string;
  close: string;
}

/** A field of a message as texts and pieces. */
type Chunks = (string | Piece)[];

/**
 * Renders a conversation and finds its pieces. A content has reasoning if it begins with a `<think>`, or the template's
 * header of an answer ends with one: any other `</think>` is of its prose.
 *
 * @throws {DataError} if the template refuses the messages, leaves one out, shows an answer twice, or renders other text
 *   when marks are around the pieces, so that their places cannot be told
 */
export function renderPieces(
  template: ChatTemplate,
  messages: readonly Message[],
  options: RenderChatOptions,
): RenderedChat {
  const text = renderChat(template, messages, options);
  const prompt = generationPrompt(template, text, messages, options);
  const marks = freeMarks(text, messages);
  const generationMarks = [marks(), marks()] as const;
  const { pieces, build } = split(messages, marks, prompt.trimEnd().endsWith(OPENING));
  const tagged = hasGenerationTags(template, options.tools);
  const render: Render = (shown, withTags) => {
    try {
      const marked = renderChat(template, build(new Set(shown)), options, withTags ? generationMarks : undefined);
      return locate(marked, pieces, generationMarks);
    } catch (error) {
      if (error instanceof DataError) return { text: undefined, spans: new Map(), torn: [], generation: [] };
      throw error;
    }
  };
  let found = places(template, pieces, text, tagged, render);
  if (found === undefined) {
    const changing = changingPieces(pieces, (shown) => render(shown, false).text !== text);
    if (changing.some(({ optional }) => optional)) {
      const others = pieces.filter((piece) => !(piece.optional && changing.includes(piece)));
      found = places(template, others, text, tagged, render);
    }
    if (found === undefined) {
      const culprit = changing.find(({ optional }) => !optional);
      throw new DataError(
        `${nameOf(template)}: the place of ${culprit ? described(culprit) : "the messages"} cannot be told: the template ` +
          "takes a decision by the text itself, so that marks around it change what is rendered",
      );
    }
  }
  return {
    text,
    generationPrompt: prompt,
    ...checkedPieces(template, messages, pieces, text, found),
    ...(tagged && { generation: found.generation }),
  };
}

function generationPrompt(
  template: ChatTemplate,
  text: string,
  messages: readonly Message[],
  options: RenderChatOptions,
): string {
  try {
    const longer = renderChat(template, messages, { ...options, addGenerationPrompt: true });
    return longer.startsWith(text) ? longer.slice(text.length) : "";
  } catch {
    return ""; // some templates refuse it after an answer
  }
}

/** Renders with marks around some pieces, and perhaps around what is in generation tags. */
type Render = (shown: readonly Piece[], withTags: boolean) => Located;

/** The places of pieces; undefined if marks around them change the text, however much white space is between the marks. */
function places(
  template: ChatTemplate,
  pieces: readonly Piece[],
  text: string,
  tagged: boolean,
  render: Render,
): Located | undefined {
  // first with all white space between the marks: a template that trims renders other text then
  for (const piece of pieces) [piece.leadInside, piece.trailInside] = [piece.lead.length, piece.trail.length];
  let found = render(pieces, tagged);
  if (found.text !== text && pieces.some(({ lead, trail }) => lead + trail !== "")) {
    for (const piece of pieces) [piece.leadInside, piece.trailInside] = [0, 0];
    found = render(pieces, tagged);
    if (found.text === text) found = widen(pieces, found, text, () => render(pieces, tagged));
  }
  if (found.text !== text && tagged) {
    found = render(pieces, false);
    const tags = render([], true);
    if (tags.text !== text) throw new DataError(`${nameOf(template)} renders other text when its tags are marked`);
    found.generation = tags.generation;
  }
  return found.text === text ? found : undefined;
}

/** The pieces of which each alone changes the text when it is marked, found by halves. */
function changingPieces(pieces: readonly Piece[], isChanged: (shown: readonly Piece[]) => boolean): readonly Piece[] {
  if (pieces.length === 0 || !isChanged(pieces)) return [];
  if (pieces.length === 1) return pieces;
  const half = pieces.length >> 1;
  return [pieces.slice(0, half), pieces.slice(half)].flatMap((some) => changingPieces(some, isChanged));
}

const nameOf = (template: ChatTemplate): string => `chat template ${JSON.stringify(template.name)}`;
const KIND_NAMES: Record<PieceKind, string> = { content: "content", thinking: "reasoning", call: "tool call" };
const described = ({ message, kind }: { message: number; kind: PieceKind }): string =>
  `the ${KIND_NAMES[kind]} of message ${message + 1} (index ${message})`;

/** Marks are private-use characters: those of the basic plane, then those of the last two planes. */
const MARKS = /[\ue000-\uf8ff\u{f0000}-\u{10fffd}]/gu;
const [FIRST_MARK, LAST_BASIC_MARK, FIRST_FURTHER_MARK, LAST_MARK] = [0xe000, 0xf8ff, 0xf0000, 0x10fffd];

/** Gives marks that occur in none of the texts. */
function freeMarks(text: string, messages: readonly Message[]): () => string {
  const all = text.match(MARKS) ? text + JSON.stringify(messages) : "";
  const used = new Set(all.match(MARKS));
  let next = FIRST_MARK;
  return () => {
    for (;;) {
      if (next > LAST_MARK) throw new DataError("the conversation has too many texts: more than 65,000");
      const mark = String.fromCodePoint(next);
      next = next === LAST_BASIC_MARK ? FIRST_FURTHER_MARK : next + 1;
      if (!used.has(mark)) return mark;
    }
  };
}

// ---------------------------------------------------------------- marks around pieces

const OPENING = "<think>";
const CLOSING = "</think>";

/** Where the reasoning in a content begins and ends, and where its closing tag ends; undefined if there is none. */
function reasoningIn(
  content: string,
  opensReasoning: boolean,
): [start: number, end: number, after: number] | undefined {
  const space = content.length - content.trimStart().length;
  const isOpened = content.startsWith(OPENING, space);
  const start = isOpened ? space + OPENING.length : space;
  const end = isOpened || opensReasoning ? content.indexOf(CLOSING, start) : -1;
  return end < 0 ? undefined : [start, end, end + CLOSING.length];
}

/** Splits the fields of messages into pieces; `build` makes messages in which the given pieces are marked. */
function split(messages: readonly Message[], mark: () => string, opensReasoning: boolean) {
  const pieces: Piece[] = [];
  const piece = (message: number, kind: PieceKind, text: string, { at = 0, optional = false, empty = false } = {}) => {
    const body = text.trim();
    if (body === "" && !empty) return [text];
    const lead = text.slice(0, text.length - text.trimStart().length);
    const trail = text.slice(lead.length + body.length);
    const white = { lead, trail, leadInside: 0, trailInside: 0 };
    const made = { message, kind, optional, at: at + lead.length, body, ...white, open: mark(), close: mark() };
    pieces.push(made);
    return [made];
  };
  const fields = messages.map(({ role, content, reasoning_content: given = "", tool_calls: calls = [] }, i) => {
    const isAnswer = role === "assistant";
    const reasoning = piece(i, "thinking", given);
    const inContent = isAnswer && given === "" ? reasoningIn(content, opensReasoning) : undefined;
    const [start, end, after] = inContent ?? [0, 0, 0];
    const answer = content.slice(after);
    // an empty message has a place too, so that the text around it is of no other; an answer's end is learned
    const isNeeded = answer.trim() !== "" || (isAnswer && given === "" && inContent === undefined);
    const own = piece(i, "content", answer, { at: after, empty: calls.length === 0, optional: !isNeeded });
    const thought = inContent
      ? [
          content.slice(0, start),
          ...piece(i, "thinking", content.slice(start, end), { at: start }),
          content.slice(end, after),
        ]
      : [];
    return {
      reasoning,
      content: [...thought, ...own] as Chunks,
      calls: calls.map(({ function: called }) => {
        const texts: Chunks[] = [];
        const name = piece(i, "call", called.name);
        mapTexts(called.arguments, (text) => {
          texts.push(piece(i, "call", text, { optional: true }));
          return text;
        });
        return { name, texts };
      }),
    };
  });
  const build = (shown: ReadonlySet<Piece>): Message[] =>
    messages.map((message, i) => {
      const { reasoning, content, calls } = fields[i]!;
      const join = (chunks: Chunks): string => chunks.map((chunk) => markedText(chunk, shown)).join("");
      return {
        ...message,
        content: join(content),
        ...(message.reasoning_content !== undefined && { reasoning_content: join(reasoning) }),
        ...(message.tool_calls && {
          tool_calls: message.tool_calls.map((call, c) => {
            const { name, texts } = calls[c]!;
            let next = 0;
            const args = mapTexts(call.function.arguments, () => join(texts[next++]!));
            return { ...call, function: { name: join(name), arguments: args } };
          }),
        }),
      };
    });
  return { pieces, build };
}

/** A value of JSON with other texts and keys. */
function mapTexts<T>(value: T, change: (text: string) => string): T {
  const mapped = (given: unknown): unknown => {
    if (typeof given === "string") return change(given);
    if (Array.isArray(given)) return given.map(mapped);
    if (!isObject(given)) return given;
    return Object.fromEntries(Object.entries(given).map(([key, inner]) => [change(key), mapped(inner)]));
  };
  return mapped(value) as T;
}

function markedText(chunk: string | Piece, shown: ReadonlySet<Piece>): string {
  if (typeof chunk === "string") return chunk;
  const { lead, body, trail, leadInside, trailInside, open, close } = chunk;
  if (!shown.has(chunk)) return lead + body + trail;
  const from = lead.length - leadInside;
  return (
    lead.slice(0, from) +
    open +
    lead.slice(from) +
    body +
    trail.slice(0, trailInside) +
    close +
    trail.slice(trailInside)
  );
}

/** A rendering without its marks, and where these stood. */
interface Located {
  /** undefined if the template refuses messages with marks */
  text: string | undefined;
  spans: Map<Piece, Span[]>;
  /** pieces of which the marks do not come in pairs */
  torn: Piece[];
  generation: Span[];
}

function locate(marked: string, pieces: readonly Piece[], [start, end]: readonly [string, string]): Located {
  const byMark = new Map(pieces.flatMap((piece) => [[piece.open, piece] as const, [piece.close, piece] as const]));
  const opened = new Map<Piece, number>();
  const spans = new Map<Piece, Span[]>();
  const generation: Span[] = [];
  const torn: Piece[] = [];
  let from = -1;
  let text = "";
  let last = 0;
  for (const match of marked.matchAll(MARKS)) {
    const character = match[0];
    const piece = byMark.get(character);
    if (piece === undefined && character !== start && character !== end) continue;
    text += marked.slice(last, match.index);
    last = match.index + character.length;
    if (character === start) from = text.length;
    else if (character === end) generation.push([from, text.length]);
    else if (character === piece!.open) {
      if (opened.has(piece!)) torn.push(piece!);
      opened.set(piece!, text.length);
    } else {
      const opening = opened.get(piece!);
      if (opening === undefined) torn.push(piece!);
      else spans.set(piece!, [...(spans.get(piece!) ?? []), [opening, text.length]]);
      opened.delete(piece!);
    }
  }
  torn.push(...opened.keys());
  return { text: text + marked.slice(last), spans, torn, generation };
}

/** Most renderings with which the white space that a piece keeps is looked for. */
const MOST_TRIES = 40;

/** Moves marks outwards over the white space that the template keeps, piece by piece. */
function widen(pieces: readonly Piece[], found: Located, text: string, render: () => Located): Located {
  let best = found;
  let tries = 0;
  for (const piece of pieces) {
    if (piece.kind === "call") continue; // what is around a text of a call is of the answer as well
    for (const [side, most] of [
      ["leadInside", piece.lead.length],
      ["trailInside", piece.trail.length],
    ] as const) {
      for (let inside = most; inside > 0 && tries < MOST_TRIES; inside--, tries++) {
        piece[side] = inside;
        const next = render();
        if (next.text === text) {
          best = next;
          break;
        }
        piece[side] = 0;
      }
    }
  }
  return best;
}

const why = ({ body }: Piece): string =>
  body.includes(CLOSING) ? ", which has a </think> that is not the end of its reasoning" : "";

/** @throws {DataError} if a piece that is needed is missing, or one is torn, or an assistant's is shown twice */
function checkedPieces(
  template: ChatTemplate,
  messages: readonly Message[],
  pieces: readonly Piece[],
  text: string,
  { spans, torn }: Located,
): Pick<RenderedChat, "pieces" | "droppedThinking" | "unplacedArguments"> {
  const located: LocatedPiece[] = [];
  const droppedThinking: number[] = [];
  const unplacedArguments: number[] = [];
  for (const piece of pieces) {
    const { message, kind, at, leadInside, body, optional } = piece;
    const places = spans.get(piece) ?? [];
    if (torn.includes(piece)) throw new DataError(`${nameOf(template)} cuts ${described(piece)} in two${why(piece)}`);
    const isProse = ([start]: Span): boolean =>
      text.startsWith(body, start + leadInside) && !text.slice(0, start).trimEnd().endsWith(OPENING);
    if (kind === "content" && body.includes(CLOSING) && !places.every(isProse))
      throw new DataError(`${nameOf(template)} makes reasoning of ${described(piece)}${why(piece)}`);
    if (places.length === 0 && (kind === "thinking" || optional)) {
      if (kind === "thinking") droppedThinking.push(message);
      if (kind === "call") unplacedArguments.push(message);
      continue;
    }
    if (places.length === 0) {
      throw new DataError(
        `${nameOf(template)} leaves out ${described(piece)}, written by the ${messages[message]!.role}; take it out of the ` +
          "row, or use a template that shows it",
      );
    }
    // a call, or the name of its tool, may stand again where its result is shown
    if (kind === "call") places.length = 1;
    if (places.length > 1 && messages[message]!.role === "assistant")
      throw new DataError(`${nameOf(template)} shows ${described(piece)} ${places.length} times`);
    for (const span of places) located.push({ message, kind, span, offset: at - leadInside });
  }
  located.sort((a, b) => a.span[0] - b.span[0]);
  located.forEach((piece, i) => {
    const next = located[i + 1];
    if (next && piece.span[1] > next.span[0])
      throw new DataError(`${nameOf(template)} shows ${described(next)} within ${described(piece)}`);
  });
  const placed = new Set(located.map(({ message }) => message));
  const absent = messages.findIndex(({ role }, i) => role === "assistant" && !placed.has(i));
  if (absent >= 0)
    throw new DataError(
      `${nameOf(template)} leaves out all that the assistant wrote in message ${absent + 1} (index ${absent}); take the ` +
        "message out of the row, or use a template that shows it",
    );
  return { pieces: located, droppedThinking, unplacedArguments };
}
