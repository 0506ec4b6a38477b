import type { JudgedQuestion } from "./judge";
import type { Verdict } from "./judge-cache";

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** How a judge model is asked, and how its answer is read. */
export interface JudgePrompt {
  name: string;
  messages(question: JudgedQuestion, first: string, second: string): ChatMessage[];
  /** null where the answer is not in the format asked for */
  parse(answer: string): Verdict | null;
  /** the answer's longest useful length */
  maxTokens: number;
}

/**
 * The question of Alpaca Eval 1's `guanaco_33b` evaluator, which the paper adapted to Mixtral (C.2), in our words: one example,
 * an answer that is `Output (a)` or `Output (b)` and nothing else, no ties. Read as there: the marker must open a line;
 * both markers, or none, is no verdict.
 */
export const ALPACA_EVAL_PROMPT: JudgePrompt = {
  name: "alpaca-eval",
  maxTokens: 50,
  messages: ({ instruction, input }, first, second) => [
    {
      role: "user",
      content: [
        "Two outputs, (a) and (b), were written for one instruction. Say which of them a person would prefer: the one that does what the instruction asks, and is right, clear and helpful. " +
          "Neither the order of the outputs nor their length is a merit. Answer with nothing but the line: Output (a) or the line: Output (b).",
        "# An example",
        pair(
          "Say what a lighthouse is for.",
          "",
          "A lighthouse shows ships at night where the coast and its dangers are.",
          "It is a house, and it is light.",
        ),
        "Output (a)",
        "# The task",
        pair(instruction, input, first, second),
      ].join("\n\n"),
    },
  ],
  parse: (answer) => {
    const marked = new Set(Array.from(answer.matchAll(/(?:^|\n) ?Output \((a|b)\)/g), ([, letter]) => letter));
    if (marked.size !== 1) return null;
    return marked.has("a") ? "first" : "second";
  },
};

function pair(instruction: string, input: string | undefined, first: string, second: string): string {
  const parts = [
    ["Instruction", instruction],
    ...(input ? [["Input", input]] : []),
    ["Output (a)", first],
    ["Output (b)", second],
  ];
  return [
    ...parts.map(([title, text]) => `## ${title}:\n${text}`),
    "## Which is better, Output (a) or Output (b)?",
  ].join("\n\n");
}

/** Special tokens that PandaLM takes out of the responses it judges. */
const SPECIAL_TOKENS = /<unk>|<pad>|<\/?s>|\[PAD\]|<\|endoftext\|>|\[UNK\]|\[CLS\]|\[MASK\]/g;

/**
 * PandaLM's form (WeOpenML/PandaLM `pandalm_inference.py`): the same headings, the introduction in our words, and an answer whose
 * first line is `1`, `2` or `Tie`, with a reason and a reference after it. PandaLM itself takes any other first line for a tie; here it is no verdict.
 */
export const PANDALM_PROMPT: JudgePrompt = {
  name: "pandalm",
  maxTokens: 512,
  messages: ({ instruction, input }, first, second) => {
    const clean = (text: string) => text.replace(SPECIAL_TOKENS, "").trim();
    const context = input ? "an Instruction and an Input that gives it context" : "an Instruction";
    return [
      {
        role: "user",
        content: [
          `Here are a task, given by ${context}, and two responses to it. Compare them. Begin with a line that is 1 if Response 1 is better, 2 if Response 2 is better, or Tie; then give the reason, and a reference answer.`,
          `### Instruction:\n${instruction}`,
          ...(input ? [`### Input:\n${input}`] : []),
          `### Response 1:\n${clean(first)}`,
          `### Response 2:\n${clean(second)}`,
          "### Evaluation:\n",
        ].join("\n\n"),
      },
    ];
  },
  parse: (answer) => {
    const line = answer.trim().split("\n")[0].trim().toLowerCase();
    return line === "1" ? "first" : line === "2" ? "second" : line === "tie" ? "tie" : null;
  },
};
