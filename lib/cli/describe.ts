import { readExamples } from "../data/example";
import { areConversations, type Row } from "../data/rows";
import { describeDataset, describeTurns, type DatasetDescription, type TurnDescription } from "../data/statistics";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer";
import { studyRows } from "../sweep/study";
import { loadStudy } from "../sweep/study-file";
import { pathOf, requiredPath, type Answer, type Values } from "./values";

export function run(values: Values): Answer {
  const datasets =
    values.data === undefined
      ? ofStudy(values)
      : {
          [values.data]: described(
            readExamples<Row>(requiredPath(values, "data")),
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

/** A data set's statistics; those of conversations also by turn. */
type Described = DatasetDescription & { turns?: TurnDescription[] };

function described(rows: readonly Row[], tokenizer: Tokenizer): Described {
  const all = describeDataset(rows, tokenizer);
  return areConversations(rows) ? { ...all, turns: describeTurns(rows, tokenizer) } : all;
}

function ofStudy(values: Values): Record<string, Described> {
  const study = loadStudy(pathOf(values, "study"));
  const tokenizer = loadTokenizer(pathOf(values, "tokenizer") ?? Object.values(study.models)[0]);
  const names = values.dataset === undefined ? Object.keys(study.datasets) : [values.dataset];
  return Object.fromEntries(names.map((name) => [name, described(studyRows(study, name), tokenizer)]));
}

function line(
  name: string,
  { rows, instruction, input, completion, totalTokens, generationRatio, turns }: Described,
): string {
  const field = ({ mean, sd }: { mean: number; sd: number }) => `${mean.toFixed(2)} (${sd.toFixed(2)})`;
  const fields = turns
    ? `system and user ${field(instruction)}, results of tools ${field(input)}, assistant ${field(completion)}`
    : `instruction ${field(instruction)}, input ${field(input)}, completion ${field(completion)}`;
  const ratio = `generation ratio ${generationRatio.toFixed(3)}`;
  const byTurn = (turns ?? []).map(
    (turn) =>
      `\n  turn ${turn.turn}: ${turn.rows} rows; before the answer ${field(turn.prompt)}, ` +
      `assistant ${field(turn.completion)}; generation ratio ${turn.generationRatio.toFixed(3)}`,
  );
  return `${name}: ${rows} rows, ${totalTokens} tokens; mean (sd) of ${fields}; ${ratio}${byTurn.join("")}`;
}
