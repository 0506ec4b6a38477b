import { readExamples } from "../data/example";
import { describeDataset, type DatasetDescription } from "../data/statistics";
import { loadTokenizer } from "../data/tokenizer";
import { studyExamples } from "../sweep/study";
import { loadStudy } from "../sweep/study-file";
import { pathOf, requiredPath, type Answer, type Values } from "./values";

export function run(values: Values): Answer {
  const datasets =
    values.data === undefined
      ? ofStudy(values)
      : {
          [values.data]: describeDataset(
            readExamples(requiredPath(values, "data")),
            loadTokenizer(requiredPath(values, "tokenizer")),
          ),
        };
  return {
    text: Object.entries(datasets)
      .map(([name, row]) => line(name, row))
      .join("\n"),
    result: { datasets },
  };
}

function ofStudy(values: Values): Record<string, DatasetDescription> {
  const study = loadStudy(pathOf(values, "study"));
  const tokenizer = loadTokenizer(pathOf(values, "tokenizer") ?? Object.values(study.models)[0]);
  const names = values.dataset === undefined ? Object.keys(study.datasets) : [values.dataset];
  return Object.fromEntries(names.map((name) => [name, describeDataset(studyExamples(study, name), tokenizer)]));
}

function line(
  name: string,
  { rows, instruction, input, completion, totalTokens, generationRatio }: DatasetDescription,
): string {
  const field = ({ mean, sd }: { mean: number; sd: number }) => `${mean.toFixed(2)} (${sd.toFixed(2)})`;
  const fields = `instruction ${field(instruction)}, input ${field(input)}, completion ${field(completion)}`;
  const ratio = `generation ratio ${generationRatio.toFixed(3)}`;
  return `${name}: ${rows} rows, ${totalTokens} tokens; mean (sd) of ${fields}; ${ratio}`;
}
