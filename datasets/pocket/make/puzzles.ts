/** Winograd-like sentences: the reader has to find out who or what the blank `_` stands for. */
import { pick, pickSome, type Random } from "./choose";
import { FACTS, capital, factOf, subjectsOf } from "./world";

/** A sentence with a blank, two options to fill it, and the correct one. */
export interface Puzzle {
  /** contains `_` where one of the options belongs */
  sentence: string;
  options: [string, string];
  /** index of the correct option */
  answer: 0 | 1;
  /** a sentence that explains the answer */
  why: string;
}

/** Deeds between two people X and Y, with what each implies about the doer X and about the other person Y. */
const DEEDS = [
  { deed: "{X} helped {Y}", doer: "was strong", other: "was tired" },
  { deed: "{X} gave {Y} some bread", doer: "had a lot", other: "was hungry" },
  { deed: "{X} taught {Y} a song", doer: "knew it well", other: "wanted to learn it" },
  { deed: "{X} carried {Y} home", doer: "had a cart", other: "was hurt" },
  { deed: "{X} asked {Y} for the way", doer: "was lost", other: "had a map" },
  { deed: "{X} sold {Y} a coat", doer: "needed money", other: "was cold" },
];

const CONTAINERS = ["box", "bag", "pot", "bucket", "basket", "chest"];
const CONTENTS = ["lamp", "bell", "spoon", "knife", "blanket", "cake"];

function deedPuzzle(random: Random): Puzzle {
  const [x, y] = pickSome(subjectsOf("person"), 2, random).map((person) => person.name);
  const { deed, doer, other } = pick(DEEDS, random);
  const answer = random() < 0.5 ? 0 : 1;
  const trait = answer === 0 ? doer : other;
  return {
    sentence: `${deed.replace("{X}", x).replace("{Y}", y)} because _ ${trait}.`,
    options: [x, y],
    answer,
    why: `It was ${[x, y][answer]} who ${trait}.`,
  };
}

function fitPuzzle(random: Random): Puzzle {
  const [content, container] = [pick(CONTENTS, random), pick(CONTAINERS, random)];
  const answer = random() < 0.5 ? 0 : 1;
  const size = answer === 0 ? "big" : "small";
  return {
    sentence: `The ${content} did not fit in the ${container} because the _ was too ${size}.`,
    options: [content, container],
    answer,
    why: `A ${["big", "small"][answer]} ${[content, container][answer]} is the reason.`,
  };
}

/** Two materials come into contact with water or fire, with different results. */
function materialPuzzle(random: Random): Puzzle {
  const trait = pick(["water", "fire"], random);
  const [place, happened] =
    trait === "water"
      ? ["fell into the lake", { floats: "floated on the water", sinks: "sank to the ground" }]
      : [
          "fell into the fire",
          {
            burns: "began to burn",
            melts: "began to melt",
            "gets hot": "became hot",
            "gets hard": "became hard",
            "stays cold": "stayed cold",
          },
        ];
  for (;;) {
    const [a, b] = pickSome(subjectsOf("material"), 2, random);
    const values = [a, b].map((material) => factOf(material, trait).value);
    if (values[0] === values[1]) continue;
    const answer = random() < 0.5 ? 0 : 1;
    const options: [string, string] = [a.name, b.name];
    const result = happened[values[answer] as keyof typeof happened];
    return {
      sentence: `Some ${options[0]} and some ${options[1]} ${place}. Soon the _ ${result}.`,
      options,
      answer,
      why: `${capital(options[answer])} ${values[answer]} in ${trait === "water" ? "water" : "a fire"}.`,
    };
  }
}

/** Two animals, only one of which has the given food, sound or home. */
function animalPuzzle(random: Random): Puzzle {
  const [trait, did] = pick(
    [
      ["food", "began to eat"],
      ["sound", "began to"],
      ["home", "went back to"],
    ] as const,
    random,
  );
  for (;;) {
    const [a, b] = pickSome(subjectsOf("animal"), 2, random);
    const values = [a, b].map((animal) => factOf(animal, trait).value);
    if (values[0] === values[1]) continue;
    const answer = random() < 0.5 ? 0 : 1;
    const options: [string, string] = [a.name, b.name];
    const why = FACTS.find((fact) => fact.id === `animal:${options[answer]}:${trait}`)!;
    return {
      sentence: `The ${options[0]} met the ${options[1]} on the road. Then the _ ${did} ${values[answer]}.`,
      options,
      answer,
      why:
        trait === "home"
          ? `The ${options[answer]} lives in ${why.value}.`
          : trait === "food"
            ? `The ${options[answer]} eats ${why.value}.`
            : `The ${options[answer]} can ${why.value}.`,
    };
  }
}

/** Draws a puzzle of one of the four kinds: deeds, sizes, materials or animals. */
export function randomPuzzle(random: Random): Puzzle {
  return pick([deedPuzzle, fitPuzzle, materialPuzzle, animalPuzzle], random)(random);
}

/** Returns the sentence with the blank filled, by default with the correct option. */
export const solved = (puzzle: Puzzle, option = puzzle.options[puzzle.answer]): string =>
  puzzle.sentence.replace("_", option);
