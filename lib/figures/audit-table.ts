import { auditName, type AuditRow } from "../analysis/audit-rows";
import { checkRowsOf } from "../analysis/row-schemas";
import { distinct } from "../data/group";
import { plwLabel } from "../data/prompt-loss-weight";
import { dataFrame } from "./data-frame";
import type { Row } from "./figure";
import type { Table } from "./table";

/** Number of prompt loss weights that the printed table has columns for. */
const PRINTED_PLWS = 6;

/**
 * Builds the table of an audit: tokens by part, and the share of each in the loss at every prompt loss weight. The
 * printed table is about the first normalizer and has at most six weights; the CSV file has all.
 *
 * @param audits from `studyAudits`
 */
export function auditTable(audits: readonly AuditRow[]): Table {
  checkRowsOf("auditTable", "audit", audits);
  const [normalizer = "weights"] = distinct(
    audits.flatMap(({ audit }) => audit.shares.map((share) => share.normalizer)),
  );
  const plws = printed(distinct(audits.flatMap(({ audit }) => audit.shares.map(({ plw }) => plw))));
  const parts = audits.flatMap((row) =>
    row.audit.parts.map((part) => ({ dataset: auditName(row), audit: row.audit, ...part })),
  );
  return {
    name: "audit",
    frame: dataFrame(
      parts.map(({ dataset, audit, part, role, tokens, share }) => ({
        Dataset: dataset,
        Part: part,
        Role: role,
        Tokens: tokens.toLocaleString("en-US"),
        "Tokens (%)": percent(share),
        ...Object.fromEntries(
          plws.map((plw) => [
            `PLW ${plwLabel(plw)} (%)`,
            percent(
              audit.shares.find(
                (entry) =>
                  entry.plw === plw && entry.normalizer === normalizer && entry.part === part && entry.role === role,
              )?.share,
            ),
          ]),
        ),
      })),
    ),
    rows: audits.flatMap(({ dataset, weights, audit }) =>
      audit.shares.map(({ plw, normalizer, part, role, share }): Row => {
        const counted = audit.parts.find((entry) => entry.part === part && entry.role === role)!;
        return {
          dataset,
          ...(weights !== undefined && { weights }),
          part,
          role,
          tokens: counted.tokens,
          tokenShare: counted.share,
          normalizer,
          plw,
          lossShare: share,
        };
      }),
    ),
    caption:
      "What the loss sees: predicted tokens by part, their share of all predicted tokens, and their share of the loss " +
      `at each prompt loss weight (PLW) under the normalizer ${normalizer}, if every token had the same cross entropy. ` +
      `${audits.map(lossOfRows).join(" ")}`.trim(),
  };
}

/** The share as per cent with one decimal; nothing where no token has a weight. */
const percent = (share = NaN): string => (Number.isNaN(share) ? "" : (100 * share).toFixed(1));

/** All weights, or some from the smallest to the largest. */
function printed(plws: readonly number[]): number[] {
  const sorted = [...plws].sort((a, b) => a - b);
  if (sorted.length <= PRINTED_PLWS) return sorted;
  return Array.from(
    { length: PRINTED_PLWS },
    (_, i) => sorted[Math.round((i * (sorted.length - 1)) / (PRINTED_PLWS - 1))],
  );
}

/** Says how many rows lose something. */
function lossOfRows(row: AuditRow): string {
  const { rows, problems } = row.audit;
  const losing = new Set(problems.flatMap(({ row, losesLearning }) => (losesLearning ? (row ?? []) : [])));
  return `${auditName(row)}: ${losing.size.toLocaleString("en-US")} of ${rows.toLocaleString("en-US")} rows lose learning.`;
}
