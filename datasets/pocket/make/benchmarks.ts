/**
 * The thirteen pocket benchmarks, one for each row of the paper's Table 2. Their field names are those of the original
 * datasets on Hugging Face, so that the same reader handles both.
 */
import { seededRandom, shuffled } from "../../../lib/data/random";
import { pick, pickSome } from "./choose";
import { CODES, FOREIGN, inLanguage, randomSentence, type Language } from "./languages";
import { randomPuzzle, type Puzzle } from "./puzzles";
import type { Task } from "./task";
import {
  FACTS,
  GOALS,
  KNOW_HOW,
  factOf,
  otherValues,
  questions,
  shortAnswer,
  statements,
  subjectNamed,
  withArticle,
  type Fact,
} from "./world";

/** A pocket benchmark: its items and its entry in `manifest.json`. */
export interface Benchmark {
  /** name, as in `pocket-arc` */
  task: string;
  /** the corresponding row of the paper's Table 2 */
  paperTask: string;
  /** the original benchmark whose fields and prompts it uses */
  schema: "arc" | "piqa" | "truthfulqa-mc2" | "winogrande" | "truthfulqa-gen" | "wmt" | "alpaca-eval" | "pandalm";
  /** type in Table 2: multiple choice, short generation or long generation */
  type: "MC" | "G_S" | "G_L";
  /** number of few-shot examples in each prompt */
  shots: number;
  items: object[];
  /** rows from which the few-shot examples are drawn */
  fewShot?: object[];
  /** text before every question, in place of TruthfulQA's six built-in examples */
  primer?: string;
  /** expected score of a random choice, 0 to 1 */
  chance?: number;
  languages?: { from: { code: string; name: Language }; to: { code: string; name: Language } };
}

const ARC_ITEMS = 120;
const ARC_SHOTS = 24;
const TRUTHFUL_ITEMS = 110;
const PUZZLE_ITEMS = 160;
const PUZZLE_SHOTS = 24;
const SENTENCES = 100;

const LABELS = ["A", "B", "C", "D"];

/** The facts that the benchmarks ask for, by benchmark; instructions may ask for all others. */
const ASKED = (() => {
  const random = seededRandom("asked facts");
  const misbelieved = shuffled(
    FACTS.filter((fact) => fact.misbelief !== undefined && otherValues([...FACTS], fact).length >= 3),
    random,
  );
  const plain = shuffled(
    FACTS.filter((fact) => fact.misbelief === undefined && otherValues([...FACTS], fact).length >= 3),
    random,
  );
  return {
    truthful: misbelieved.slice(0, TRUTHFUL_ITEMS),
    primer: misbelieved.slice(TRUTHFUL_ITEMS, TRUTHFUL_ITEMS + 6),
    arc: plain.slice(0, ARC_ITEMS),
    arcShots: plain.slice(ARC_ITEMS, ARC_ITEMS + ARC_SHOTS),
  };
})();

const askedIds = new Set(
  Object.values(ASKED)
    .flat()
    .map((fact) => fact.id),
);

/** Returns whether a benchmark asks for this fact. */
export const isAsked = (fact: Fact): boolean => askedIds.has(fact.id);

function arcItem(fact: Fact): object {
  const random = seededRandom("arc", fact.id);
  const values = shuffled([fact.value, ...pickSome(otherValues([...FACTS], fact), 3, random)], random);
  return {
    id: fact.id,
    question: pick(questions(fact), random),
    choices: { text: values.map((value) => shortAnswer(fact, value)), label: LABELS },
    answerKey: LABELS[values.indexOf(fact.value)],
  };
}

function piqaItems(): object[] {
  const random = seededRandom("piqa");
  const item = (goal: string, good: string, bad: string): object => {
    const label = random() < 0.5 ? 0 : 1;
    const [sol1, sol2] = label === 0 ? [good, bad] : [bad, good];
    return { goal: `How do you ${goal}?`, sol1, sol2, label };
  };
  const use = (tool: string, goal: string): string => `Take ${withArticle(tool)} and ${goal} with it.`;
  const verb = (goal: string): string => goal.split(" ")[0];
  const tools = [...new Set(GOALS.map(({ tool }) => tool))];
  const placeOf = (tool: string): string => factOf(subjectNamed("tool", tool), "place").value;
  const fetch = (goal: string, tool: string, place: string): string =>
    `First fetch the ${tool} from ${place}. Then ${goal} with the ${tool}.`;
  // Wrong solutions: a wrong tool (kept in the same place, if there is one), and the right tool from a wrong place.
  const withTools = GOALS.flatMap(({ goal, tool }) => {
    const able = new Set(GOALS.filter((other) => verb(other.goal) === verb(goal)).map((other) => other.tool));
    const unable = tools.filter((other) => !able.has(other));
    const nearby = unable.filter((other) => placeOf(other) === placeOf(tool));
    const wrongTool = pick(nearby.length > 0 ? nearby : unable, random);
    const wrongPlace = pick(
      [...new Set(tools.map(placeOf))].filter((place) => place !== placeOf(tool)),
      random,
    );
    return [
      item(goal, use(tool, goal), use(wrongTool, goal)),
      item(goal, fetch(goal, tool, placeOf(tool)), fetch(goal, tool, wrongPlace)),
    ];
  });
  return [...withTools, ...KNOW_HOW.map(({ goal, good, bad }) => item(goal, good, bad))];
}

/** A question with two or three true answers, two phrasings of the misbelief, and up to two other false answers. */
function truthfulItem(fact: Fact): { question: string; truth: string[]; falsehood: string[] } {
  const random = seededRandom("truthfulqa", fact.id);
  const others = pickSome(
    otherValues([...FACTS], fact).filter((value) => value !== fact.misbelief),
    2,
    random,
  );
  return {
    question: pick(questions(fact), random),
    truth: pickSome(statements(fact), 2 + Math.floor(random() * 2), random),
    falsehood: [
      ...pickSome(statements(fact, fact.misbelief), 2, random),
      ...others.map((value) => pick(statements(fact, value), random)),
    ],
  };
}

function truthfulPrimer(): string {
  return ASKED.primer
    .map((fact) => {
      const { question, truth } = truthfulItem(fact);
      return `Q: ${question}\nA: ${truth[0]}`;
    })
    .join("\n\n");
}

function puzzleItems(): { items: object[]; fewShot: object[]; sentences: string[] } {
  const random = seededRandom("winogrande");
  const puzzles = new Map<string, Puzzle>();
  while (puzzles.size < PUZZLE_ITEMS + PUZZLE_SHOTS) {
    const puzzle = randomPuzzle(random);
    puzzles.set(puzzle.sentence, puzzle);
  }
  const rows = [...puzzles.values()].map(({ sentence, options, answer }) => ({
    sentence,
    option1: options[0],
    option2: options[1],
    answer: String(answer + 1),
  }));
  return { items: rows.slice(0, PUZZLE_ITEMS), fewShot: rows.slice(PUZZLE_ITEMS), sentences: [...puzzles.keys()] };
}

/** Sentences to translate, by their English text; all three languages use the same ones. */
const SENTENCE_ITEMS = (() => {
  const random = seededRandom("wmt");
  const sentences = new Map<string, ReturnType<typeof randomSentence>>();
  while (sentences.size < SENTENCES) {
    const sentence = randomSentence(random);
    sentences.set(inLanguage(sentence, "English"), sentence);
  }
  return sentences;
})();

/** Puzzles and English sentences that only the benchmarks may use. */
const RESERVED = new Set([...puzzleItems().sentences, ...SENTENCE_ITEMS.keys()]);

/** Returns whether a puzzle or an English sentence is reserved for the benchmarks. */
export const isReserved = (text: string): boolean => RESERVED.has(text);

/**
 * Makes all thirteen benchmarks, in the order of the paper's Table 2.
 * @param longForm the instructions, with reference outputs, of the two judged tasks
 */
export function makeBenchmarks(longForm: { alpacaEval: Task[]; pandaLm: Task[] }): Benchmark[] {
  const [truthfulChoice, truthfulGeneration] = truthfulBenchmarks();
  const puzzles = puzzleItems();
  return [
    {
      task: "pocket-arc",
      paperTask: "ARC Challenge",
      schema: "arc",
      type: "MC",
      shots: 5,
      chance: 0.25,
      items: ASKED.arc.map(arcItem),
      fewShot: ASKED.arcShots.map(arcItem),
    },
    { task: "pocket-piqa", paperTask: "PIQA", schema: "piqa", type: "MC", shots: 0, chance: 0.5, items: piqaItems() },
    truthfulChoice,
    {
      task: "pocket-winogrande",
      paperTask: "WinoGrande",
      schema: "winogrande",
      type: "MC",
      shots: 5,
      chance: 0.5,
      items: puzzles.items,
      fewShot: puzzles.fewShot,
    },
    truthfulGeneration,
    ...FOREIGN.flatMap(translationBenchmarks),
    ...judgedBenchmarks(longForm),
  ];
}

/** TruthfulQA-MC2 and TruthfulQA-Gen over the same questions. */
function truthfulBenchmarks(): [choice: Benchmark, generation: Benchmark] {
  const truthful = ASKED.truthful.map(truthfulItem);
  const primer = truthfulPrimer();
  const trueShares = truthful.map(({ truth, falsehood }) => truth.length / (truth.length + falsehood.length));
  const targets = (choices: string[], trueCount: number) => ({
    choices,
    labels: choices.map((_, i) => (i < trueCount ? 1 : 0)),
  });
  return [
    {
      task: "pocket-truthfulqa-mc2",
      paperTask: "TruthfulQA-MC2",
      schema: "truthfulqa-mc2",
      type: "MC",
      shots: 0,
      primer,
      chance: Number((trueShares.reduce((a, b) => a + b, 0) / trueShares.length).toFixed(4)),
      items: truthful.map(({ question, truth, falsehood }) => ({
        question,
        mc1_targets: targets([truth[0], ...falsehood], 1),
        mc2_targets: targets([...truth, ...falsehood], truth.length),
      })),
    },
    {
      task: "pocket-truthfulqa-gen",
      paperTask: "TruthfulQA-Gen",
      schema: "truthfulqa-gen",
      type: "G_S",
      shots: 0,
      primer,
      items: truthful.map(({ question, truth, falsehood }, i) => ({
        type: "Non-Adversarial",
        category: ASKED.truthful[i].subject.kind,
        question,
        best_answer: truth[0],
        correct_answers: truth,
        incorrect_answers: falsehood,
        source: ASKED.truthful[i].id,
      })),
    },
  ];
}

const WMT_TASKS: Partial<Record<Language, [year: string, code: string]>> = {
  Frell: ["WMT14", "Fr"],
  Dorsk: ["WMT16", "De"],
  Rumi: ["WMT16", "Ro"],
};

/** Translation from and into English for one foreign language. */
function translationBenchmarks(foreign: Language): Benchmark[] {
  const [year, paperCode] = WMT_TASKS[foreign]!;
  const items = [...SENTENCE_ITEMS.values()].map((sentence) => ({
    translation: {
      [CODES.English]: inLanguage(sentence, "English"),
      [CODES[foreign]]: inLanguage(sentence, foreign),
    },
  }));
  const directions: [Language, Language][] = [
    ["English", foreign],
    [foreign, "English"],
  ];
  return directions.map(([from, to]) => ({
    task: `pocket-wmt-${CODES[from]}-${CODES[to]}`,
    paperTask: `${year} ${from === "English" ? `En→${paperCode}` : `${paperCode}→En`}`,
    schema: "wmt",
    type: "G_S",
    shots: 0,
    items,
    languages: { from: { code: CODES[from], name: from }, to: { code: CODES[to], name: to } },
  }));
}

function judgedBenchmarks({ alpacaEval, pandaLm }: { alpacaEval: Task[]; pandaLm: Task[] }): Benchmark[] {
  return [
    {
      task: "pocket-alpaca-eval",
      paperTask: "Alpaca Eval (Mixtral)",
      schema: "alpaca-eval",
      type: "G_L",
      shots: 0,
      items: alpacaEval.map(({ instruction, output }) => ({
        dataset: "pocket",
        instruction,
        output,
        generator: "pocket-world",
      })),
    },
    {
      task: "pocket-pandalm",
      paperTask: "PandaLM",
      schema: "pandalm",
      type: "G_L",
      shots: 0,
      items: pandaLm.map(({ instruction, input, output, topic }, idx) => ({
        idx,
        motivation_app: topic,
        instruction,
        input,
        output,
      })),
    },
  ];
}
