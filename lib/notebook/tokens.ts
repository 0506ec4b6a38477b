// Encoded examples in notebooks, token by token, colored by loss weight.
import { aText, checkOptions, checkTokenizer } from "../data/arguments";
import { visibleText } from "../data/visible-text";
import type { EncodedExample } from "../data/encode";
import type { Tokenizer } from "../data/tokenizer";
import { distinct } from "../data/group";
import {
  completionUnder,
  LOSS_WEIGHTING,
  lossWeightingOf,
  lossWeights,
  type LossWeighting,
} from "../data/loss-weighting";
import { checkEncoded, PARTS, type Part } from "../data/parts";
import { show, type Html } from "./display";
import { escapeHtml } from "../page/html";

/**
 * Role of a token in the loss. The first token is never predicted and has no loss; padding fills the shorter rows of a
 * batch.
 */
type Role = "first" | "prompt" | "completion" | "padding";

/** A token to be displayed; `weight` is its loss weight, `part` undefined of padding. */
interface ShownToken {
  id: number;
  text: string;
  role: Role;
  part?: Part;
  weight: number;
}

/** Options of {@link showTokens} and {@link tokensHtml}. */
export interface TokenOptions extends LossWeighting {
  /** text above the tokens */
  caption?: string;
}

/**
 * Displays encoded examples token by token, colored by loss weight, stronger for larger weights: prompt tokens in blue,
 * completion tokens in orange. A line below a token shows its part. Several examples are shown as one batch, padded to the longest.
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
  const schemas = { ...LOSS_WEIGHTING, caption: aText };
  const { caption, ...given } = checkOptions("tokensHtml", options, schemas, { needed: ["plw"] });
  const weighting = lossWeightingOf(given);
  checkEncoded("tokensHtml", examples);
  checkTokenizer("tokensHtml", tokenizer);
  const length = Math.max(...examples.map(({ ids }) => ids.length));
  const rows = examples.map((example) => ({ example, tokens: shownTokens(example, tokenizer, weighting, length) }));
  const html = [
    '<div style="line-height: 1.9;">',
    caption === undefined ? "" : `<div>${escapeHtml(caption)}</div>`,
    legend(rows.flatMap(({ tokens }) => tokens)),
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

/** The tokens of an example with text, role, part and loss weight, padded to `length`. */
function shownTokens(
  example: EncodedExample,
  tokenizer: Tokenizer,
  weighting: LossWeighting,
  length: number,
): ShownToken[] {
  const weights = lossWeights(example, weighting);
  const completion = completionUnder(example, weighting.turns);
  const tokens: ShownToken[] = example.ids.map((id, index) => ({
    id,
    text: tokenText(example.ids, index, tokenizer),
    role: index === 0 ? "first" : completion[index] ? "completion" : "prompt",
    part: example.parts[index],
    weight: weights[index],
  }));
  while (tokens.length < length) tokens.push({ id: tokenizer.padId, text: "pad", role: "padding", weight: 0 });
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

/**
 * Opacity of a token's color: it grows from transparent at weight 0 to `most` at weight 1; the power 0.4 makes small
 * weights distinguishable.
 */
const opacity = (weight: number, most: number): string =>
  weight === 0 ? "0" : (0.1 + (most - 0.1) * Math.min(weight, 1) ** 0.4).toFixed(3);

/** CSS of a token by role and loss weight. */
const STYLE: Record<Role, (weight: number) => string> = {
  first: () => "border: 1px dashed rgba(128, 128, 128, 0.8);",
  prompt: (weight) =>
    `background-color: rgba(45, 125, 210, ${opacity(weight, 0.6)}); border: 1px solid rgba(45, 125, 210, 0.5);`,
  completion: (weight) =>
    `background-color: rgba(245, 140, 30, ${opacity(weight, 0.5)}); border: 1px solid rgba(245, 140, 30, 0.8);`,
  padding: () =>
    "background-color: rgba(128, 128, 128, 0.25); border: 1px dotted rgba(128, 128, 128, 0.8); font-style: italic;",
};

/** CSS of a token by part, over that of its role. What both kinds of rows have most of has no line. */
const PART_STYLE: Partial<Record<Part, string>> = {
  template: "border-bottom: 3px dotted rgba(128, 128, 128, 0.9);",
  system: "border-bottom: 3px double rgba(120, 80, 200, 0.9);",
  input: "border-bottom: 3px solid rgba(0, 130, 130, 0.9);",
  thinking: "border-bottom: 3px dashed rgba(200, 60, 120, 0.9);",
  tool: "border-bottom: 3px double rgba(40, 130, 40, 0.9);",
  end: "border-bottom: 3px solid rgba(70, 70, 70, 0.9);",
};

/** Formats a token as an inline block, so that lines can break between any two tokens. */
function span({ id, text, role, part, weight }: ShownToken): string {
  const title =
    role === "first"
      ? `token ${id}, ${part}, never predicted`
      : role === "padding"
        ? `padding (token ${id}), weight 0`
        : `token ${id}, ${role}, ${part}, weight ${rounded(weight)}`;
  const breaks = role === "padding" ? 0 : [...text].filter((character) => character === "\n").length;
  const lines = [
    STYLE[role](weight),
    part && PART_STYLE[part],
    "padding: 1px 1px; display: inline-block; line-height: 1.3;",
  ];
  const style = lines.filter(Boolean).join(" ");
  const box = `<span title="${escapeHtml(title)}" style="${style}">${escapeHtml(visible(text))}</span>`;
  return box + "<br>".repeat(breaks);
}

/** Replaces spaces, line ends and other invisible characters by visible symbols; an empty text by ∅. */
function visible(text: string): string {
  if (text === "") return "∅";
  return visibleText(text).replace(/ /g, "·").replace(/\n/g, "⏎").replace(/\t/g, "⇥");
}

/** Legend of the roles that occur among the tokens, with their weights, and of the parts that have a line. */
function legend(tokens: readonly ShownToken[]): string {
  const roles: [Role, string][] = [
    ["first", "first token, never predicted"],
    ["prompt", "prompt"],
    ["completion", "completion"],
    ["padding", "padding"],
  ];
  const entry = (style: string, name: string) =>
    `<span style="${style} padding: 1px 6px;">${escapeHtml(name)}</span>&nbsp;&nbsp;`;
  const ofRoles = roles.flatMap(([role, name]) => {
    const weights = tokens.filter((token) => token.role === role).map(({ weight }) => weight);
    if (weights.length === 0) return [];
    return entry(STYLE[role](highest(weights)), role === "first" ? name : `${name}, ${weightsInWords(weights)}`);
  });
  const occurring = new Set(tokens.map(({ part }) => part));
  const ofParts = PARTS.filter((part) => occurring.has(part) && PART_STYLE[part]);
  return `<div>${[...ofRoles, ...ofParts.map((part) => entry(PART_STYLE[part]!, part))].join("")}</div>`;
}

const highest = (weights: readonly number[]): number => weights.reduce((most, weight) => Math.max(most, weight), 0);

function weightsInWords(weights: readonly number[]): string {
  const shown = distinct(weights.map(rounded));
  if (shown.length === 1) return `weight ${shown[0]}`;
  const lowest = weights.reduce((least, weight) => Math.min(least, weight), Infinity);
  return `weights ${rounded(lowest)} to ${rounded(highest(weights))}`;
}

/** Note on completion tokens lost by truncation. */
function cutNote({ lostCompletionTokens: lost }: EncodedExample): string {
  return lost > 0 ? ` ✂ ${lost} completion ${lost === 1 ? "token" : "tokens"} cut off` : "";
}

/** Formats tokens as text, with role, part and weight in brackets wherever one of them changes. */
function plainText(tokens: readonly ShownToken[]): string {
  let text = "";
  let last: string | undefined;
  for (const token of tokens) {
    const label = [token.role, ...(token.part ? [token.part] : []), `weight ${rounded(token.weight)}`].join(", ");
    if (label !== last) text += `${last === undefined ? "" : "\n"}[${label}] `;
    last = label;
    text += token.role === "padding" ? "·" : visible(token.text);
  }
  return text;
}

function rounded(weight: number): string {
  return String(Number(weight.toPrecision(4)));
}
