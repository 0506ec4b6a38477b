// Asks runs anything.
import { armName } from "../analysis/arms";
import { checkRuns } from "../runs/check-runs";
import { aNumber, aText, abortSignal, checkOptions, count } from "../data/arguments";
import { factors, ONLY_VARIANT, type RunFactors } from "../analysis/run-rows";
import { PromptlossError, RunError } from "../data/errors";
import { distinct } from "../data/group";
import { renderChat } from "../data/chat-template";
import { isChatTemplate, type RowTemplate } from "../data/row-template";
import { renderPrompt } from "../data/template";
import { loadModel, type CausalLM } from "../model/causal-lm";
import type { Generation, GenerationOptions } from "../model/generate";
import { parametersOf, usableRun, type Run } from "../runs/store";
import { visibleText } from "../data/visible-text";
import type { Html } from "./display";
import { escapeHtml } from "../page/html";
import { interruptSignal } from "./interrupt";

/** Options of {@link ask}; the defaults of `temperature`, `topP` and `seed` are those of `CausalLM.generate`. */
export interface AskOptions extends Pick<GenerationOptions, "temperature" | "topP" | "seed" | "signal"> {
  /** text that the instruction is about; default: none */
  input?: string;
  /** maximum length of an answer, in tokens; default 128, and what the context leaves */
  maxNewTokens?: number;
}

/** A run's answer. */
export type RunAnswer = RunFactors & {
  /** id of the run */
  run: string;
  /** the whole request, in the run's template */
  prompt: string;
  text: string;
  /** number of tokens, including end-of-sequence */
  tokens: number;
  finish: Generation["finish"];
};

/** Answers of runs to one question. `show` shows them side by side, and so does a cell that ends with them. */
export interface Asked extends Html {
  answers: RunAnswer[];
  /** runs that cannot answer, and why */
  unable: { run: string; reason: string }[];
}

/**
 * Asks runs: an instruction in each run's own prompt template, or as the first message of a conversation, is continued by its final model, by default greedily. The
 * models are loaded one after the other. Runs that cannot answer are named, and the others asked.
 *
 * @param runs a complete run, or several
 * @throws {RunError} if no run can answer: there is none, it is not complete, failed or is damaged, or its parameters
 *   were deleted
 * @throws {ModelError} for invalid options, or a request that is longer than a model's context
 * @throws {Interrupted} if the cell is interrupted
 */
export async function ask(runs: Run | readonly Run[], instruction: string, options: AskOptions = {}): Promise<Asked> {
  const {
    input = "",
    maxNewTokens = 128,
    signal = interruptSignal(),
    ...sampling
  } = checkOptions("ask", options, {
    input: aText,
    maxNewTokens: count,
    temperature: aNumber,
    topP: aNumber,
    seed: aNumber,
    signal: abortSignal,
  });
  checkRuns("ask", [runs].flat());
  const answers: RunAnswer[] = [];
  const unable: Asked["unable"] = [];
  for (const run of [runs].flat()) {
    const prompt = requestOf(instruction, input, run.recipe.template);
    const directory = parametersIfAny(run, unable);
    if (directory === undefined) continue;
    const model = loadModel(directory);
    try {
      const { text, ids, finish } = await model.generate(idsOf(prompt, run, model), {
        maxNewTokens,
        signal,
        ...sampling,
      });
      answers.push({ run: run.id, ...factors(run), prompt, text, tokens: ids.length, finish });
    } finally {
      model.dispose();
    }
  }
  if (answers.length === 0)
    throw new RunError(unable[0]?.reason ?? "ask: there is no run to ask; give at least one complete run.");
  return { answers, unable, ...asked([instruction, input].filter(Boolean).join("\n"), answers, unable) };
}

/** The whole request: for a run that was trained on conversations, a user's message and the header of the answer. */
function requestOf(instruction: string, input: string, template: RowTemplate): string {
  if (!isChatTemplate(template)) return renderPrompt({ instruction, input, output: "" }, template).prompt;
  const content = [instruction, input].filter((part) => part !== "").join("\n");
  return renderChat(template, [{ role: "user", content }], { addGenerationPrompt: true });
}

/** A chat template writes the special tokens itself; otherwise the tokenizer adds them. */
const idsOf = (prompt: string, { recipe }: Run, model: CausalLM): number[] =>
  model.needTokenizer().encode(prompt, { addSpecialTokens: !isChatTemplate(recipe.template) });

/** Directory of a run's final model; undefined, and the run named, if it has none. */
function parametersIfAny(run: Run, unable: Asked["unable"]): string | undefined {
  try {
    if (usableRun(run).status !== "complete")
      throw new RunError(`Run ${run.name} is ${run.status}: finish its training before asking it.`);
    return parametersOf(run, "generate an answer");
  } catch (error) {
    if (!(error instanceof PromptlossError)) throw error;
    unable.push({ run: run.name, reason: error.message });
    return undefined;
  }
}

/** The factors in which answers differ, or those that they share. */
function factorsOf(answers: readonly RunAnswer[], answer: RunAnswer, differing: boolean): string {
  const { model, dataset, normalizer, completionWeight, partWeights, variant, seed, plw } = answer;
  const names = {
    ...{ model, dataset, normalizer },
    completionWeight: completionWeight === undefined ? ONLY_VARIANT : `λr ${completionWeight}`,
    partWeights: partWeights === undefined ? ONLY_VARIANT : armName(answer, ["partWeights"]),
    ...{ variant, seed: `seed ${seed}`, plw: `PLW ${plw}` },
  };
  return (Object.keys(names) as (keyof typeof names)[])
    .filter((key) => answers.some((other) => other[key] !== answer[key]) === differing)
    .map((key) => names[key])
    .filter((name) => name !== ONLY_VARIANT)
    .join(" · ");
}

const lengthOf = ({ tokens, finish }: RunAnswer): string => `${tokens} tokens${finish === "length" ? ", cut off" : ""}`;

function asked(question: string, answers: readonly RunAnswer[], unable: Asked["unable"]): Html {
  const border = "border: 1px solid rgba(128, 128, 128, 0.4); padding: 4px 8px; flex: 1 1 200px;";
  const text = "white-space: pre-wrap; overflow-wrap: anywhere;";
  const shared = factorsOf(answers, answers[0], false);
  const cells = answers.map((answer) => {
    const head = `<b>${escapeHtml(factorsOf(answers, answer, true))}</b> <small>${lengthOf(answer)}</small>`;
    const body = escapeHtml(answer.text.trim()) || "<small>(empty)</small>";
    return `<div style="${border}">${head}<div style="${text}" dir="auto">${body}</div></div>`;
  });
  const prompts = distinct(answers.map(({ prompt }) => prompt)).map(
    (prompt) => `<details><summary>whole request</summary><div style="${text}">${escapeHtml(prompt)}</div></details>`,
  );
  return {
    html: [
      `<div style="${text}" dir="auto"><b>${escapeHtml(question)}</b></div>`,
      `<div style="padding: 2px 0;">${escapeHtml(shared)}</div>`,
      `<div style="display: flex; flex-wrap: wrap;">${cells.join("\n")}</div>`,
      ...prompts,
      ...unable.map(({ reason }) => `<div>${escapeHtml(reason)}</div>`),
    ].join("\n"),
    text: [
      visibleText(`${question}\n(${shared})`),
      ...answers.map((answer) => {
        const name = [factorsOf(answers, answer, true), lengthOf(answer)].filter((part) => part !== "").join(", ");
        return visibleText(`${name}:\n${answer.text.trim() || "(empty)"}`);
      }),
      ...unable.map(({ reason }) => reason),
    ].join("\n\n"),
  };
}
