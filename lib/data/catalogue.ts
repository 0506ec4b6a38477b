import { DataError } from "./errors";

/** A file of a dataset. Size and digest are null where they have not been verified. */
export interface CatalogueFile {
  /** path in the repository */
  path: string;
  /** path relative to the data directory, as the readers expect it */
  saveAs: string;
  /** file size in bytes */
  bytes: number | null;
  /** SHA-256, 64 lowercase hexadecimal digits */
  sha256: string | null;
}

/** License of a dataset or model. */
export interface License {
  /** license in the paper's Table 5; null if the table does not list the item */
  paper: string | null;
  /** license stated by the publishers; null if they state none */
  stated: string | null;
  /** explanation where `paper` and `stated`, or the publishers' own statements, differ */
  note?: string;
}

/** A dataset of the paper and its download location. */
export interface CatalogueEntry {
  name: string;
  /** `instructions` for training data, `benchmark` for evaluation data */
  kind: "instructions" | "benchmark";
  /** `hub` for the Hugging Face Hub */
  source: "hub" | "github";
  /** `owner/name` */
  repository: string;
  /** commit */
  revision: string;
  files: CatalogueFile[];
  /** names of the tasks that read the files, without version */
  tasks?: readonly string[];
  license: License;
  /** number of rows, uncertainties and other remarks */
  note?: string;
}

/** A model of the paper. */
export interface CatalogueModel {
  name: string;
  /** `owner/name` on the Hugging Face Hub; null if none. Most owners grant access, and then a token is needed */
  repository: string | null;
  license: License;
  note?: string;
}

const file = (
  path: string,
  saveAs: string,
  bytes: number | null = null,
  sha256: string | null = null,
): CatalogueFile => ({ path, saveAs, bytes, sha256 });

/**
 * The published instruction datasets and the benchmarks of the paper, with their download locations. Only `fetchDataset`
 * and `fetchPlanned` download anything. Sizes, digests and commits come from the repositories' pages and pointer files,
 * or from the checksum lists of dataset loaders; where a digest is null, the one that the Hub reports for the commit is
 * checked. `saveAs` is the path at which `evaluate` looks for a file.
 *
 * AlpacaDataShort, Medium and Tiny are not listed: they are derived from AlpacaDataCleaned (`invertLongCompletions`,
 * `toGenerationRatio`).
 */
export const DATASETS: readonly CatalogueEntry[] = [
  {
    name: "AlpacaData",
    kind: "instructions",
    source: "hub",
    repository: "tatsu-lab/alpaca",
    revision: "dce01c9b08f87459cf36a430d809084718273017",
    files: [
      file(
        "data/train-00000-of-00001-a09b74b3ef9c3b56.parquet",
        "alpaca_data.parquet",
        null,
        "06391b656a06fd3fb9d213160ef2398796c3b7f3dc75ef1e3ced30d461517073",
      ),
    ],
    license: {
      paper: "Apache 2.0",
      stated: "CC BY-NC 4.0",
      note: "Table 5 lists Stanford Alpaca once, with its code's license. The data was first released under ODC-By.",
    },
    note:
      "52,002 rows, published by the authors. The paper takes alpaca_data.json (SHA-256 2eddafc6b977…) from " +
      "github.com/tatsu-lab/stanford_alpaca and names no commit; this is the same set as Parquet, with the rendered " +
      "prompt in a fourth column, text. The two were not compared row by row.",
  },
  {
    name: "AlpacaDataCleaned",
    kind: "instructions",
    source: "hub",
    repository: "yahma/alpaca-cleaned",
    revision: "12567cabf869d7c92e573c7c783905fc160e9639",
    files: [file("alpaca_data_cleaned.json", "alpaca_data_cleaned.json")],
    license: { paper: null, stated: "CC BY-NC 4.0", note: "The Hub's copy, yahma/alpaca-cleaned, says CC BY 4.0." },
    note:
      "51,760 rows, as many as the totals of the paper's Table 1 imply. The paper names commit 791174f of " +
      "github.com/gururise/AlpacaDataCleaned, whose digest is not known; this is the copy on the Hub that its README " +
      "points to, and rows may differ.",
  },
  {
    name: "ARC Challenge",
    kind: "benchmark",
    source: "hub",
    repository: "allenai/ai2_arc",
    revision: "210d026faf9955653af8916fad021475a3f00453",
    files: [
      file(
        "ARC-Challenge/train-00000-of-00001.parquet",
        "arc_challenge/train-00000-of-00001.parquet",
        189_909,
        "e488c1587ffdcfc8443f916c53488a95cd471c5790e0746c6bfe4cecf20962cb",
      ),
      file(
        "ARC-Challenge/validation-00000-of-00001.parquet",
        "arc_challenge/validation-00000-of-00001.parquet",
        55_743,
        "395a5c88d1580d69855fbaee9450270578df1ad5af6259771cd0a42c20e99f05",
      ),
      file(
        "ARC-Challenge/test-00000-of-00001.parquet",
        "arc_challenge/test-00000-of-00001.parquet",
        203_808,
        "62f03257e737aed263f55c6abf87c7bb0028a44a6bdd2a26eb1279eb42c1d1e9",
      ),
    ],
    tasks: ["arc_challenge"],
    license: { paper: "CC BY-SA 4.0", stated: "CC BY-SA 4.0" },
    note: "1,119, 299 and 1,172 rows.",
  },
  {
    name: "PIQA",
    kind: "benchmark",
    source: "hub",
    repository: "ybisk/piqa",
    revision: "761df5fd8dc94a8e0b02fbbec7234bcb49a3b37c",
    files: [
      file("plain_text/train-00000-of-00001.parquet", "piqa/train-00000-of-00001.parquet"),
      file("plain_text/validation-00000-of-00001.parquet", "piqa/validation-00000-of-00001.parquet"),
    ],
    tasks: ["piqa"],
    license: {
      paper: "AFL 3.0",
      stated: "AFL 3.0",
      note: "The Hub's main branch said \"unknown\" until it was corrected from the author's page.",
    },
    note:
      "16,113 and 1,838 rows. The main branch has a loading script instead of data. This commit, a proposed " +
      "conversion, has `plain_text/train-*` and `validation-*`; the full file names are inferred.",
  },
  {
    name: "TruthfulQA",
    kind: "benchmark",
    source: "hub",
    repository: "truthfulqa/truthful_qa",
    revision: "741b8276f2d1982aa3d5b832d3ee81ed3b896490",
    files: [
      file("multiple_choice/validation-00000-of-00001.parquet", "truthfulqa_mc2/validation-00000-of-00001.parquet"),
      file("generation/validation-00000-of-00001.parquet", "truthfulqa_gen/validation-00000-of-00001.parquet"),
    ],
    tasks: ["truthfulqa_mc1", "truthfulqa_mc2", "truthfulqa_gen"],
    license: { paper: "Apache 2.0", stated: "Apache 2.0" },
    note: "817 questions in each file.",
  },
  {
    name: "WinoGrande",
    kind: "benchmark",
    source: "hub",
    repository: "allenai/winogrande",
    revision: "df8eb8fe2e3ab788ec6eada56b9203a86a34c93d",
    files: [
      file("winogrande_xl/train-00000-of-00001.parquet", "winogrande/train-00000-of-00001.parquet"),
      file("winogrande_xl/validation-00000-of-00001.parquet", "winogrande/validation-00000-of-00001.parquet"),
    ],
    tasks: ["winogrande"],
    license: {
      paper: "Apache 2.0",
      stated: "CC BY",
      note: "Its README gives Apache 2.0 to the code and CC BY to the data.",
    },
    note: "40,398 and 1,267 rows.",
  },
  {
    name: "WMT14",
    kind: "benchmark",
    source: "hub",
    repository: "wmt/wmt14",
    revision: "b199e406369ec1b7634206d3ded5ba45de2fe696",
    files: [
      file(
        "fr-en/validation-00000-of-00001.parquet",
        "wmt14-en-fr/validation-00000-of-00001.parquet",
        null,
        "113e01f028c35bc5ac4286ce95ac9dcfb70badc3e3c71c91ab7d74fe6357fb5e",
      ),
      file("fr-en/test-00000-of-00001.parquet", "wmt14-en-fr/test-00000-of-00001.parquet"),
    ],
    tasks: ["wmt14-en-fr", "wmt14-fr-en"],
    license: { paper: "No License", stated: null, note: 'The Hub says "unknown".' },
    note: "3,000 and 3,003 sentence pairs. The training sets are not listed here.",
  },
  {
    name: "WMT16",
    kind: "benchmark",
    source: "hub",
    repository: "wmt/wmt16",
    revision: "41d8a4013aa1489f28fea60ec0932af246086482",
    files: [
      file("de-en/validation-00000-of-00001.parquet", "wmt16-en-de/validation-00000-of-00001.parquet"),
      file("de-en/test-00000-of-00001.parquet", "wmt16-en-de/test-00000-of-00001.parquet"),
      file(
        "ro-en/validation-00000-of-00001.parquet",
        "wmt16-en-ro/validation-00000-of-00001.parquet",
        null,
        "9dff36e7a899121682d47f0238de1aa307f3b03f087ad411d1a2846977326082",
      ),
      file(
        "ro-en/test-00000-of-00001.parquet",
        "wmt16-en-ro/test-00000-of-00001.parquet",
        null,
        "21742f54d534024c59e0d94f92b9b8e5bf4c871027a866566275cc3ab582b218",
      ),
    ],
    tasks: ["wmt16-en-de", "wmt16-de-en", "wmt16-en-ro", "wmt16-ro-en"],
    license: { paper: "No License", stated: null, note: 'The Hub says "unknown".' },
    note: "The training sets are not listed here.",
  },
  {
    name: "Alpaca Eval",
    kind: "benchmark",
    source: "hub",
    repository: "tatsu-lab/alpaca_eval",
    revision: "57530fed23a308e771c06bba55cb49b7e7625711",
    files: [file("alpaca_eval.json", "alpaca_eval/alpaca_eval.json")],
    tasks: ["alpaca_eval"],
    license: { paper: "CC BY-NC 4.0", stated: "CC BY-NC 4.0" },
    note: "805 instructions with the outputs of text_davinci_003.",
  },
  {
    name: "PandaLM",
    kind: "benchmark",
    source: "github",
    repository: "WeOpenML/PandaLM",
    revision: "eb758c4",
    files: [
      file(
        "data/testset-inference-v1.json",
        "pandalm/testset-inference-v1.json",
        56_419,
        "170fef9eb10de404cdb3e2d9c6e3fab5cf656d47bd199cd6b368509e5bfc2967",
      ),
      file("data/testset-v1.json", "pandalm/testset-v1.json"),
    ],
    tasks: ["pandalm"],
    license: { paper: "Apache 2.0", stated: "Apache 2.0" },
    note:
      "170 instructions, and 999 pairs of answers, each labeled by three people. " +
      "The commit named in the paper (short hash). The first file has had only one version.",
  },
];

/**
 * The models of the paper. `fetchModel` fetches those on the Hub, once the owner has granted access to the account of
 * `HF_TOKEN`.
 */
export const MODELS: readonly CatalogueModel[] = [
  {
    name: "LLaMA 1 7B",
    repository: null,
    license: { paper: "LLaMA License", stated: "LLaMA License", note: "Non-commercial research use, on request." },
    note: "The owner has not published it on the Hub.",
  },
  {
    name: "LLaMA 2 7B",
    repository: "meta-llama/Llama-2-7b-hf",
    license: { paper: "LLaMA 2 Community License", stated: "LLaMA 2 Community License" },
  },
  {
    name: "Mixtral 8x7B",
    repository: "mistralai/Mixtral-8x7B-Instruct-v0.1",
    license: { paper: "Apache 2.0", stated: "Apache 2.0" },
    note: "The paper's judge for Alpaca Eval. The paper does not say which variant it used.",
  },
];

/**
 * Finds a dataset in {@link DATASETS} by name, ignoring case.
 *
 * @throws {DataError} if the name is unknown; lists the known names
 */
export function datasetEntry(name: string): CatalogueEntry {
  const entry = DATASETS.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
  if (!entry)
    throw new DataError(
      `Dataset "${name}" is not in the catalogue. Known datasets: ${DATASETS.map((known) => known.name).join(", ")}.`,
    );
  return entry;
}

/**
 * Finds the entry of {@link DATASETS} whose files a task reads.
 *
 * @param task name of a task; a version such as `@0` at its end does not matter
 * @returns undefined for tasks without published data, such as the pocket benchmarks
 */
export function catalogueEntryOfTask(task: string): CatalogueEntry | undefined {
  const [name] = task.split("@");
  return DATASETS.find(({ tasks }) => tasks?.includes(name));
}
