import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { encodeDataset, TRUNCATIONS } from "../data/encode";
import { loadChatTemplate } from "../data/chat-template";
import { DataError } from "../data/errors";
import { readExamples } from "../data/example";
import { completionUnder, tokenWeights, TURNS, type LossWeighting } from "../data/loss-weighting";
import { impossibleParts } from "../data/part-weights";
import { plwSchema } from "../data/prompt-loss-weight";
import { areConversations, type Row } from "../data/rows";
import { loadTokenizer } from "../data/tokenizer";
import { wholeNumber } from "../data/validate";
import { parquetBytes } from "../export/parquet";
import { toolRows } from "../export/tool-rows";
import { patternOf, type WeightedRow } from "../export/tool-rule";
import { toolSettings, type ToolSettings } from "../export/tool-settings";
import { TOOL_NORMALIZERS, TOOLS, type Tool } from "../export/tools";
import { writeFileAtomic } from "../runs/files";
import { ALPACA_HYPERPARAMETERS } from "../runs/hyperparameters";
import {
  countOf,
  nameOf,
  numberOf,
  partWeightsOf,
  pathOf,
  required,
  requiredPath,
  UsageError,
  type Answer,
  type Values,
} from "./values";

/** Says how another tool computes a loss; with --data also writes the rows. Fails if the tool cannot. */
export function run(values: Values): Answer {
  required(values, "for");
  const tool = nameOf(values, "for", TOOLS)!;
  const weighting = weightingOf(values);
  const normalizer = nameOf(values, "normalizer", TOOL_NORMALIZERS) ?? TOOL_NORMALIZERS[0];
  const batchSize = countOf(values, "batch-size");
  if (values.data === undefined) {
    for (const name of ONLY_WITH_DATA)
      if (values[name] !== undefined) throw new UsageError(`--${name}: goes with --data, whose rows are written.`);
    return answerOf(toolSettings(tool, weighting, normalizer, { batchSize }));
  }
  const tokenizer = loadTokenizer(requiredPath(values, "model"));
  const rows = rowsOf(values, weighting, tokenizer);
  const settings = toolSettings(tool, weighting, normalizer, { batchSize, pattern: patternOf(rows) });
  if (!settings.expressible) return answerOf(settings);
  const written = toolRows(tool, rows, normalizer, { tokenizer, batchSize });
  const stem = join(requiredPath(values, "out"), tool);
  const files = writeRows(tool, stem, written);
  const { rounding, rowsWithoutWeight } = written;
  return answerOf(settings, { stem, files, rows: rows.length, rounding, rowsWithoutWeight });
}

/** Options that say how rows are read and written. */
const ONLY_WITH_DATA = ["model", "chat-template", "max-length", "truncation", "out"];

function weightingOf(values: Values): LossWeighting {
  required(values, "plw");
  const completionWeight = numberOf(values, "completion-weight", plwSchema);
  const turns = nameOf(values, "turns", TURNS);
  const partWeights = partWeightsOf(values);
  return {
    plw: numberOf(values, "plw", plwSchema)!,
    ...(completionWeight !== undefined && { completionWeight }),
    ...(partWeights && { partWeights }),
    ...(turns === "last" && { turns }),
  };
}

/** Rows with the weights of their tokens. */
function rowsOf(values: Values, weighting: LossWeighting, tokenizer: ReturnType<typeof loadTokenizer>): WeightedRow[] {
  const data = requiredPath(values, "data");
  const file = pathOf(values, "chat-template");
  const rows = readExamples<Row>(data);
  checkKind(data, rows, weighting, file);
  const { examples } = encodeDataset(rows, tokenizer, {
    maxLength: numberOf(values, "max-length", wholeNumber(2)) ?? ALPACA_HYPERPARAMETERS.maxLength,
    truncation: nameOf(values, "truncation", TRUNCATIONS),
    ...(file !== undefined && { template: loadChatTemplate(requiredPath(values, "model"), { file }) }),
    name: data,
  });
  return examples.map((example) => ({
    ids: example.ids,
    weights: tokenWeights(example, weighting),
    completion: completionUnder(example, weighting.turns),
  }));
}

/** @throws {DataError} for a chat template or weights of parts that the rows cannot have */
function checkKind(
  data: string,
  rows: readonly Row[],
  { partWeights = {} }: LossWeighting,
  chatTemplate?: string,
): void {
  const isChat = areConversations(rows);
  if (!isChat && chatTemplate !== undefined)
    throw new DataError(`${data}: the rows are in Alpaca's format, and --chat-template is for conversations`);
  const impossible = impossibleParts(partWeights, isChat ? "conversations" : "alpaca");
  if (impossible.length > 0)
    throw new DataError(
      `${data}: no token of its rows is of the part ${impossible.join(", ")}, which --part-weight gives a weight`,
    );
}

/** Writes rows as JSON Lines and as Parquet. @returns the paths */
function writeRows(tool: Tool, stem: string, { rows, columns }: ReturnType<typeof toolRows>): string[] {
  mkdirSync(join(stem, ".."), { recursive: true });
  const files = [`${stem}.jsonl`, `${stem}${tool === "megatron-bridge" ? ".idx" : ""}.parquet`];
  writeFileAtomic(files[0], rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  writeFileAtomic(files[1], parquetBytes(rows, columns));
  return files;
}

/** Paths of the files of rows, and what was found in them. */
interface Written {
  stem: string;
  files: string[];
  rows: number;
  rounding: number;
  rowsWithoutWeight: number[];
}

function answerOf(settings: ToolSettings, written?: Written): Answer {
  const { title, version, read, source, dividesBy, expressible, because, nearest, elsewhere } = settings;
  const typed = (lines: readonly string[]) =>
    lines.map((line) => `  ${line.replaceAll("FILE", written?.stem ?? "FILE")}`);
  const holding = (conditions: readonly string[]) => conditions.map((condition) => `Needs: ${condition}`);
  const can = expressible
    ? [
        `${title} computes the loss ${lossInWords(settings)}:`,
        ...typed(settings.lines),
        ...holding(settings.conditions),
      ]
    : [
        `${title} cannot compute the loss ${lossInWords(settings)}: ${because}.`,
        `Nearest: ${lossInWords(nearest!)}: ${nearest!.change}.`,
        ...typed(nearest!.lines),
        ...holding(nearest!.conditions),
        ...(elsewhere.length > 0 ? [`Tools that can: ${elsewhere.join(", ")}`] : []),
      ];
  return {
    text: [
      ...can,
      ...(written ? [`${written.files.join(", ")}: ${written.rows} rows${notesOf(written)}`] : []),
      `${title} ${version} divides by ${dividesBy} (read on ${read}: ${source})`,
    ].join("\n"),
    result: { ...settings, ...written },
    failed: !expressible,
  };
}

function notesOf({ rounding, rowsWithoutWeight }: Written): string {
  const without = rowsWithoutWeight.length > 0 ? `, ${rowsWithoutWeight.length} without any weight` : "";
  return `${without}${rounding > 0 ? `; whole numbers differ from the weights by at most ${rounding.toPrecision(2)} of them` : ""}`;
}

function lossInWords({ weighting, normalizer }: Pick<ToolSettings, "weighting" | "normalizer">): string {
  const { plw, completionWeight, partWeights = {}, turns } = weighting;
  const parts = Object.entries(partWeights).map(([part, weight]) => `${part} ${weight}`);
  return [
    `PLW ${plw}`,
    ...(completionWeight === undefined ? [] : [`completion weight ${completionWeight}`]),
    ...parts,
    ...(turns === "last" ? ["last answer only"] : []),
    `normalizer ${normalizer}`,
  ].join(", ");
}
