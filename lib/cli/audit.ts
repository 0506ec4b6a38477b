import { basename } from "node:path";
import { auditName, auditProblemRows, studyAudits, type AuditProblemRow, type AuditRow } from "../analysis/audit-rows";
import { auditDataset } from "../data/audit/audit";
import { AUDIT_KINDS, type AuditKind } from "../data/audit/problems";
import { loadChatTemplate } from "../data/chat-template";
import { DataError } from "../data/errors";
import { TURNS } from "../data/loss-weighting";
import { normalizerSchema } from "../data/normalizer";
import { plwSchema } from "../data/prompt-loss-weight";
import { parseJson } from "../data/read-json";
import { readRowValues } from "../data/read-rows";
import { loadTokenizer } from "../data/tokenizer";
import { listOf, oneOf, text, validated, wholeNumber } from "../data/validate";
import { visibleText } from "../data/visible-text";
import { tableText } from "../notebook/show-table";
import { ALPACA_HYPERPARAMETERS } from "../runs/hyperparameters";
import { studyTokenizer } from "../sweep/study";
import { loadStudy } from "../sweep/study-file";
import { nameOf, numberOf, partWeightsOf, pathOf, requiredPath, UsageError, type Answer, type Values } from "./values";

/** Audits data before any training; fails if rows lose learning by a kind of problem that is not allowed. */
export async function run(values: Values): Promise<Answer> {
  const kinds = Object.keys(AUDIT_KINDS) as AuditKind[];
  const allowed = listed(values, "allow", (names) => validated(listOf(oneOf(kinds)), names, "--allow", UsageError));
  const audits = values.data === undefined ? ofStudy(values) : [ofFile(values)];
  const problems = auditProblemRows(audits);
  const failing = problems.filter(({ kind, losesLearning }) => losesLearning && !allowed?.includes(kind));
  const files = await written(audits, pathOf(values, "out"));
  return {
    text: [...audits.map((row) => paragraph(row, problems)), verdict(failing), ...(files ? [files.csv] : [])].join(
      "\n",
    ),
    result: {
      datasets: Object.fromEntries(audits.map((row) => [auditName(row), row.audit])),
      failing: failing.map(({ dataset, kind, count }) => ({ dataset, kind, count })),
      ...(files && { files }),
    },
    failed: failing.length > 0,
  };
}

function ofStudy(values: Values): AuditRow[] {
  for (const name of ONLY_WITH_DATA)
    if (values[name] !== undefined) throw new UsageError(`--${name}: goes with --data; a study names its own.`);
  const study = loadStudy(pathOf(values, "study"));
  return studyAudits(study, studyTokenizer(study), values.dataset === undefined ? undefined : [values.dataset]);
}

/** Options that a study's file has instead. */
const ONLY_WITH_DATA = [
  "model",
  "chat-template",
  "plws",
  "normalizers",
  "max-length",
  "completion-weight",
  "part-weight",
  "turns",
  "markers",
];

/** Options that choose among a study's data sets. */
const ONLY_WITH_STUDY = ["study", "dataset"];

function ofFile(values: Values): AuditRow {
  for (const name of ONLY_WITH_STUDY)
    if (values[name] !== undefined) throw new UsageError(`--${name}: is about a study's data sets, not about --data.`);
  const data = requiredPath(values, "data");
  const model = requiredPath(values, "model");
  const chatTemplate = pathOf(values, "chat-template");
  const rows = readRowValues(data);
  if (rows.length === 0) throw new DataError(`${data}: the file has no rows`);
  const audit = auditDataset(rows, loadTokenizer(model), {
    maxLength: numberOf(values, "max-length", wholeNumber(2)) ?? ALPACA_HYPERPARAMETERS.maxLength,
    batchSize: ALPACA_HYPERPARAMETERS.batchSize,
    microBatchSize: ALPACA_HYPERPARAMETERS.microBatchSize,
    name: data,
    ...given({
      template: chatTemplate === undefined ? undefined : loadChatTemplate(model, { file: chatTemplate }),
      plws: listed(values, "plws", (texts) => texts.map((plw) => numberOf({ plws: plw }, "plws", plwSchema)!)),
      normalizers: listed(values, "normalizers", (names) =>
        validated(listOf(normalizerSchema), names, "--normalizers", UsageError),
      ),
      completionWeight: numberOf(values, "completion-weight", plwSchema),
      partWeights: partWeightsOf(values),
      turns: nameOf(values, "turns", TURNS),
      markers:
        values.markers === undefined
          ? undefined
          : validated(listOf(text), parseJson(values.markers, "--markers"), "--markers", UsageError),
    }),
  });
  return { dataset: basename(data), audit };
}

/** Values separated by commas; undefined where the option is not given. */
function listed<T>(values: Values, name: string, read: (texts: string[]) => T[]): T[] | undefined {
  return values[name] === undefined ? undefined : read(values[name].split(",").map((entry) => entry.trim()));
}

/** The entries that are given. */
const given = <T extends object>(entries: T): Partial<T> =>
  Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as Partial<T>;

/** Writes the table; loads danfo.js, which takes a second, only then. */
async function written(audits: readonly AuditRow[], out: string | undefined) {
  if (out === undefined) return undefined;
  const [{ exportTable }, { auditTable }] = await Promise.all([
    import("../export/tables"),
    import("../figures/audit-table"),
  ]);
  return exportTable(auditTable(audits), out);
}

/** Rows, tokens by part with their share of the loss, the longest rows and the problems of one data set. */
function paragraph(audited: AuditRow, problems: readonly AuditProblemRow[]): string {
  const { rows, trained, tokens, parts, shares, longest } = audited.audit;
  const name = auditName(audited);
  const settings = shares.filter(({ part, role }) => part === parts[0]?.part && role === parts[0]?.role);
  const columns = settings.map(({ plw, normalizer }) => `${plw} ${normalizer}`);
  const percent = (share: number): string => (Number.isNaN(share) ? "" : `${(100 * share).toFixed(1)} %`);
  const values = parts.map(({ part, role, tokens, share }) => [
    `${part}, ${role}`,
    String(tokens),
    percent(share),
    ...shares.filter((entry) => entry.part === part && entry.role === role).map((entry) => percent(entry.share)),
  ]);
  const own = problems.filter((problem) => problem.dataset === name);
  return [
    `${visibleText(name)}: ${rows} rows, ${trained} trained on, ${tokens} tokens; share of the loss by PLW and normalizer:`,
    tableText({ columns: ["part", "tokens", "of all", ...columns], values }),
    `longest rows: ${longest.map(({ row, tokens }) => `${row} (${tokens} tokens)`).join(", ")}`,
    ...own.map(({ kind, count, problem, losesLearning, rows }) => {
      return `${losesLearning ? "!" : "-"} ${kind}: ${count}: ${problem}: row ${rows}`;
    }),
  ].join("\n");
}

function verdict(failing: readonly AuditProblemRow[]): string {
  if (failing.length === 0) return "No row loses learning.";
  const kinds = [...new Set(failing.map(({ kind }) => kind))];
  return `Rows lose learning (${kinds.join(", ")}); --allow accepts kinds of problem.`;
}
