import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadStudy } from "../../../lib/sweep/study-file";
import type { Study } from "../../../lib/sweep/study";
import { difference, type Expected, type Format } from "../format";
import { repeatedKeys, strictJson } from "../json-text";
import { mutateJsonFile } from "../mutate";

const FILE = "study.json";
const ROOT = join(__dirname, "..", "..", "..");
const STUDIES = ["pocket", "normalizers"].map(
  (name) => JSON.parse(readFileSync(join(ROOT, "studies", `${name}.json`), "utf8")) as object,
);
const MORE = {
  variants: { slow: { learningRate: 1e-4 }, long: { epochs: 3, maxGradientNorm: null } },
  template: { name: "t", withInput: "Q: {instruction} {input}\nA: ", withoutInput: "Q: {instruction}\nA: " },
};

type Json = Record<string, unknown>;

/** Study files. */
export const study: Format<Study> = {
  name: "study",
  place: /line \d+, column \d+|study\.json: .|there is no such/,

  valid(draw) {
    const base = structuredClone(draw.pick(STUDIES)) as Json;
    if (draw.chance(0.3)) base.variants = MORE.variants;
    if (draw.chance(0.3)) base.template = MORE.template;
    if (draw.chance(0.3)) base.seeds = [1, 2, 3];
    if (draw.chance(0.3)) base.plws = [0, 0.01, 1];
    if (draw.chance(0.3)) base.rows = 50;
    if (draw.chance(0.3)) base.retain = "scores";
    return new Map([[FILE, Buffer.from(JSON.stringify(base))]]);
  },
  mutate: (draw, files) => mutateJsonFile(draw, files, FILE),
  read: (dir) => loadStudy(join(dir, FILE)),

  expected(files, isValid): Expected<Study> {
    const bytes = files.get(FILE);
    const json = bytes && strictJson(bytes);
    const { value } = json ?? {};
    if (typeof value !== "object" || value === null || Array.isArray(value)) return { refused: "no JSON object" };
    if (repeatedKeys(json!.text).some((path) => !path.endsWith("//"))) return { refused: "a key twice" };
    const given = withoutNotes(value) as Json;
    const own = (key: string) => (Object.hasOwn(given, key) ? given[key] : undefined);
    return { mayRefuse: !isValid, check: (got) => studyDifference(got, own) };
  },
};

/** Compares what a study says itself with what was read. */
function studyDifference(got: Study, own: (key: string) => unknown): string | undefined {
  const names = (value: unknown) => Object.keys((value ?? {}) as object).sort();
  const plws = own("plws") ?? own("weights");
  const hyperparameters = Object.entries((own("hyperparameters") ?? {}) as Json);
  const stated = (set: Json) => Object.fromEntries(hyperparameters.map(([key]) => [key, set[key]]));
  const lists = [got.plws, got.seeds, got.normalizers] as unknown[][];
  if (lists.some((list) => new Set(list).size < list.length)) return "a list has an entry twice";
  if (![...got.plws, ...got.seeds].every(Number.isFinite)) return "a number is not finite";
  return (
    difference("the name", got.name, own("name")) ??
    difference("models", names(got.models), names(own("models"))) ??
    difference("datasets", names(got.datasets), names(own("datasets"))) ??
    (Array.isArray(plws) ? difference("plws", got.plws, plws) : undefined) ??
    difference("seeds", got.seeds, own("seeds") ?? [42]) ??
    difference("normalizers", got.normalizers, own("normalizers") ?? ["weights"]) ??
    difference("truncation", got.truncation, own("truncation") ?? "truncate") ??
    difference(
      "hyperparameters",
      stated(got.hyperparameters as unknown as Json),
      Object.fromEntries(hyperparameters),
    ) ??
    difference(
      "rows",
      Object.values(got.datasets).some((source) => "rows" in source),
      own("rows") !== undefined || hasRows(own("datasets")),
    )
  );
}

const hasRows = (datasets: unknown) =>
  Object.values((datasets ?? {}) as Record<string, Json>).some((entry) => "rows" in entry);

/** A copy without the keys "//", which are comments. */
function withoutNotes(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value), (_, inner: unknown) => {
      if (typeof inner === "object" && inner !== null && Object.hasOwn(inner, "//")) delete (inner as Json)["//"];
      return inner;
    }) as unknown;
  } catch {
    return value; // nested too deeply; such a study must be refused anyway
  }
}
