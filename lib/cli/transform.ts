import { readExamples } from "../data/example";
import { loadTokenizer } from "../data/tokenizer";
import { describeDataset } from "../data/statistics";
import { generationRatioPlan, invertLongCompletions, toGenerationRatio } from "../data/transforms";
import { writeFileAtomic } from "../runs/files";
import { numberOf, requiredPath, type Answer, type Values } from "./values";

export function run(values: Values): Answer {
  const examples = readExamples(requiredPath(values, "data"));
  const tokenizer = loadTokenizer(requiredPath(values, "tokenizer"));
  const out = requiredPath(values, "out");
  const target = numberOf(values, "target");
  const seed = numberOf(values, "seed") ?? 42;
  const result =
    target === undefined
      ? invertLongCompletions(examples, tokenizer)
      : toGenerationRatio(examples, target, tokenizer, { seed });
  const rule =
    target === undefined
      ? "long completions inverted"
      : generationRatioPlan(examples, target, tokenizer, { seed }).description;
  writeFileAtomic(out, `${JSON.stringify(result, null, 1)}\n`);
  const { generationRatio } = describeDataset(result, tokenizer);
  return {
    text: `${out}: ${result.length} rows, generation ratio ${generationRatio.toFixed(3)} (${rule})`,
    result: { out, rows: result.length, generationRatio, rule },
  };
}
