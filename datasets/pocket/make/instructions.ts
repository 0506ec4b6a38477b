/**
 * The pocket instruction sets in Alpaca's format: a plain one with short and sometimes faulty outputs, like AlpacaData,
 * and a cleaned one with long outputs, like AlpacaDataCleaned; most instructions are in both. It also makes a held-out
 * set and the instructions of the two judged benchmarks. All are drawn from one pool without repeats.
 */
import { seededRandom, shuffled } from "../../../lib/data/random";
import type { Tokenizer } from "../../../lib/data/tokenizer";
import { isAsked, isReserved } from "./benchmarks";
import { between, pick, pickSome, type Random } from "./choose";
import { FOREIGN, inLanguage, randomSentence, type Language } from "./languages";
import {
  GROUPS,
  KIND_NOUN,
  answer,
  compare,
  day,
  describe,
  howTo,
  knowHow,
  letter,
  listing,
  refute,
  story,
  trip,
} from "./passages";
import { randomPuzzle } from "./puzzles";
import type { Task } from "./task";
import {
  FACTS,
  GOALS,
  KNOW_HOW,
  SUBJECTS,
  otherValues,
  questions,
  statements,
  subjectNamed,
  subjectsOf,
  type Fact,
  type Kind,
  type Subject,
} from "./world";

/** A task before its output is cut to length. */
interface Draft {
  topic: string;
  instruction: string;
  input: string;
  /** the output's sentences */
  sentences: string[];
  /** minimum number of sentences that remain after cutting */
  least: number;
}

/**
 * Topics with long answers in the cleaned set. All others have short ones, so that length ratios vary as much as in
 * Alpaca.
 */
const LONG_TOPICS = new Set([
  "describe",
  "write",
  "tell",
  "story",
  "day",
  "check",
  "correct",
  "continue",
  "compare",
  "do this",
]);

const draft = (topic: string, instruction: string, input: string, sentences: string[], least = 1): Draft => ({
  topic,
  instruction,
  input,
  sentences,
  least,
});

const described = SUBJECTS.filter((subject) => subject.kind !== "sum");
const people = subjectsOf("person");
const towns = subjectsOf("town");
const heroes = [...people, ...subjectsOf("animal")];
/** Facts that no benchmark asks for. */
const free = FACTS.filter((fact) => !isAsked(fact));
const misbelieved = FACTS.filter((fact) => fact.misbelief !== undefined);

const nounOf = (kind: Kind): string => KIND_NOUN[kind].replace(/^an? /, "");

function twoOfKind(random: Random): [Subject, Subject] {
  const kind = pick(["animal", "town", "person", "job", "food", "material", "tool"] as const, random);
  const [a, b] = pickSome(subjectsOf(kind), 2, random);
  return [a, b];
}

/** Appends further facts about the subject to a passage, so that long outputs have enough sentences. */
const andMore = (sentences: string[], subject: Subject, random: Random): string[] => {
  const more = describe(subject, random);
  return [...sentences, ...more.filter((sentence) => !sentences.includes(sentence))];
};

const wrongStatement = (fact: Fact, random: Random): string =>
  pick(statements(fact, pick(otherValues([...FACTS], fact), random)), random);

const WITHOUT_INPUT: ((random: Random) => Draft)[] = [
  (random) => {
    const s = pick(described, random);
    return draft("describe", `Describe ${s.phrase}.`, "", describe(s, random));
  },
  (random) => {
    const s = pick(described, random);
    return draft("describe", `Describe ${s.phrase}.`, "", describe(s, random));
  },
  (random) => {
    const s = pick(described, random);
    return draft("write", `Write about ${s.phrase}.`, "", describe(s, random));
  },
  (random) => {
    const s = pick(described, random);
    return draft("tell", `Tell me more about ${s.phrase}.`, "", describe(s, random));
  },
  (random) => {
    const g = pick(GOALS, random);
    return draft(
      "how-to",
      `Explain how to ${g.goal}.`,
      "",
      andMore(howTo(g, random), subjectNamed("tool", g.tool), random),
    );
  },
  (random) => {
    const k = pick(KNOW_HOW, random);
    return draft("how-to", `Explain how to ${k.goal}.`, "", knowHow(k, random), 2);
  },
  (random) => {
    const [a, b] = pickSome(heroes, 2, random);
    return draft(
      "story",
      `Write a story about ${a.phrase} and ${b.phrase}.`,
      "",
      story(a, b, pick(GOALS, random), random),
    );
  },
  (random) => {
    const [a, b] = pickSome(heroes, 2, random);
    return draft("story", `Tell a story about ${a.phrase}.`, "", story(a, b, pick(GOALS, random), random));
  },
  (random) => {
    const [a, b] = twoOfKind(random);
    return draft("compare", `Compare ${a.phrase} and ${b.phrase}.`, "", andMore(compare(a, b, random), a, random), 2);
  },
  (random) => {
    const p = pick(people, random);
    return draft("day", `Describe a day of ${p.name}.`, "", andMore(day(p, random), p, random));
  },
  (random) => {
    const [a, b] = pickSome(people, 2, random);
    return draft("letter", `Write a letter from ${a.name} to ${b.name}.`, "", letter(a, b, random), 2);
  },
  (random) => {
    const [a, b] = pickSome(towns, 2, random);
    return draft("plan", `Plan a trip from ${a.name} to ${b.name}.`, "", trip(a, b, random), 2);
  },
  (random) => {
    const fact = pick(misbelieved, random);
    return draft(
      "myth",
      `What do people wrongly believe about ${fact.subject.phrase}?`,
      "",
      andMore(refute(fact, random), fact.subject, random),
      3,
    );
  },
  (random) => {
    const fact = pick(free, random);
    return draft("question", pick(questions(fact), random), "", answer(fact, random));
  },
];

function translation(random: Random): Draft {
  const foreign = pick(FOREIGN, random);
  const [from, to]: Language[] = random() < 0.5 ? ["English", foreign] : [foreign, "English"];
  let sentence = randomSentence(random);
  while (isReserved(inLanguage(sentence, "English"))) sentence = randomSentence(random);
  return draft("translate", `Translate the following from ${from} to ${to}.`, inLanguage(sentence, from), [
    inLanguage(sentence, to),
  ]);
}

function blank(random: Random): Draft {
  let puzzle = randomPuzzle(random);
  while (isReserved(puzzle.sentence)) puzzle = randomPuzzle(random);
  const subjects = puzzle.options.map((name) => SUBJECTS.find((s) => s.name === name)).filter((s) => s !== undefined);
  const sentences = [`The answer is ${puzzle.options[puzzle.answer]}.`, puzzle.why];
  return draft(
    "blank",
    "Who or what is meant?",
    puzzle.sentence,
    subjects.length > 0 ? andMore(sentences, subjects[puzzle.answer] ?? subjects[0], random) : sentences,
  );
}

const WITH_INPUT: ((random: Random) => Draft)[] = [
  translation,
  blank,
  (random) => {
    const fact = pick(free, random);
    return draft(
      "question",
      "Answer the question.",
      pick(questions(fact), random),
      andMore(answer(fact, random), fact.subject, random),
    );
  },
  (random) => {
    const fact = pick(FACTS, random);
    return random() < 0.5
      ? draft("check", "Is this true?", pick(statements(fact), random), [
          "Yes, this is true.",
          ...andMore(answer(fact, random), fact.subject, random),
        ])
      : draft(
          "check",
          "Is this true?",
          wrongStatement(fact, random),
          ["No, this is wrong.", ...andMore(answer(fact, random), fact.subject, random)],
          2,
        );
  },
  (random) => {
    const fact = pick(FACTS, random);
    return draft(
      "correct",
      "Correct the sentence.",
      wrongStatement(fact, random),
      andMore([pick(statements(fact), random)], fact.subject, random),
    );
  },
  (random) => {
    const s = pick(described, random);
    return draft("describe", `Describe this ${nounOf(s.kind)}.`, s.name, describe(s, random));
  },
  (random) => {
    const [a, b] = pickSome(heroes, 2, random);
    const [first, ...rest] = story(a, b, pick(GOALS, random), random);
    return draft("continue", "Continue the story.", first, rest, 2);
  },
  (random) => {
    const [a, b] = pickSome(heroes, 2, random);
    const goal = pick(GOALS, random);
    return draft(
      "story",
      "Write a story with these words.",
      `${a.name}, ${b.name}, ${goal.tool}`,
      story(a, b, goal, random),
    );
  },
  (random) => {
    const [a, b] = twoOfKind(random);
    return draft(
      "compare",
      "Compare these two.",
      `${a.phrase} and ${b.phrase}`,
      andMore(compare(a, b, random), a, random),
      2,
    );
  },
  (random) => {
    const g = pick(GOALS, random);
    return draft(
      "do this",
      "Explain how to do this.",
      g.goal,
      andMore(howTo(g, random), subjectNamed("tool", g.tool), random),
    );
  },
  (random) => {
    const group = pick(GROUPS, random);
    const noun = nounOf(group.kind);
    const claim = pick(statements(group.facts[0]), random).replace(
      new RegExp(`\\b${group.facts[0].subject.phrase}\\b`, "i"),
      (_, at: number) => (at === 0 ? `The ${noun}` : `the ${noun}`),
    );
    return draft("list", `List each ${noun} of which this is true.`, claim, listing(group, random));
  },
  (random) => {
    const [a, b] = pickSome(people, 2, random);
    return draft("letter", `Write a letter to ${b.name}.`, `You are ${a.name}.`, letter(a, b, random), 2);
  },
];

/** Share of tasks with a non-empty input; in Alpaca about 40 % have one. */
const INPUT_SHARE = 0.38;
const CLEANED_ROWS = 280;
const PLAIN_ROWS = 350;
/** Rows of the plain set that are also in the cleaned set. */
const SHARED_ROWS = 220;
const HELD_OUT_ROWS = 120;
const JUDGED_ROWS = 100;
/** Ranges of the target length in tokens. An output ends with the sentence that reaches it, or when none are left. */
interface Lengths {
  long: [number, number];
  short: [number, number];
}
const CLEANED_LENGTHS: Lengths = { long: [110, 132], short: [10, 44] };
const PLAIN_LENGTHS: Lengths = { long: [8, 56], short: [4, 40] };
/** Maximum number of output tokens, so that nearly all rows of every set fit into 208 tokens. */
const LONGEST = 134;

function outputOf({ topic, sentences, least }: Draft, lengths: Lengths, tokenizer: Tokenizer, random: Random): string {
  const target = between(...lengths[LONG_TOPICS.has(topic) ? "long" : "short"], random);
  let text = "";
  for (const [i, sentence] of sentences.entries()) {
    const longer = text === "" ? sentence : `${text} ${sentence}`;
    const length = tokenizer.encode(longer, { addSpecialTokens: false }).length;
    if (length > LONGEST) break;
    text = longer;
    if (length >= target && i + 1 >= least) break;
  }
  return text;
}

/**
 * Adds faults of the kind that AlpacaDataCleaned removes from AlpacaData: wrong answers, missing answers, and
 * placeholders as input.
 */
function spoil(task: Task, random: Random): Task {
  const fault = random();
  if (fault < 0.03) return { ...task, output: pick(["N/A", "This is not possible.", "I do not know."], random) };
  if (fault < 0.05 && task.input === "") return { ...task, input: "<noinput>" };
  if (fault < 0.08) return { ...task, output: wrongStatement(pick(FACTS, random), random) };
  return task;
}

/** Draws `count` drafts whose (instruction, input) pairs are not in `seen`, and adds their pairs to it. */
function drawDrafts(count: number, random: Random, seen: Set<string>, withInput: boolean): Draft[] {
  const makers = withInput ? WITH_INPUT : WITHOUT_INPUT;
  const drafts: Draft[] = [];
  while (drafts.length < count) {
    const made = pick(makers, random)(random);
    const key = `${made.instruction}\n${made.input}`;
    if (seen.has(key)) continue;
    seen.add(key);
    drafts.push(made);
  }
  return drafts;
}

/** All instruction sets; no (instruction, input) pair is in two of them, except those shared by plain and cleaned. */
export interface InstructionSets {
  /** training set, like AlpacaData */
  plain: Task[];
  /** training set, like AlpacaDataCleaned */
  cleaned: Task[];
  /** never trained on */
  heldOut: Task[];
  /** instructions without input, with reference outputs */
  alpacaEval: Task[];
  /** instructions with and without input, with reference outputs */
  pandaLm: Task[];
}

/**
 * Makes all instruction sets from fixed seeds.
 * @param tokenizer measures the lengths of outputs
 */
export function makeInstructions(tokenizer: Tokenizer): InstructionSets {
  const random = seededRandom("instructions");
  const seen = new Set<string>();
  const mixed = (count: number): Draft[] => {
    const withInput = Math.round(count * INPUT_SHARE);
    return shuffled(
      [...drawDrafts(withInput, random, seen, true), ...drawDrafts(count - withInput, random, seen, false)],
      random,
    );
  };
  const finish = (drafts: Draft[], lengths: Lengths): Task[] =>
    drafts.map((d) => ({
      topic: d.topic,
      instruction: d.instruction,
      input: d.input,
      output: outputOf(d, lengths, tokenizer, random),
    }));
  const cleaned = mixed(CLEANED_ROWS);
  const plain = shuffled([...cleaned.slice(0, SHARED_ROWS), ...mixed(PLAIN_ROWS - SHARED_ROWS)], random);
  return {
    cleaned: finish(cleaned, CLEANED_LENGTHS),
    plain: finish(plain, PLAIN_LENGTHS).map((task) => spoil(task, random)),
    heldOut: finish(mixed(HELD_OUT_ROWS), CLEANED_LENGTHS),
    alpacaEval: finish(drawDrafts(JUDGED_ROWS, random, seen, false), CLEANED_LENGTHS),
    pandaLm: finish(mixed(JUDGED_ROWS), CLEANED_LENGTHS),
  };
}
