// Where the pieces of a conversation (contents, reasoning, names of called tools) stand in its rendered text: found by
// rendering again with marks of private-use characters around them.
import { hasGenerationTags, renderChat, type ChatTemplate, type RenderChatOptions } from "./chat-template";
import { DataError } from "./errors";
import type { Message } from "./message";
import type { Span } from "./token-spans";

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
  /** in the order of the text */
  pieces: LocatedPiece[];
  /** ranges within the template's generation tags; undefined if the template has no such tags */
  generation?: Span[];
  /** indices of messages whose reasoning the template leaves out */
  droppedThinking: number[];
}

/** A piece of a message before it is rendered: its text is `lead + body + trail`, white space around a body. */
interface Piece {
  message: number;
  kind: PieceKind;
  field: number;
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

const FIRST_MARK = 0xe000;
const LAST_MARK = 0xf8ff;

/**
 * Renders a conversation and finds its pieces.
 * @throws {DataError} if the template refuses the messages, leaves one out, shows an answer twice, or renders other text
 *   when marks are around the pieces, so that their places cannot be told
 */
export function renderPieces(
  template: ChatTemplate,
  messages: readonly Message[],
  options: RenderChatOptions,
): RenderedChat {
  const text = renderChat(template, messages, options);
  const marks = freeMarks(text, messages);
  const generationMarks = [marks(), marks()] as const;
  const { pieces, build } = split(messages, marks);
  const tagged = hasGenerationTags(template, options.tools);
  const render = (withTags: boolean, shown: ReadonlySet<Piece>) =>
    locate(
      renderChat(template, build(shown), options, withTags ? generationMarks : undefined),
      pieces,
      generationMarks,
    );
  const all = new Set(pieces);
  // first with all white space between the marks: a template that trims renders other text then
  for (const piece of pieces) [piece.leadInside, piece.trailInside] = [piece.lead.length, piece.trail.length];
  let found = render(tagged, all);
  if (found.text !== text && pieces.some(({ lead, trail }) => lead + trail !== "")) {
    for (const piece of pieces) [piece.leadInside, piece.trailInside] = [0, 0];
    found = render(tagged, all);
    if (found.text === text) found = widen(pieces, found, text, () => render(tagged, all));
  }
  let generation = found.generation;
  if (found.text !== text && tagged) {
    found = render(false, all);
    const tags = render(true, new Set());
    if (tags.text !== text) throw new DataError(`${nameOf(template)} renders other text when its tags are marked`);
    generation = tags.generation;
  }
  if (found.text !== text) {
    const culprit = pieces.find((piece) => render(false, new Set([piece])).text !== text);
    throw new DataError(
      `${nameOf(template)}: the place of ${culprit ? described(culprit) : "the messages"} cannot be told: the template ` +
        "takes a decision by the text itself, so that marks around it change what is rendered",
    );
  }
  return { text, ...checkedPieces(template, messages, pieces, found), ...(tagged && { generation }) };
}

const nameOf = (template: ChatTemplate): string => `chat template ${JSON.stringify(template.name)}`;
const KIND_NAMES: Record<PieceKind, string> = { content: "content", thinking: "reasoning", call: "tool call" };
const described = ({ message, kind }: { message: number; kind: PieceKind }): string =>
  `the ${KIND_NAMES[kind]} of message ${message + 1} (index ${message})`;

/** Gives private-use characters that occur in none of the texts. */
function freeMarks(text: string, messages: readonly Message[]): () => string {
  const all = /[\ue000-\uf8ff]/.test(text) ? text + JSON.stringify(messages) : "";
  const used = new Set(all.match(/[\ue000-\uf8ff]/g));
  let next = FIRST_MARK;
  return () => {
    while (used.has(String.fromCharCode(next))) next++;
    if (next > LAST_MARK) throw new DataError("the conversation has too many messages: more than 3000 texts");
    return String.fromCharCode(next++);
  };
}

// ---------------------------------------------------------------- marks around pieces

const THINK = /^(\s*(?:<think>)?)([\s\S]*?)(<\/think>)([\s\S]*)$/;
const OUTER_SPACE = /^(\s*)([\s\S]*?)(\s*)$/;

/** Splits the fields of messages into pieces; `build` makes messages in which the given pieces are marked. */
function split(messages: readonly Message[], mark: () => string) {
  const pieces: Piece[] = [];
  let field = 0;
  const piece = (message: number, kind: PieceKind, text: string, at: number, always = false): Chunks => {
    const [, lead, body, trail] = OUTER_SPACE.exec(text)!;
    if (body === "" && !always) return [text];
    const [open, close] = [mark(), mark()];
    const made = { message, kind, field, at, lead, body, trail, leadInside: 0, trailInside: 0, open, close };
    pieces.push({ ...made, at: at + lead.length });
    return [pieces.at(-1)!];
  };
  const fields = messages.map((message, i) => {
    const next = <T>(value: T): T => (field++, value);
    const thinks = message.role === "assistant" && message.reasoning_content === undefined;
    const [, before, inner, after, rest] = (thinks && THINK.exec(message.content)) || [];
    const reasoning = next(piece(i, "thinking", message.reasoning_content ?? "", 0));
    // an answer of nothing has a place too: its end is learned
    const isEmpty = message.role === "assistant" && !message.reasoning_content && !message.tool_calls?.length;
    const content =
      after === undefined
        ? piece(i, "content", message.content, 0, isEmpty)
        : [
            before!,
            ...piece(i, "thinking", inner!, before!.length),
            after,
            ...piece(i, "content", rest!, message.content.length - rest!.length),
          ];
    next(undefined);
    const calls = (message.tool_calls ?? []).map((call) => next(piece(i, "call", call.function.name, 0)));
    return { reasoning, content, calls };
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
          tool_calls: message.tool_calls.map((call, c) => ({
            ...call,
            function: { ...call.function, name: join(calls[c]!) },
          })),
        }),
      };
    });
  return { pieces, build };
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
  text: string;
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
  for (const match of marked.matchAll(/[\ue000-\uf8ff]/g)) {
    const character = match[0];
    const piece = byMark.get(character);
    if (piece === undefined && character !== start && character !== end) continue;
    text += marked.slice(last, match.index);
    last = match.index + 1;
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

/** @throws {DataError} if a piece is missing, torn, or an assistant's is shown twice */
function checkedPieces(
  template: ChatTemplate,
  messages: readonly Message[],
  pieces: readonly Piece[],
  { spans, torn }: Located,
): { pieces: LocatedPiece[]; droppedThinking: number[] } {
  const located: LocatedPiece[] = [];
  const droppedThinking: number[] = [];
  for (const piece of pieces) {
    const { message, kind, at, leadInside } = piece;
    const places = spans.get(piece) ?? [];
    if (torn.includes(piece)) throw new DataError(`${nameOf(template)} cuts ${described(piece)} in two`);
    if (places.length === 0 && kind === "thinking") {
      droppedThinking.push(message);
      continue;
    }
    if (places.length === 0) {
      throw new DataError(
        `${nameOf(template)} leaves out ${described(piece)}, written by the ${messages[message]!.role}; take it out of the ` +
          "row, or use a template that shows it",
      );
    }
    // the name of a called tool may stand again where its result is shown
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
  return { pieces: located, droppedThinking };
}
