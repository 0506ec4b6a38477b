// The summary of a report: what was asked, and what the study answers, each answer led by the reasons to doubt it.
import { H0, H1 } from "../analysis/hypothesis";
import { recommendWeight } from "../analysis/recommendation";
import { weightMaps } from "../analysis/weight-map";
import { criticalWeightRows } from "../analysis/table-rows";
import type { StudyResults } from "../analysis/study-results";
import { plwLabel } from "../data/prompt-loss-weight";
import { claimsTable } from "../figures/claims-table";
import { markup, tableHtml, type Markup } from "./report-html";
import type { Section } from "./report-page";

/** The verdicts on the hypotheses, the recommended weights and the claims of section 5.1. */
export function summarySection(results: StudyResults): Section {
  return {
    id: "summary",
    title: "Summary",
    parts: [
      { id: "hypotheses", title: "Does the score depend on the weight?" },
      { id: "recommendations", title: "Which weight is recommended?" },
      { id: "claims", title: "The paper's claims" },
    ],
    content: markup`<h3 id="hypotheses">Does the score depend on the weight?</h3>
      ${hypotheses(results)}
      <h3 id="recommendations">Which weight is recommended?</h3>
      ${recommendations(results)}
      <h3 id="claims">The paper's claims</h3>
      ${claims(results)}`,
  };
}

function hypotheses({ tests }: StudyResults): Markup {
  if (tests.length === 0) return markup`<p>Nothing can be tested: there are no scores.</p>`;
  const lambdas = criticalWeightRows(tests).slice(0, tests.length);
  const severalArms = tests.some(({ arm }) => arm !== "");
  return markup`<p>
      H0: ${H0}. H1: ${H1}. One beta regression per data set${severalArms ? " and arm" : ""}, with a
      joint Wald test of both slopes at α = 0.05. Scores are min-max transformed within each data set and benchmark.
    </p>
    ${tests.map(({ trust, verdict }) => verdictHtml(trust, verdict))}
    <p>The critical weight λ is the weight with the highest predicted score.</p>
    ${tableHtml(
      ["Data set", ...(severalArms ? ["Arm"] : []), "How far to trust the fit", "H0", "λ", "95 % interval of λ"],
      tests.map(({ dataset, arm, trust, rejected }, i) => [
        dataset,
        ...(severalArms ? [arm] : []),
        trust,
        rejected === null ? "not tested" : rejected ? "rejected" : "not rejected",
        weight(lambdas[i].lambda),
        interval(lambdas[i]),
      ]),
    )}`;
}

const verdictHtml = (trust: string, text: string): Markup =>
  markup`<div class="verdict" data-trust="${trust}">
    <p>${text}</p>
  </div> `;

const weight = (plw: number | null): string => (plw === null ? "" : plw.toFixed(3));

const interval = ({ lower, upper }: { lower: number | null; upper: number | null }): string =>
  lower === null || upper === null ? "none: the data do not bound it" : `${weight(lower)} to ${weight(upper)}`;

function recommendations({ study, rows: scores, ratioFits, datasets }: StudyResults): Markup {
  const rows = ratioFits.flatMap((ratioFit) => {
    const { fit, group, arm } = ratioFit;
    if (!fit) return [];
    return datasets.map(({ dataset, generationRatio }) => {
      const {
        trust,
        reasons,
        weight: best,
        interval,
      } = recommendWeight(fit, generationRatio, { assessment: ratioFit });
      return [
        `${trust}${reasons.length > 0 ? `: ${reasons.join("; ")}` : ""}`,
        arm === "" ? group : `${group} (${arm})`,
        dataset,
        generationRatio.toFixed(3),
        weight(best.plw),
        `${weight(interval.lower.plw)} to ${weight(interval.upper.plw)}`,
      ];
    });
  });
  return markup`<p>
      A smooth surface over the weight and the generation ratio R_g (completion tokens over prompt tokens) for all
      benchmarks (All), multiple choice (MC) and generation without translation (Gen).
    </p>
    ${ratioFits.map(({ trust, summary }) => verdictHtml(trust, summary))}
    ${
      rows.length === 0
        ? markup`<p>No weight can be recommended: no surface could be fitted.</p>`
        : tableHtml(
            ["How far to trust it", "Benchmarks", "Data set", "R_g", "Recommended weight", "95 % of posterior draws"],
            rows,
          )
    }
    ${(study.completionWeights ?? []).length > 1 ? bothWeights(scores) : ""}`;
}

/** The best pairs of PLW and completion weight. */
function bothWeights(scores: StudyResults["rows"]): Markup {
  const { maps, summary } = weightMaps(scores, { byModel: false });
  return markup`<p>
      The best pair of PLW and completion weight λr, of those that were trained, with 95 % intervals over benchmarks;
      models are averaged. Figure weight-map shows each model.
    </p>
    ${maps.length === 0 ? markup`<p>${summary}</p>` : maps.map((map) => verdictHtml(map.trust, map.summary))}`;
}

function claims({ claims: found }: StudyResults): Markup {
  if (found.length === 0) return markup`<p>There are no scores to which the claims of section 5.1 apply.</p>`;
  const { frame, caption } = claimsTable(found);
  return markup`${tableHtml(frame.columns, frame.values as string[][])}
    <p class="caption">${caption}</p>`;
}

/** What the study asks and how large it is, for the head of the page. */
export function questionHtml({ study, runs, scores }: StudyResults, wanted: number): Markup {
  const { models, datasets, plws, normalizers, variants = {}, seeds, tasks } = study;
  const { completionWeights = [1], partWeights = [{}] } = study;
  const factors = [
    countOf(Object.keys(models).length, "model"),
    countOf(Object.keys(datasets).length, "data set"),
    countOf(plws.length, "prompt loss weight"),
    ...(normalizers.length > 1 ? [countOf(normalizers.length, "normalizer")] : []),
    ...(completionWeights.length > 1 ? [countOf(completionWeights.length, "completion weight")] : []),
    ...(partWeights.length > 1 ? [`${partWeights.length} sets of part weights`] : []),
    ...(Object.keys(variants).length > 1 ? [countOf(Object.keys(variants).length, "variant")] : []),
    ...(seeds.length > 1 ? [countOf(seeds.length, "seed")] : []),
  ];
  return markup`<div class="question">
    <p><strong>How much should the prompt count in the loss when a language model is instruction-tuned?</strong></p>
    <p>
      The prompt loss weight (PLW) is the weight of prompt tokens in the training loss, where completion tokens have
      weight 1${completionWeights.length > 1 ? " or the completion weight λr" : ""}. This study crosses ${factors.join(", ")}: PLW ${plws.map((plw) => plwLabel(plw)).join(", ")}.
      ${runs.length} of ${countOf(wanted, "run")} are complete, and ${scores.length} of them have scores on the study's
      ${countOf(tasks.length, "task")}.
    </p>
  </div>`;
}

/** For example "1 run", "2 runs". */
export const countOf = (count: number, name: string): string => `${count} ${name}${count === 1 ? "" : "s"}`;
