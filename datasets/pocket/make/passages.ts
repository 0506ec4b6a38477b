/** Passages as lists of sentences. Both the plain texts and the answers to instructions consist of them. */
import { shuffled } from "../../../lib/data/random";
import { between, pick, pickSome, type Random } from "./choose";
import {
  FACTS,
  GOALS,
  capital,
  factOf,
  factsOf,
  shortAnswer,
  statements,
  subjectNamed,
  subjectsOf,
  withArticle,
  type Fact,
  type Goal,
  type Kind,
  type KnowHow,
  type Subject,
} from "./world";

/** The noun for each kind of subject, with its article. */
export const KIND_NOUN: Record<Kind, string> = {
  animal: "an animal",
  town: "a town",
  person: "a person",
  job: "a worker",
  food: "a food",
  material: "a material",
  tool: "a tool",
  sum: "numbers",
};

const say = (fact: Fact, random: Random, pronoun = false): string =>
  pick(statements(fact, fact.value, pronoun), random);

/** A sentence for use after "but" or "that": starts in lower case, unless it starts with a name. */
const midSentence = (sentence: string, { phrase }: Subject): string =>
  /^[A-Z]/.test(phrase) && sentence.startsWith(phrase)
    ? sentence
    : sentence.charAt(0).toLowerCase() + sentence.slice(1);

/** The subject that a fact's value names, such as the town of a person or the tool of a job, if there is one. */
function linked(fact: Fact): Subject | undefined {
  const name = fact.value.replace(/^(a|an|the) /, "");
  const kinds: Partial<Record<string, Kind>> = {
    "person:job": "job",
    "person:town": "town",
    "person:pet": "animal",
    "person:meal": "food",
    "person:friend": "person",
    "job:tool": "tool",
    "job:product": "food",
    "tool:material": "material",
    "town:trade": "food",
  };
  const kind = kinds[`${fact.subject.kind}:${fact.trait}`];
  return kind && subjectsOf(kind).find((subject) => subject.name === name);
}

/** All facts about a subject, then facts about related subjects, then facts about another subject of the same kind. */
export function describe(subject: Subject, random: Random): string[] {
  const own = shuffled(factsOf(subject), random);
  const sentences = own.map((fact, i) => say(fact, random, i > 0 && random() < 0.7));
  if (subject.kind !== "person" && subject.kind !== "sum" && random() < 0.6)
    sentences.unshift(`${capital(subject.phrase)} is ${KIND_NOUN[subject.kind]}.`);
  for (const next of shuffled(
    own.map(linked).filter((s) => s !== undefined),
    random,
  )) {
    sentences.push(
      ...pickSome(factsOf(next), between(1, 3, random), random).map((fact, i) => say(fact, random, i > 0)),
    );
  }
  const users =
    subject.kind === "material" ? FACTS.filter((f) => f.trait === "material" && f.value === subject.name) : [];
  sentences.push(...pickSome(users, 3, random).map((fact) => say(fact, random)));
  const friends = FACTS.filter(
    (f) => f.subject.kind === "person" && f.trait !== "friend" && f.value.replace(/^(a|an) /, "") === subject.name,
  );
  sentences.push(...pickSome(friends, 3, random).map((fact) => say(fact, random)));
  if (subject.kind !== "sum") {
    const other = pick(
      subjectsOf(subject.kind).filter((s) => s !== subject),
      random,
    );
    const noun = KIND_NOUN[subject.kind].replace(/^an? /, "");
    sentences.push(
      `${capital(other.phrase)} is another ${noun}.`,
      ...shuffled(factsOf(other), random).map((fact) => say(fact, random, random() < 0.5)),
    );
  }
  return [...new Set(sentences)];
}

/** Compares two subjects of the same kind, trait by trait. */
export function compare(a: Subject, b: Subject, random: Random): string[] {
  const noun = KIND_NOUN[a.kind].replace(/^an? /, "");
  const sentences = [
    pick(
      [
        `${capital(a.phrase)} is ${KIND_NOUN[a.kind]}, and so is ${b.phrase}.`,
        `${capital(a.phrase)} and ${b.phrase} are not the same ${noun}.`,
      ],
      random,
    ),
  ];
  for (const fact of shuffled(factsOf(a), random)) {
    const other = factOf(b, fact.trait);
    const phrasing = between(0, 1, random);
    const [first, second] = [statements(fact)[phrasing], statements(other)[phrasing]];
    if (other.value === fact.value) sentences.push(first, `The same is true of ${b.phrase}.`);
    else sentences.push(`${first.slice(0, -1)}, but ${midSentence(second, b)}`);
  }
  return sentences;
}

const toolNamed = (tool: string): Subject => subjectNamed("tool", tool);

/** How to reach a goal: fetch the tool, use it, put it back, and whom to ask for help. */
export function howTo({ goal, tool }: Goal, random: Random): string[] {
  const { phrase } = toolNamed(tool);
  const place = factOf(toolNamed(tool), "place").value;
  const wrong = pick(
    GOALS.filter((other) => other.tool !== tool && !GOALS.some((g) => g.goal === goal && g.tool === other.tool)),
    random,
  );
  const workers = FACTS.filter((f) => f.trait === "tool" && f.value === withArticle(tool)).map((f) => f.subject);
  const person = pick(subjectsOf("person"), random);
  return [
    pick(
      [
        `To ${goal} you need ${withArticle(tool)}.`,
        `Take ${withArticle(tool)} and ${goal} with it.`,
        `You can ${goal} with ${withArticle(tool)}.`,
      ],
      random,
    ),
    pick([`First look for ${phrase} in ${place}.`, `First fetch ${phrase} from ${place}.`], random),
    say(factOf(toolNamed(tool), "material"), random),
    pick([`Hold ${phrase} well and ${goal} with care.`, `Then take your time and ${goal} with ${phrase}.`], random),
    pick(
      [`Do not take ${withArticle(wrong.tool)}.`, `${capital(withArticle(wrong.tool))} is of no help here.`],
      random,
    ),
    `${capital(withArticle(wrong.tool))} is used to ${wrong.goal}.`,
    ...workers.map((worker) => `You can also ask ${worker.phrase}, who works with ${phrase}.`),
    pick(
      [`If the work is hard, ask ${person.name} for help.`, `${person.name} can help you if you are tired.`],
      random,
    ),
    pick(
      [`Last, clean ${phrase} and put it back in ${place}.`, `When you are done, bring ${phrase} back to ${place}.`],
      random,
    ),
    ...pickSome(
      GOALS.filter((g) => g.tool === tool && g.goal !== goal),
      2,
      random,
    ).map((g) => `You can ${g.goal} with it, too.`),
  ];
}

/** The right way to do something, the reason for it, and what not to do. */
export function knowHow({ goal, good, bad, reason }: KnowHow, random: Random): string[] {
  const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
  const person = pick(subjectsOf("person"), random);
  return [
    pick([`To ${goal} there is a good way.`, `You want to ${goal}.`, `There is a way to ${goal}.`], random),
    good,
    pick([`This works because ${reason}.`, `The reason is that ${reason}.`], random),
    `Do not do this: ${lower(bad)}`,
    `If you ${lower(bad).slice(0, -1)}, it will not work.`,
    `${person.name} from ${factOf(person, "town").value} always does it the right way.`,
    say(factOf(person, "job"), random, true),
    `So remember: ${lower(good)}`,
  ];
}

/** A common misbelief, its refutation and the true statement; `fact` must have a misbelief. */
export function refute(fact: Fact, random: Random): string[] {
  const wrong = pick(statements(fact, fact.misbelief), random);
  const lower = midSentence(wrong, fact.subject);
  return [
    pick([`Many people believe that ${lower}`, `Some people say that ${lower}`, `You may hear that ${lower}`], random),
    pick(["This is wrong.", "This is not true.", "But they are wrong."], random),
    say(fact, random),
  ];
}

/** Subjects of one kind that have the same value for a trait. */
export interface Group {
  kind: Kind;
  trait: string;
  value: string;
  /** one fact per subject */
  facts: Fact[];
}

/** All groups with at least two members; sums and jobs are excluded. */
export const GROUPS: readonly Group[] = (() => {
  const groups = new Map<string, Group>();
  for (const fact of FACTS) {
    if (["sum", "job"].includes(fact.subject.kind)) continue;
    const key = `${fact.subject.kind}:${fact.trait}:${fact.value}`;
    const group = groups.get(key) ?? { kind: fact.subject.kind, trait: fact.trait, value: fact.value, facts: [] };
    group.facts.push(fact);
    groups.set(key, group);
  }
  return [...groups.values()].filter((group) => group.facts.length > 1);
})();

/** Lists the members of a group, then gives further facts about each. */
export function listing(group: Group, random: Random): string[] {
  const facts = shuffled(group.facts, random);
  const names = facts.map((fact) => fact.subject.phrase);
  const sentences = [
    `They are ${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}.`,
    ...facts.map((fact) => say(fact, random)),
  ];
  for (const { subject } of facts)
    sentences.push(
      ...pickSome(
        factsOf(subject).filter((f) => f.trait !== group.trait),
        2,
        random,
      ).map((fact, i) => say(fact, random, i > 0)),
    );
  return sentences;
}

/** The answer to a question, then more about its subject. */
export function answer(fact: Fact, random: Random): string[] {
  const more = shuffled(
    factsOf(fact.subject).filter((f) => f !== fact),
    random,
  );
  return [
    random() < 0.3 ? `${capital(shortAnswer(fact))}.` : say(fact, random),
    ...more.map((f) => say(f, random, random() < 0.6)),
  ];
}

/** A story: the hero meets another subject, needs a tool to reach a goal, and gets help. */
export function story(hero: Subject, other: Subject, goal: Goal, random: Random): string[] {
  const { subject: they, object: them } = hero.pronoun;
  const name = capital(hero.phrase);
  const meal = pick(subjectsOf("food"), random).name;
  const town = pick(subjectsOf("town"), random);
  return [
    pick(
      [
        `One day ${hero.phrase} left the house.`,
        `Early at dawn ${hero.phrase} went out.`,
        `Once ${hero.phrase} went on a trip to ${town.name}.`,
      ],
      random,
    ),
    ...pickSome(factsOf(hero), between(1, 2, random), random).map((fact) => say(fact, random, random() < 0.7)),
    pick([`On the way ${they} met ${other.phrase}.`, `There ${they} saw ${other.phrase}.`], random),
    ...pickSome(factsOf(other), between(1, 2, random), random).map((fact) => say(fact, random)),
    pick(
      [
        `${name} wanted to ${goal.goal}, but had no ${goal.tool}.`,
        `${name} had to ${goal.goal}, but the ${goal.tool} was lost.`,
      ],
      random,
    ),
    pick([`"Can you help me?" asked ${hero.phrase}.`, `So ${they} asked ${other.phrase} for help.`], random),
    pick(
      [
        `${capital(other.phrase)} gave ${them} ${withArticle(goal.tool)}.`,
        `${capital(other.phrase)} found the ${goal.tool} in ${factOf(toolNamed(goal.tool), "place").value}.`,
      ],
      random,
    ),
    pick(
      [`Now ${they} could ${goal.goal} with the ${goal.tool}.`, `With the ${goal.tool} it was easy to ${goal.goal}.`],
      random,
    ),
    pick([`${name} thanked ${other.phrase}.`, `Then ${hero.phrase} and ${other.phrase} were friends.`], random),
    pick([`They ate ${meal} and were glad.`, `In the evening they sat by the fire and ate ${meal}.`], random),
    pick([`At night ${hero.phrase} went home and slept.`, `That is the end of the story.`], random),
  ];
}

/** A person's day from dawn to night. */
export function day(person: Subject, random: Random): string[] {
  const value = (trait: string): string => factOf(person, trait).value;
  const they = capital(person.pronoun.subject);
  const job = subjectNamed("job", value("job").replace(/^an? /, ""));
  return [
    pick(
      [
        `At dawn ${person.name} gets up and eats ${value("meal")}.`,
        `${person.name} gets up at dawn in ${value("town")}.`,
      ],
      random,
    ),
    `${they} puts on a ${value("coat")} coat.`,
    `Then ${person.pronoun.subject} gives food to ${value("pet").replace(/^an? /, "the ")}.`,
    `${they} is ${value("job")} and works in ${factOf(job, "place").value}.`,
    `There ${person.pronoun.subject} works with ${factOf(job, "tool").value}.`,
    `At noon ${person.pronoun.subject} has made ${factOf(job, "product").value} and sells it.`,
    pick(
      [
        `At dusk ${person.pronoun.subject} meets ${value("friend")}.`,
        `Then ${value("friend")} comes to see ${person.pronoun.object}.`,
      ],
      random,
    ),
    `They eat ${value("meal")} and talk.`,
    pick([`At night ${person.pronoun.subject} goes to bed.`, `At night ${person.name} sleeps well.`], random),
  ];
}

/** A letter from one person to another. */
export function letter(from: Subject, to: Subject, random: Random): string[] {
  const goal = pick(GOALS, random);
  return [
    `Dear ${to.name},`,
    `I live in ${factOf(from, "town").value} and work as ${factOf(from, "job").value}.`,
    `My coat is ${factOf(from, "coat").value}, and I have ${factOf(from, "pet").value} at home.`,
    `How is your ${factOf(to, "pet").value.replace(/^an? /, "")}?`,
    `Today I want to ${goal.goal}, but I need ${withArticle(goal.tool)}.`,
    `Please bring it to me from ${factOf(toolNamed(goal.tool), "place").value}.`,
    `Then we can eat ${factOf(from, "meal").value} in ${factOf(from, "town").value}.`,
    `I know that you like ${factOf(to, "meal").value}, too.`,
    `Your friend ${from.name}.`,
  ];
}

/** A trip between two towns. */
export function trip(from: Subject, to: Subject, random: Random): string[] {
  const person = pick(subjectsOf("person"), random);
  return [
    `Start in ${from.name} at dawn.`,
    ...pickSome(factsOf(from), 2, random).map((fact) => say(fact, random, random() < 0.5)),
    `Then take the road to ${to.name}.`,
    ...pickSome(factsOf(to), 3, random).map((fact) => say(fact, random, random() < 0.5)),
    pick(
      [
        `Take a coat, since there is often ${factOf(to, "weather").value} in ${to.name}.`,
        `In ${to.name} there is often ${factOf(to, "weather").value}, so take a coat.`,
      ],
      random,
    ),
    `In ${to.name} you can buy ${factOf(to, "trade").value}.`,
    `On the way you can meet ${person.name} in ${factOf(person, "town").value}.`,
    pick([`At night you can sleep in ${to.name}.`, `Go back to ${from.name} at dusk.`], random),
  ];
}
