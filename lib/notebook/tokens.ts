import type { EncodedExample } from "../data/encode";
import type { Tokenizer } from "../data/tokenizer";
import { lossWeights } from "../data/prompt-loss-weight";
import { show, type Html } from "./display";
import { escapeHtml } from "./html";

/** What a token is to the loss. The first one is never predicted; padding fills a batch's shorter rows. */
type Part = "first" | "prompt" | "completion" | "padding";

interface ShownToken {
  id: number;
  text: string;
  part: Part;
  weight: number;
}

export interface TokenOptions {
  /** prompt loss weight, finite and at least 0 */
  plw: number;
  /** stands above the tokens */
  caption?: string;
}

/**
 * Shows encoded examples token by token, each colored by its loss weight: prompt tokens the bluer the more they count,
 * completion tokens orange. Several examples are shown as the batch they would be, padded to the longest.
 */
export async function showTokens(
  examples: EncodedExample | readonly EncodedExample[],
  tokenizer: Tokenizer,
  options: TokenOptions,
): Promise<void> {
  await show(tokensHtml("ids" in examples ? [examples] : examples, tokenizer, options));
}

/** What {@link showTokens} shows: HTML with inline styles only, so that untrusted notebooks show it as well. */
export function tokensHtml(
  examples: readonly EncodedExample[],
  tokenizer: Tokenizer,
  { plw, caption }: TokenOptions,
): Html {
  const length = Math.max(...examples.map(({ ids }) => ids.length));
  const rows = examples.map((example) => ({ example, tokens: shownTokens(example, tokenizer, plw, length) }));
  const html = [
    '<div style="line-height: 1.9;">',
    caption === undefined ? "" : `<div>${escapeHtml(caption)}</div>`,
    legend(
      rows.flatMap(({ tokens }) => tokens),
      plw,
    ),
    ...rows.map(
      ({ example, tokens }) =>
        `<div style="font-family: monospace; padding: 4px 0;">${tokens.map(span).join("")}${escapeHtml(cutNote(example))}</div>`,
    ),
    "</div>",
  ].join("\n");
  const text = [
    ...(caption === undefined ? [] : [caption]),
    ...rows.map(({ example, tokens }) => plainText(tokens) + cutNote(example)),
  ].join("\n");
  return { html, text };
}

function shownTokens(example: EncodedExample, tokenizer: Tokenizer, plw: number, length: number): ShownToken[] {
  const weights = lossWeights(example, plw);
  const tokens: ShownToken[] = example.ids.map((id, index) => ({
    id,
    text: tokenText(example.ids, index, tokenizer),
    part: index === 0 ? "first" : index < example.promptLength ? "prompt" : "completion",
    weight: index === 0 ? 0 : weights[index]!,
  }));
  while (tokens.length < length) tokens.push({ id: tokenizer.padId, text: "pad", part: "padding", weight: 0 });
  return tokens;
}

/** What a token adds to the text. Decoded alone, many lose the space that they begin with. */
function tokenText(ids: readonly number[], index: number, tokenizer: Tokenizer): string {
  const alone = tokenizer.decode([ids[index]!]);
  if (index === 0) return alone;
  const before = tokenizer.decode([ids[index - 1]!]);
  const both = tokenizer.decode([ids[index - 1]!, ids[index]!]);
  return both.startsWith(before) && !before.includes("\uFFFD") ? both.slice(before.length) : alone;
}

const STYLE: Record<Part, (weight: number) => string> = {
  first: () => "border: 1px dashed rgba(128, 128, 128, 0.8);",
  // From nearly clear at 0 to full at 1; the power spreads the small weights apart.
  prompt: (weight) =>
    `background-color: rgba(45, 125, 210, ${weight === 0 ? 0 : (0.1 + 0.5 * Math.min(weight, 1) ** 0.4).toFixed(3)}); border: 1px solid rgba(45, 125, 210, 0.5);`,
  completion: () => "background-color: rgba(245, 140, 30, 0.5); border: 1px solid rgba(245, 140, 30, 0.8);",
  padding: () =>
    "background-color: rgba(128, 128, 128, 0.25); border: 1px dotted rgba(128, 128, 128, 0.8); font-style: italic;",
};

/** One token as a box of its own, so that a line may break between any two. */
function span({ id, text, part, weight }: ShownToken): string {
  const title =
    part === "first"
      ? `token ${id}, never predicted`
      : part === "padding"
        ? `padding (token ${id}), weight 0`
        : `token ${id}, ${part}, weight ${rounded(weight)}`;
  const breaks = part === "padding" ? 0 : [...text].filter((character) => character === "\n").length;
  return `<span title="${escapeHtml(title)}" style="${STYLE[part](weight)} padding: 1px 1px; display: inline-block; line-height: 1.3;">${escapeHtml(visible(text))}</span>${"<br>".repeat(breaks)}`;
}

/** Spaces, line ends and other invisible characters as signs. */
function visible(text: string): string {
  if (text === "") return "∅";
  return (
    text
      .replace(/ /g, "·")
      .replace(/\n/g, "⏎")
      .replace(/\t/g, "⇥")
      .replace(/\r/g, "␍")
      // Control and format characters, direction marks among them: they would change how the page reads.
      .replace(/[\p{Cc}\p{Cf}]/gu, (character) => `⟨${character.codePointAt(0)!.toString(16)}⟩`)
  );
}

function legend(tokens: readonly ShownToken[], plw: number): string {
  const names: [Part, number, string][] = [
    ["first", 0, "first token, never predicted"],
    ["prompt", plw, `prompt, weight ${rounded(plw)}`],
    ["completion", 1, "completion, weight 1"],
    ["padding", 0, "padding, weight 0"],
  ];
  return `<div>${names
    .filter(([part]) => tokens.some((token) => token.part === part))
    .map(
      ([part, weight, name]) =>
        `<span style="${STYLE[part](weight)} padding: 1px 6px;">${escapeHtml(name)}</span>&nbsp;&nbsp;`,
    )
    .join("")}</div>`;
}

function cutNote({ lostCompletionTokens: lost }: EncodedExample): string {
  return lost > 0 ? ` ✂ ${lost} completion ${lost === 1 ? "token" : "tokens"} cut off` : "";
}

function plainText(tokens: readonly ShownToken[]): string {
  let text = "";
  let part: Part | undefined;
  for (const token of tokens) {
    if (token.part !== part)
      text += `${part === undefined ? "" : "\n"}[${token.part}, weight ${rounded(token.weight)}] `;
    part = token.part;
    text += token.part === "padding" ? "·" : visible(token.text);
  }
  return text;
}

function rounded(weight: number): string {
  return String(Number(weight.toPrecision(4)));
}
