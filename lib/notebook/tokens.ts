// Encoded examples in notebooks, token by token, colored by loss weight.
import { aText, checkOptions, checkTokenizer } from "../data/arguments";
import { visibleText } from "../data/visible-text";
import type { EncodedExample } from "../data/encode";
import type { Tokenizer } from "../data/tokenizer";
import { lossWeights } from "../data/loss-weighting";
import { checkEncoded } from "../data/parts";
import { plwSchema } from "../data/prompt-loss-weight";
import { show, type Html } from "./display";
import { escapeHtml } from "../page/html";

/**
 * Role of a token in the loss. The first token is never predicted and has no loss; padding fills the shorter rows of a
 * batch.
 */
type Part = "first" | "prompt" | "completion" | "padding";

/** A token to be displayed; `weight` is its loss weight. */
interface ShownToken {
  id: number;
  text: string;
  part: Part;
  weight: number;
}

/** Options of {@link showTokens} and {@link tokensHtml}. */
export interface TokenOptions {
  /** prompt loss weight, finite and at least 0 */
  plw: number;
  /** text above the tokens */
  caption?: string;
}

/**
 * Displays encoded examples token by token, colored by loss weight: prompt tokens in blue, stronger for larger weights,
 * completion tokens in orange. Several examples are shown as one batch, padded to the longest.
 *
 * @param tokenizer the tokenizer that the examples were encoded with
 */
export async function showTokens(
  examples: EncodedExample | readonly EncodedExample[],
  tokenizer: Tokenizer,
  options: TokenOptions,
): Promise<void> {
  await show(
    tokensHtml(
      Array.isArray(examples) ? (examples as EncodedExample[]) : [examples as EncodedExample],
      tokenizer,
      options,
    ),
  );
}

/**
 * Formats encoded examples as {@link showTokens} displays them. The HTML has inline styles only, so that untrusted
 * notebooks show it too.
 *
 * @param tokenizer the tokenizer that the examples were encoded with
 */
export function tokensHtml(examples: readonly EncodedExample[], tokenizer: Tokenizer, options: TokenOptions): Html {
  const { plw, caption } = checkOptions("tokensHtml", options, { plw: plwSchema, caption: aText }, { needed: ["plw"] });
  checkEncoded("tokensHtml", examples);
  checkTokenizer("tokensHtml", tokenizer);
  const length = Math.max(...examples.map(({ ids }) => ids.length));
  const rows = examples.map((example) => ({ example, tokens: shownTokens(example, tokenizer, plw, length) }));
  const html = [
    '<div style="line-height: 1.9;">',
    caption === undefined ? "" : `<div>${escapeHtml(caption)}</div>`,
    legend(
      rows.flatMap(({ tokens }) => tokens),
      plw,
    ),
    ...rows.map(({ example, tokens }) => {
      const content = tokens.map(span).join("") + escapeHtml(cutNote(example));
      return `<div style="font-family: monospace; padding: 4px 0;">${content}</div>`;
    }),
    "</div>",
  ].join("\n");
  const text = [
    ...(caption === undefined ? [] : [visibleText(caption)]),
    ...rows.map(({ example, tokens }) => plainText(tokens) + cutNote(example)),
  ].join("\n");
  return { html, text };
}

/** The tokens of an example with text, role and loss weight, padded to `length`. */
function shownTokens(example: EncodedExample, tokenizer: Tokenizer, plw: number, length: number): ShownToken[] {
  const weights = lossWeights(example, { plw });
  const tokens: ShownToken[] = example.ids.map((id, index) => ({
    id,
    text: tokenText(example.ids, index, tokenizer),
    part: index === 0 ? "first" : example.completion[index] ? "completion" : "prompt",
    weight: weights[index],
  }));
  while (tokens.length < length) tokens.push({ id: tokenizer.padId, text: "pad", part: "padding", weight: 0 });
  return tokens;
}

/**
 * Text that a token adds to the decoded example. Decoded alone, many tokens lose their leading space; hence each is
 * decoded together with the previous token, unless that one ends within a character (U+FFFD).
 */
function tokenText(ids: readonly number[], index: number, tokenizer: Tokenizer): string {
  const alone = tokenizer.decode([ids[index]!]);
  if (index === 0) return alone;
  const before = tokenizer.decode([ids[index - 1]!]);
  const both = tokenizer.decode([ids[index - 1]!, ids[index]!]);
  return both.startsWith(before) && !before.includes("\uFFFD") ? both.slice(before.length) : alone;
}

/** CSS of a token by role and loss weight. */
const STYLE: Record<Part, (weight: number) => string> = {
  first: () => "border: 1px dashed rgba(128, 128, 128, 0.8);",
  // Opacity grows from transparent at weight 0 to 0.6 at weight 1; the power 0.4 makes small weights distinguishable.
  prompt: (weight) => {
    const opacity = weight === 0 ? 0 : (0.1 + 0.5 * Math.min(weight, 1) ** 0.4).toFixed(3);
    return `background-color: rgba(45, 125, 210, ${opacity}); border: 1px solid rgba(45, 125, 210, 0.5);`;
  },
  completion: () => "background-color: rgba(245, 140, 30, 0.5); border: 1px solid rgba(245, 140, 30, 0.8);",
  padding: () =>
    "background-color: rgba(128, 128, 128, 0.25); border: 1px dotted rgba(128, 128, 128, 0.8); font-style: italic;",
};

/** Formats a token as an inline block, so that lines can break between any two tokens. */
function span({ id, text, part, weight }: ShownToken): string {
  const title =
    part === "first"
      ? `token ${id}, never predicted`
      : part === "padding"
        ? `padding (token ${id}), weight 0`
        : `token ${id}, ${part}, weight ${rounded(weight)}`;
  const breaks = part === "padding" ? 0 : [...text].filter((character) => character === "\n").length;
  const style = `${STYLE[part](weight)} padding: 1px 1px; display: inline-block; line-height: 1.3;`;
  const box = `<span title="${escapeHtml(title)}" style="${style}">${escapeHtml(visible(text))}</span>`;
  return box + "<br>".repeat(breaks);
}

/** Replaces spaces, line ends and other invisible characters by visible symbols; an empty text by ∅. */
function visible(text: string): string {
  if (text === "") return "∅";
  return visibleText(text).replace(/ /g, "·").replace(/\n/g, "⏎").replace(/\t/g, "⇥");
}

/** Legend of the roles that occur among the tokens. */
function legend(tokens: readonly ShownToken[], plw: number): string {
  const names: [Part, number, string][] = [
    ["first", 0, "first token, never predicted"],
    ["prompt", plw, `prompt, weight ${rounded(plw)}`],
    ["completion", 1, "completion, weight 1"],
    ["padding", 0, "padding, weight 0"],
  ];
  const entries = names
    .filter(([part]) => tokens.some((token) => token.part === part))
    .map(
      ([part, weight, name]) =>
        `<span style="${STYLE[part](weight)} padding: 1px 6px;">${escapeHtml(name)}</span>&nbsp;&nbsp;`,
    );
  return `<div>${entries.join("")}</div>`;
}

/** Note on completion tokens lost by truncation. */
function cutNote({ lostCompletionTokens: lost }: EncodedExample): string {
  return lost > 0 ? ` ✂ ${lost} completion ${lost === 1 ? "token" : "tokens"} cut off` : "";
}

/** Formats tokens as text, with role and weight in brackets wherever the role changes. */
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
