// Which tokens the ranges of a message's content are about, as Axolotl adjusts them to the borders of tokens.
import type { RenderedChat } from "./chat-pieces";
import { DataError } from "./errors";
import type { Message } from "./message";
import type { Span } from "./token-spans";
import { shown } from "./validate";

/** A stretch of a content that the rendered text has as it is. */
interface Section {
  /** in UTF-16 code units of the content */
  from: number;
  to: number;
  /** from a place in the content to its place in the rendered text */
  shift: number;
}

/**
 * Finds the tokens that ranges of a message's content are about. A token that a range covers only partly is one of them,
 * unless the range has nothing of it but its first or its last character. Of several tokens of one character, all but
 * the last go with the character before where a range ends there. Source: Axolotl, `adjust_train_details` and
 * `get_offsets_for_train_detail` in prompt_strategies/chat_template.py, commit 01f6a5c; it takes the tokens of the content
 * alone, here they are those of the whole row.
 *
 * @param ranges half-open, of UTF-16 code units
 * @param spans of the tokens in the rendered text
 * @returns indices of tokens
 * @throws {DataError} for a range of which the template leaves out or changes a character, or that is about no token
 */
export function tokensInRanges(
  ranges: readonly Span[],
  message: number,
  { content, reasoning_content: reasoning }: Message,
  spans: readonly Span[],
  chat: RenderedChat,
): Set<number> {
  const isOfContent = chat.pieces.filter(
    (piece) => piece.message === message && (piece.kind === "content" || (piece.kind === "thinking" && !reasoning)),
  );
  const sections = sectionsOf(content, chat.text, isOfContent);
  const found = sections.map((section) => contentTokens(content, section, spans));
  const learned = new Set<number>();
  for (const range of ranges) {
    const isAbout = new Set(found.flatMap((tokens) => adjusted(tokens, range[0], before(content, range[1]))));
    const why = notShown(content, sections, range) ? "are not in the rendered text as they are" : "hold no token";
    if (isAbout.size === 0 || why !== "hold no token")
      throw new DataError(
        `message ${message + 1} (index ${message}): a range of its content is to be learned, but its characters ${why}: ` +
          `${shown(content.slice(...range))}`,
      );
    for (const t of isAbout) learned.add(t);
  }
  return learned;
}

/**
 * The stretches of a content in the rendered text: its pieces, and the text between and around them where that is the
 * content's, such as tags of reasoning.
 */
function sectionsOf(content: string, text: string, pieces: RenderedChat["pieces"]): Section[] {
  const sections: Section[] = [];
  for (const { span, offset } of pieces) {
    const [shift, to] = [span[0] - offset, offset + span[1] - span[0]];
    if (content.slice(offset, to) !== text.slice(...span)) continue;
    const last = sections.at(-1);
    const isOne = last?.shift === shift && content.slice(last.to, offset) === text.slice(last.to + shift, span[0]);
    if (isOne) last.to = to;
    else sections.push({ from: offset, to, shift });
  }
  for (const section of sections) {
    const { from, to, shift } = section;
    const [lead, trail] = [content.slice(0, from).trimStart(), content.slice(to).trimEnd()];
    if (lead !== "" && text.startsWith(lead, from - lead.length + shift)) section.from -= lead.length;
    if (trail !== "" && text.startsWith(trail, to + shift)) section.to += trail.length;
  }
  return sections;
}

/** Whether no section has a character of a range, white space left aside. */
function notShown(content: string, sections: readonly Section[], [start, end]: Span): boolean {
  let at = start;
  for (const { from, to } of [...sections].sort((a, b) => a.from - b.from)) {
    if (from > at && /\S/.test(content.slice(at, Math.min(from, end)))) return true;
    at = Math.max(at, to);
  }
  return /\S/.test(content.slice(at, end));
}

/** A token within a section: its first and its last character, as the place in the content at which each begins. */
interface ContentToken {
  t: number;
  first: number;
  last: number;
}

/** The tokens of a section. The last character of a token is the one before the next token, as Axolotl has it. */
function contentTokens(content: string, { from, to, shift }: Section, spans: readonly Span[]): ContentToken[] {
  const tokens = spans.flatMap(([start, end], t) =>
    start < to + shift && end > from + shift ? [{ t, first: Math.max(start - shift, from) }] : [],
  );
  return tokens.map(({ t, first }, i) => ({ t, first, last: before(content, tokens[i + 1]?.first ?? to) }));
}

/** The indices of tokens that a range from one character to another, both included, is about. */
function adjusted(tokens: readonly ContentToken[], begin: number, end: number): number[] {
  const next = tokens.findIndex(({ first }) => first >= begin);
  let from = next < 0 ? tokens.length : next;
  if (from > 0 && tokens[from - 1].last > begin) from--;
  let to = tokens.length - 1;
  while (to >= 0 && tokens[to].last > end) to--;
  if (to < tokens.length - 1 && tokens[to + 1].first < end) to++;
  if (from > to) return [];
  const [start, stop] = [tokens[from].first, tokens[to].last];
  return tokens.flatMap(({ t, first, last }) => (first >= start && last <= stop ? [t] : []));
}

/** The place at which the character before a place begins. */
function before(text: string, at: number): number {
  return at - ((text.codePointAt(at - 2) ?? 0) > 0xffff ? 2 : 1);
}
