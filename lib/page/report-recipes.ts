// How the runs of a report were made: the study's content in words, and what the runs' records say of the machine.
import { benchmarkOfRequest } from "../analysis/benchmarks";
import { originRows } from "../analysis/dataset-rows";
import { formatBytes } from "../data/format-bytes";
import { distinct, groupBy } from "../data/group";
import { partWeightsLabel } from "../data/part-weights";
import { plwLabel } from "../data/prompt-loss-weight";
import { isChatTemplate, type NamedChatTemplate, type RowTemplate } from "../data/row-template";
import type { PromptTemplate } from "../data/template";
import { isObject } from "../data/validate";
import type { TaskRequest } from "../evaluate/task-request";
import type { DatasetSource } from "../runs/dataset-source";
import type { Run } from "../runs/store";
import { studyTokenizer, type Study } from "../sweep/study";
import { markup, tableHtml, type Content, type Markup } from "./report-html";
import type { Section } from "./report-page";
import { countOf } from "./report-summary";
import { shownPath } from "./without-paths";

/** What the study file says, in words. */
export function recipesSection(study: Study, runs: readonly Run[]): Section {
  return {
    id: "recipes",
    title: "Recipes",
    content: markup`<h3>Models</h3>
      ${modelsTable(study, runs)}
      <h3>Data sets</h3>
      ${datasetsTable(study)}
      <h3>Training</h3>
      ${facts(trainingFacts(study))} ${hyperparametersTable(study)}
      ${templates(study, runs)}
      <h3>Tasks</h3>
      ${tasksTable(study)}`,
  };
}

/** The templates of the runs; those that the study names if there is no run. */
function templates({ template, chatTemplate }: Study, runs: readonly Run[]): Markup[] {
  const named = chatTemplate ? [chatTemplate] : [template];
  const used = runs.length === 0 ? named : runs.map(({ recipe }) => withoutSpecialTokens(recipe.template));
  return distinct(used.map((each) => JSON.stringify(each))).map((json) => {
    const template = JSON.parse(json) as PromptTemplate | NamedChatTemplate;
    if (isChatTemplate(template)) {
      return markup`<h3>Chat template “${template.name}”</h3>
        <pre>${template.jinja}</pre>
        ${template.toolUse === undefined ? [] : [markup`<p>For conversations with tools:</p>`, markup`<pre>${template.toolUse}</pre>`]}`;
    }
    return markup`<h3>Prompt template “${template.name}”</h3>
      <p>For rows with an input:</p>
      <pre>${template.withInput}</pre>
      <p>For rows without one:</p>
      <pre>${template.withoutInput}</pre>`;
  });
}

/** A template without the special tokens, which differ between models. */
function withoutSpecialTokens(template: RowTemplate): PromptTemplate | NamedChatTemplate {
  if (!isChatTemplate(template)) return template;
  const { name, jinja, toolUse, date } = template;
  return { name, jinja, ...(toolUse !== undefined && { toolUse }), ...(date !== undefined && { date }) };
}

const NOT_STATED = "not stated";

function modelsTable({ models, licenses = {} }: Study, runs: readonly Run[]): Markup {
  return tableHtml(
    ["Model", "Directory", "License", "Digest of the parameters before training"],
    Object.entries(models).map(([name, dir]) => [
      name,
      shownPath(dir),
      licenses[name] ?? NOT_STATED,
      distinct(runs.filter(({ recipe }) => recipe.model.name === name).map(({ recipe }) => recipe.model.digest))
        .map((digest) => digest.slice(0, 16))
        .join(", "),
    ]),
  );
}

function datasetsTable(study: Study): Markup {
  const { datasets, licenses = {} } = study;
  return tableHtml(
    ["Data set", "Made from", "How", "Rows", "R_g", "License"],
    originRows(study, studyTokenizer(study)).map(({ dataset, made, rows, generationRatio }) => [
      dataset,
      sourceInWords(datasets[dataset], datasets),
      made,
      rows,
      generationRatio.toFixed(3),
      licenses[dataset] ?? NOT_STATED,
    ]),
  );
}

function sourceInWords(source: DatasetSource, datasets: Study["datasets"]): string {
  if ("path" in source) return shownPath(source.path);
  if ("examples" in source) return `${countOf(source.examples.length, "row")} in memory`;
  const key = JSON.stringify(source.from);
  const parent = Object.entries(datasets).find(([, other]) => JSON.stringify(other) === key);
  return parent ? parent[0] : sourceInWords(source.from, datasets);
}

function trainingFacts(study: Study) {
  const { plws, completionWeights, partWeights, turns, normalizers, seeds } = study;
  const { truncation, dropEmpty, heldout, threads, judge } = study;
  return {
    "Prompt loss weights": plws.map((plw) => plwLabel(plw)).join(", "),
    ...(completionWeights && { "Completion weights (λr)": completionWeights.join(", ") }),
    ...(partWeights && {
      "Weights of parts": partWeights.map((weights) => partWeightsLabel(weights) || "none").join("; "),
    }),
    ...(turns && { "Answers that count as completion": turns }),
    Normalizers: normalizers.join(", "),
    Seeds: seeds.join(", "),
    "Rows longer than the maximum": `${truncation}${dropEmpty ? "; left out if no completion remains" : ""}`,
    "Held-out rows": heldout === undefined ? "none" : shownPath(heldout),
    Threads: threads === undefined ? "by the size of the model" : String(threads),
    Judge: judge ? judge.model : "the one that the environment names, or the tasks' own",
  };
}

function hyperparametersTable({ hyperparameters, variants = {} }: Study): Markup {
  const named = Object.entries(variants);
  const sets = named.length === 0 ? [["all runs", {}] as const] : named;
  const keys = distinct([hyperparameters, ...sets.map(([, changes]) => changes)].flatMap((set) => Object.keys(set)));
  const shown = (value: unknown): string => {
    if (isObject(value)) return Object.entries(value).map(([name, part]) => `${name} ${String(part)}`).join(", "); // prettier-ignore
    return value === null ? "none" : value === undefined ? "" : String(value);
  };
  return tableHtml(
    ["Hyperparameter", ...sets.map(([name]) => name)],
    keys.map((key) => [
      key,
      ...sets.map(([, changes]) => shown(({ ...hyperparameters, ...changes } as Record<string, unknown>)[key])),
    ]),
  );
}

function tasksTable({ tasks }: Study): Markup {
  if (tasks.length === 0) return markup`<p>None.</p>`;
  return tableHtml(
    ["Benchmark", "Task", "Type", "Metric", "Settings of the study"],
    tasks.map((request) => {
      const { name, type, metrics } = benchmarkOfRequest(request);
      return [name, request.name, type ?? "", metrics[0], settingsOf(request) || "the task's own"];
    }),
  );
}

function settingsOf({ shots, limit, format, maxNewTokens, own }: TaskRequest): string {
  const settings = Object.entries({ shots, limit, format, maxNewTokens })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${value}`);
  return [...(own ? [`own task on ${shownPath(own.data)}`] : []), ...settings].join(", ");
}

/** Versions, machines and times from the runs' records. */
export function provenanceSection(runs: readonly Run[]): Section {
  return {
    id: "provenance",
    title: "Provenance",
    content:
      runs.length === 0
        ? markup`<p>No run is complete.</p>`
        : markup`${facts(times(runs))} ${machines(runs)}
            <p class="quiet">
              Every run keeps its recipe, its losses at every step and its scores under its id in the run store; the
              same recipe on the same kind of machine gives the same parameters.
            </p>`,
  };
}

function times(runs: readonly Run[]): Record<string, string> {
  const attempts = runs.flatMap(({ record }) => record.attempts);
  const started = attempts.map((attempt) => attempt.started).sort();
  const ended = attempts.flatMap((attempt) => attempt.ended ?? []).sort();
  const total = (value: (run: Run) => number | undefined): number =>
    runs.reduce((sum, run) => sum + (value(run) ?? 0), 0);
  const continued = runs.filter(({ record }) => record.attempts.length > 1).length;
  return {
    "First run started": minuteOf(started[0]),
    "Last run ended": minuteOf(ended[ended.length - 1]),
    "Time in training steps": `${duration(total(({ record }) => record.seconds))}, summed over all runs`,
    "Tokens trained on": total(({ record }) => record.tokens).toLocaleString("en-US"),
    "Largest memory of a process": formatBytes(Math.max(...runs.map(({ record }) => record.peakMemory ?? 0))),
    "Interrupted and continued": countOf(continued, "run"),
  };
}

const minuteOf = (time: string | undefined): string =>
  time === undefined ? "unknown" : `${time.slice(0, 16).replace("T", " ")} UTC`;

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** One column per combination of software and machine. */
function machines(runs: readonly Run[]): Markup {
  const groups = [...groupBy(runs, ({ record }) => JSON.stringify(record.provenance)).values()];
  const columns = groups.map((group) => {
    const { provenance: p } = group[0].record;
    return {
      Runs: String(group.length),
      Device: `${p.device}, ${countOf(p.threads, "thread")} of TensorFlow`,
      Processor: `${p.cpu}, ${countOf(p.cores, "core")}`,
      Memory: formatBytes(p.memory),
      System: p.platform,
      TensorFlow: p.tensorflow,
      Operations: p.operations,
      "TensorFlow.js": p.tfjs,
      Node: p.node,
      Promptloss: `${p.promptloss}${p.commit === null ? "" : `, commit ${p.commit}`}`,
    };
  });
  const items = Object.keys(columns[0]) as (keyof (typeof columns)[number])[];
  return tableHtml(
    ["", ...groups.map((_, i) => (groups.length === 1 ? "All runs" : `Machine or version ${i + 1}`))],
    items.map((item) => [item, ...columns.map((column) => column[item])]),
  );
}

function facts(entries: Record<string, Content>): Markup {
  return markup`<dl class="facts">
    ${Object.entries(entries).map(
      ([name, value]) =>
        markup`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}
