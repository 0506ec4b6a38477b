// Rows about audits: what the loss will see of a study's data sets, and what is wrong with their rows.
import { AUDIT_KINDS, type AuditKind, type AuditProblem } from "../data/audit/problems";
import { auditOfScan, scanForAudit, type Audit } from "../data/audit/audit";
import { encodeDataset, type EncodedExample } from "../data/encode";
import { groupBy } from "../data/group";
import type { LossWeighting } from "../data/loss-weighting";
import { withoutDefaults } from "../data/part-weights";
import { areConversations, type Row } from "../data/rows";
import type { Tokenizer } from "../data/tokenizer";
import { checkRowsOf } from "./row-schemas";
import { otherWeightsOf, studyChatTemplate, studyRows, variantsOf, type Study } from "../sweep/study";

/** The audit of a data set at one completion weight and one set of part weights. */
export interface AuditRow {
  dataset: string;
  /** the weights beside the PLW, such as "λr 0.5 · end 2"; absent in a study with one set of them */
  weights?: string;
  /** these weights, without a PLW; absent for a data set that is of no study */
  weighting?: Omit<LossWeighting, "plw">;
  audit: Audit;
}

/** Names an audit: its data set, and the weights where there are several sets. */
export const auditName = ({ dataset, weights }: Pick<AuditRow, "dataset" | "weights">): string =>
  weights === undefined ? dataset : `${dataset} · ${weights}`;

/**
 * Audits every data set of a study with each completion weight and set of part weights, as its first set of
 * hyperparameters trains on it, with its first seed.
 * @param names data sets of the study; default: all
 * @throws {DataError} if a data set cannot be read or transformed
 * @throws {StudyError} for an unknown name
 */
export function studyAudits(
  study: Study,
  tokenizer: Tokenizer,
  names: readonly string[] = Object.keys(study.datasets),
): AuditRow[] {
  const { plws, normalizers, turns, seeds } = study;
  const [{ hyperparameters }] = variantsOf(study);
  const { batchSize, microBatchSize } = hyperparameters;
  const epoch = { plws, normalizers, turns, batchSize, microBatchSize, seed: seeds[0] };
  const others = otherWeightsOf(study);
  return names.flatMap((dataset) => {
    const rows = studyRows(study, dataset);
    const scan = scanForAudit(rows, tokenizer, encodeOptions(study, dataset, rows));
    return others.map((weights) => ({
      dataset,
      ...(others.length > 1 && { weights: weightsText(weights) }),
      weighting: withoutDefaults({ ...weights, turns }),
      audit: auditOfScan(scan, { ...epoch, ...weights }),
    }));
  });
}

function weightsText({ completionWeight, partWeights }: ReturnType<typeof otherWeightsOf>[number]): string {
  const parts = Object.entries(partWeights).map(([part, weight]) => `${part} ${weight}`);
  return [`λr ${completionWeight}`, ...parts].join(" · ");
}

const encodeOptions = (study: Study, dataset: string, rows: readonly Row[]) => ({
  maxLength: variantsOf(study)[0].hyperparameters.maxLength,
  template: areConversations(rows) ? studyChatTemplate(study) : study.template,
  truncation: study.truncation,
  dropEmpty: study.dropEmpty,
  name: dataset,
});

/** Problems of one kind in one data set. */
export type AuditProblemRow = {
  /** data set, with its weights where there are several sets */
  dataset: string;
  kind: AuditKind;
  /** what is wrong with such rows */
  problem: string;
  /** number of problems of this kind */
  count: number;
  /** whether the loss does not see, or sees otherwise, what the rows were to teach */
  losesLearning: boolean;
  /** indices of the first rows, from 0 */
  rows: string;
};

/** Number of rows whose indices are listed. */
const LISTED_ROWS = 8;

/** The problems of audits by data set and kind; [] if there are none. */
export function auditProblemRows(audits: readonly AuditRow[]): AuditProblemRow[] {
  checkRowsOf("auditProblemRows", "audit", audits);
  return audits.flatMap((row) =>
    [...groupBy(row.audit.problems, ({ kind }) => kind)].map(([kind, found]) => ({
      dataset: auditName(row),
      kind: kind as AuditKind,
      problem: AUDIT_KINDS[kind as AuditKind].meaning,
      count: found.length,
      losesLearning: found[0].losesLearning,
      rows: firstRows(found),
    })),
  );
}

/** "3, 17, …", or "all" for a problem of the template. */
function firstRows(problems: readonly AuditProblem[]): string {
  const rows = [...new Set(problems.flatMap(({ row }) => row ?? []))];
  if (rows.length === 0) return "all";
  return rows.slice(0, LISTED_ROWS).join(", ") + (rows.length > LISTED_ROWS ? ", …" : "");
}

/** A row with a problem, as it is trained on. */
export interface AuditExample {
  example: EncodedExample;
  /** the weights beside the PLW that the problem was found with */
  weighting: Omit<LossWeighting, "plw">;
  /** data set, row and problem */
  caption: string;
}

/**
 * Encodes the first row of each kind of problem in each data set, to be shown token by token. Rows that cannot be
 * encoded are left out.
 * @param atMost number of examples
 */
export function auditExamples(
  study: Study,
  audits: readonly AuditRow[],
  tokenizer: Tokenizer,
  atMost = 4,
): AuditExample[] {
  const found = audits.flatMap(({ dataset, weighting = {}, audit: { problems } }) =>
    problems
      .filter(({ row, kind }) => row !== undefined && kind !== "refused")
      .map((problem) => ({ dataset, weighting, ...problem })),
  );
  const firsts = [...groupBy(found, ({ dataset, kind }) => JSON.stringify([dataset, kind])).values()].map(
    ([first]) => first,
  );
  return firsts.slice(0, atMost).map(({ dataset, weighting, row, kind, problem }) => {
    const rows = studyRows(study, dataset);
    const { maxLength, template } = encodeOptions(study, dataset, rows);
    const { examples } = encodeDataset([rows[row!]], tokenizer, { maxLength, template });
    return {
      example: { ...examples[0], row: row! },
      weighting,
      caption: `${dataset}, row ${row}: ${kind}: ${problem}`,
    };
  });
}
