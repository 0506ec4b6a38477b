import type { JudgedQuestion } from "./judge";
import type { Verdict } from "./judge-cache";

/** A message of a chat completion request. */
export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** The prompt of a judge model, and the rules for reading its answer. */
export interface JudgePrompt {
  /** identifies the prompt; part of the judge's digest */
  name: string;
  /** Builds the request that compares two answers, in the order given. */
  messages(question: JudgedQuestion, first: string, second: string): ChatMessage[];
  /** Reads the verdict from the judge's answer; null if the answer is not in the requested format. */
  parse(answer: string): Verdict | null;
  /** maximum length of the judge's answer, in tokens */
  maxTokens: number;
}

/**
 * Prompt modeled on Alpaca Eval 1's `guanaco_33b` evaluator, which the paper adapted to Mixtral (C.2), reworded. It has
 * one example and asks for exactly `Output (a)` or `Output (b)`, without ties. The answer is parsed as in Alpaca Eval:
 * the marker must be at the beginning of a line, and an answer with both markers or neither has no verdict.
 */
export const ALPACA_EVAL_PROMPT: JudgePrompt = {
  name: "alpaca-eval",
  maxTokens: 50,
  messages: ({ instruction, input }, first, second) => [
    {
      role: "user",
      content: [
        "Two outputs, (a) and (b), were written for one instruction. Say which of them a person would prefer: " +
          "the one that does what the instruction asks, and is right, clear and helpful. " +
          "Neither the order of the outputs nor their length is a merit. " +
          "Answer with nothing but the line: Output (a) or the line: Output (b).",
        "# An example",
        comparison(
          "Say what a lighthouse is for.",
          "",
          "A lighthouse shows ships at night where the coast and its dangers are.",
          "It is a house, and it is light.",
        ),
        "Output (a)",
        "# The task",
        comparison(instruction, input, first, second),
      ].join("\n\n"),
    },
  ],
  parse: (answer) => {
    const marked = new Set(Array.from(answer.matchAll(/(?:^|\n) ?Output \((a|b)\)/g), ([, letter]) => letter));
    if (marked.size !== 1) return null;
    return marked.has("a") ? "first" : "second";
  },
};

function comparison(instruction: string, input: string | undefined, first: string, second: string): string {
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

/** Special tokens that PandaLM removes from the responses it judges. */
const SPECIAL_TOKENS = /<unk>|<pad>|<\/?s>|\[PAD\]|<\|endoftext\|>|\[UNK\]|\[CLS\]|\[MASK\]/g;

/**
 * PandaLM's prompt format (WeOpenML/PandaLM, `pandalm_inference.py`): the same headings with a reworded introduction.
 * The first line of the answer is `1`, `2` or `Tie`, followed by a reason and a reference answer. PandaLM counts any
 * other first line as a tie; here it has no verdict.
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
          `Here are a task, given by ${context}, and two responses to it. Compare them. ` +
            "Begin with a line that is 1 if Response 1 is better, 2 if Response 2 is better, or Tie; " +
            "then give the reason, and a reference answer.",
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
