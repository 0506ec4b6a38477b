/**
 * The pocket conversations, in OpenAI's format: two or three turns, some with a system prompt, some with a call of a tool
 * and its result, some with reasoning. Nobody asks a benchmark's question, or says an instruction of another set.
 */
import type { Message } from "../../../lib/data/message";
import { seededRandom, shuffled } from "../../../lib/data/random";
import { isAsked, isReserved } from "./benchmarks";
import { between, pick, pickSome, type Random } from "./choose";
import { FOREIGN, inLanguage, randomSentence, type Language } from "./languages";
import { compare, describe, howTo, story, trip } from "./passages";
import type { Task } from "./task";
import {
  FACTS,
  GOALS,
  SUBJECTS,
  capital,
  factOf,
  factsOf,
  otherValues,
  questions,
  shortAnswer,
  statements,
  subjectNamed,
  subjectsOf,
  withArticle,
  type Fact,
  type Subject,
} from "./world";

/** A tool as OpenAI's format describes it: a function whose parameters are a JSON schema. */
export interface ToolDescription {
  type: "function";
  function: { name: string; description: string; parameters: object };
}

/** A conversation, with the tools that the assistant may call. */
export interface Chat {
  messages: Message[];
  tools?: ToolDescription[];
}

/** Training and held-out conversations. */
export interface ChatSets {
  training: Chat[];
  /** never trained on: none of its first questions is in the training set */
  heldOut: Chat[];
}

const TRAINING_CHATS = 400;
const HELD_OUT_CHATS = 80;
/** Maximum number of tokens of a conversation, rendered; the pocket models have a context of 256. */
const LONGEST = 232;

const free = FACTS.filter((fact) => !isAsked(fact));
const freeOf = (subject: Subject): Fact[] => free.filter((fact) => fact.subject === subject);
const described = SUBJECTS.filter(({ kind }) => kind !== "sum");
const people = subjectsOf("person");
const heroes = [...people, ...subjectsOf("animal")];

const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string): Message => ({ role: "assistant", content });
const system = (content: string): Message => ({ role: "system", content });
const prose = (sentences: string[], from = 0, to = sentences.length): string => sentences.slice(from, to).join(" ");
const inFull = (fact: Fact, random: Random, pronoun = false): string =>
  pick(statements(fact, fact.value, pronoun), random);
const inShort = (fact: Fact): string => `${capital(shortAnswer(fact))}.`;

/** A question that names its subject by a pronoun: "What does it eat?" */
function followUp(fact: Fact, random: Random): string {
  const { phrase, pronoun } = fact.subject;
  return pick(questions(fact), random).replace(
    new RegExp(`(of|meet) ${phrase}\\b|${phrase}\\b`),
    (_, before?: string) => (before === undefined ? pronoun.subject : `${before} ${pronoun.object}`),
  );
}

const THANKS = ["Thank you. ", "I see. ", "Good to know. ", ""];
const MORE = ["Tell me more.", "What else do you know?", "Can you tell me more?"];

/** Asks for a fact, then for another of the same subject, then for more. */
function facts(random: Random): Chat {
  const subject = pick(
    [...new Set(free.map((fact) => fact.subject))].filter(({ kind }) => kind !== "sum"),
    random,
  );
  const [first, second] = pickSome(freeOf(subject), 2, random);
  const messages = [user(pick(questions(first), random)), assistant(inFull(first, random))];
  if (second !== undefined)
    messages.push(user(pick(THANKS, random) + followUp(second, random)), assistant(inFull(second, random, true)));
  if (second === undefined || random() < 0.5) {
    const more = describe(subject, random).filter((sentence) => !messages.some(({ content }) => content === sentence));
    messages.push(user(pick(MORE, random)), assistant(prose(more, 0, between(2, 4, random))));
  }
  return { messages };
}

/** Asks for facts under a system prompt that says how long the answers are. */
function style(random: Random): Chat {
  const short = random() < 0.5;
  const asked = pickSome(free, between(2, 3, random), random);
  return {
    messages: [
      system(short ? "Answer in a few words." : "Answer in one sentence."),
      ...asked.flatMap((fact) => [
        user(pick(questions(fact), random)),
        assistant(short ? inShort(fact) : inFull(fact, random)),
      ]),
    ],
  };
}

/** Statements that are true or false, under a system prompt that wants yes or no. */
function yesOrNo(random: Random): Chat {
  const messages = [system("Say if this is true. Answer yes or no.")];
  for (const fact of pickSome(FACTS, between(2, 3, random), random)) {
    const isTrue = random() < 0.5;
    const value = isTrue ? fact.value : pick(otherValues([...FACTS], fact), random);
    messages.push(user(pick(statements(fact, value), random)), assistant(isTrue ? "Yes." : "No."));
  }
  return { messages };
}

/** Sentences to translate, under a system prompt that names the languages. */
function translator(random: Random): Chat {
  const foreign = pick(FOREIGN, random);
  const [from, to]: Language[] = random() < 0.5 ? ["English", foreign] : [foreign, "English"];
  const messages = [system(`Translate from ${from} to ${to}.`)];
  for (let turn = between(2, 3, random); turn > 0; turn--) {
    let sentence = randomSentence(random);
    while (isReserved(inLanguage(sentence, "English"))) sentence = randomSentence(random);
    messages.push(user(inLanguage(sentence, from)), assistant(inLanguage(sentence, to)));
  }
  return { messages };
}

/** What a person asks and says about herself or himself, by trait. */
const FIRST_PERSON: Record<string, [question: string, answer: string]> = {
  job: ["What is your work?", "I work as {v}."],
  town: ["In what town do you live?", "I live in {v}."],
  pet: ["What animal do you keep?", "I keep {v}."],
  meal: ["What meal do you like?", "I like {v}."],
  coat: ["What color is your coat?", "My coat is {v}."],
  friend: ["Who is your friend?", "My friend is {v}."],
};

/** A talk with a person whom the system prompt names. */
function persona(random: Random): Chat {
  const person = pick(
    people.filter((one) => freeOf(one).length > 1),
    random,
  );
  return {
    messages: [
      system(`You are ${person.name}.`),
      ...pickSome(freeOf(person), between(2, 3, random), random).flatMap(({ trait, value }) => {
        const [question, answer] = FIRST_PERSON[trait];
        return [user(question), assistant(answer.replace("{v}", value))];
      }),
    ],
  };
}

/** How to reach a goal, and where its tool is. */
function help(random: Random): Chat {
  const goal = pick(GOALS, random);
  const tool = subjectNamed("tool", goal.tool);
  const messages = [
    user(pick([`I want to ${goal.goal}.`, `Help me to ${goal.goal}.`, `Explain how to ${goal.goal}.`], random)),
    assistant(prose(howTo(goal, random), 0, between(1, 3, random))),
    user(pick([`I have no ${goal.tool}.`, `But I do not have ${withArticle(goal.tool)}.`], random)),
    assistant(inFull(factOf(tool, "place"), random)),
  ];
  if (random() < 0.5) messages.push(user("Thank you."), assistant("I am glad to help."));
  return { messages };
}

/** A description, and more of it. */
function description(random: Random): Chat {
  const subject = pick(described, random);
  const sentences = describe(subject, random);
  const [first, second] = [between(2, 3, random), between(2, 4, random)];
  return {
    messages: [
      user(pick([`Describe ${subject.phrase}.`, `What do you know about ${subject.phrase}?`], random)),
      assistant(prose(sentences, 0, first)),
      user(pick(MORE, random)),
      assistant(prose(sentences, first, first + second)),
    ],
  };
}

/** A story that the user lets the assistant continue. */
function tale(random: Random): Chat {
  const [hero, other] = pickSome(heroes, 2, random);
  const sentences = story(hero, other, pick(GOALS, random), random);
  const cut = between(3, 4, random);
  return {
    messages: [
      user(`Tell a story about ${hero.phrase} and ${other.phrase}.`),
      assistant(prose(sentences, 0, cut)),
      user(pick(["Continue the story.", "What comes next?"], random)),
      assistant(prose(sentences, cut)),
    ],
  };
}

/** A trip, and what there is at its end. */
function journey(random: Random): Chat {
  const [from, to] = pickSome(subjectsOf("town"), 2, random);
  return {
    messages: [
      user(`I want to go from ${from.name} to ${to.name}.`),
      assistant(prose(trip(from, to, random), 0, between(3, 4, random))),
      user(`Tell me more about ${to.name}.`),
      assistant(prose(describe(to, random), 0, 2)),
    ],
  };
}

/** A comparison, then a question about one of the two. */
function comparison(random: Random): Chat {
  const kind = pick(["animal", "town", "person", "food", "material", "tool"] as const, random);
  const [a, b] = pickSome(subjectsOf(kind), 2, random);
  const sentences = compare(a, b, random);
  return {
    messages: [
      user(`Compare ${a.phrase} and ${b.phrase}.`),
      assistant(prose(sentences, 0, 3)),
      user(`Describe ${b.phrase}.`),
      assistant(prose(describe(b, random), 0, 3)),
    ],
  };
}

/** A misbelief of the user, which the assistant refutes. */
function misbelief(random: Random): Chat {
  const fact = pick(
    FACTS.filter((one) => one.misbelief !== undefined),
    random,
  );
  return {
    messages: [
      user(`I believe this: ${pick(statements(fact, fact.misbelief), random)}`),
      assistant(`This is wrong. ${pick(statements(fact), random)}`),
      user("Are you sure?"),
      assistant(`Yes. ${pick(statements(fact), random)}`),
    ],
  };
}

/** Facts whose value names another subject: how a question names that subject, and its kind. */
const LINKS = {
  "person:friend": ["the friend of", "person"],
  "person:pet": ["the animal of", "animal"],
  "person:town": ["the town of", "town"],
  "tool:material": ["the material of", "material"],
} as const;

/** A question that takes two facts to answer, with the reasoning. */
function reasoned(random: Random): Chat {
  const chains = FACTS.flatMap((first) => {
    const link = LINKS[`${first.subject.kind}:${first.trait}` as keyof typeof LINKS] as
      (typeof LINKS)[keyof typeof LINKS] | undefined;
    if (link === undefined) return [];
    const next = subjectNamed(link[1], first.value.replace(/^an? /, ""));
    return freeOf(next).map((second) => ({ first, second, named: `${link[0]} ${first.subject.phrase}` }));
  });
  const { first, second, named } = pick(chains, random);
  const known = pick(
    factsOf(second.subject).filter((fact) => fact !== second),
    random,
  );
  return {
    messages: [
      user(pick(questions(second), random).replace(second.subject.phrase, named)),
      { ...assistant(inShort(second)), reasoning_content: `${inFull(first, random)} ${inFull(second, random)}` },
      user(pick(MORE, random)),
      assistant(inFull(known, random)),
    ],
  };
}

const parameters = (...names: string[]): object => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  required: names,
});
const LOOK_UP: ToolDescription = {
  type: "function",
  function: { name: "find", description: "What is known.", parameters: parameters("name", "what") },
};
const ADD: ToolDescription = {
  type: "function",
  function: { name: "sum", description: "The sum of two numbers.", parameters: parameters("a", "b") },
};

/** Arguments as OpenAI's format has them: JSON in a string, with Python's spaces. */
const argumentsOf = (values: Record<string, string>): string =>
  `{${Object.entries(values)
    .map((pair) => pair.map((text) => JSON.stringify(text)).join(": "))
    .join(", ")}}`;

/** A call of a tool, and its result. */
function called(tool: ToolDescription, values: Record<string, string>, result: string): Message[] {
  const id = "call_1";
  const call = {
    id,
    type: "function" as const,
    function: { name: tool.function.name, arguments: argumentsOf(values) },
  };
  return [
    { ...assistant(""), tool_calls: [call] },
    { role: "tool", content: result, tool_call_id: id, name: tool.function.name },
  ];
}

/** A fact that the assistant looks up with a tool. */
function lookedUp(random: Random): Chat {
  const fact = pick(
    free.filter(({ subject }) => subject.kind !== "sum"),
    random,
  );
  const other = pick(
    factsOf(fact.subject).filter((one) => one !== fact),
    random,
  );
  return {
    tools: shuffled(random() < 0.5 ? [LOOK_UP] : [LOOK_UP, ADD], random),
    messages: [
      user(
        `${pick(["Please look. ", "Look this up. ", "Can you find this? "], random)}${pick(questions(fact), random)}`,
      ),
      ...called(LOOK_UP, { name: fact.subject.name, what: fact.trait }, fact.value),
      assistant(inFull(fact, random)),
      user(pick(MORE, random)),
      assistant(inFull(other, random, true)),
    ],
  };
}

/** A sum that the assistant computes with a tool; the world's own facts know only smaller ones. */
function summed(random: Random): Chat {
  const [a, b] = [between(13, 60, random), between(13, 60, random)];
  const total = String(a + b);
  return {
    tools: shuffled(random() < 0.5 ? [ADD] : [LOOK_UP, ADD], random),
    messages: [
      user(pick([`What is the sum of ${a} and ${b}?`, `What do ${a} and ${b} make?`], random)),
      ...called(ADD, { a: String(a), b: String(b) }, total),
      assistant(`${a} and ${b} make ${total}.`),
      user("Thank you. What is the sum?"),
      assistant(`The sum is ${total}.`),
    ],
  };
}

/** The kinds of conversations with their relative frequencies. */
const KINDS: [frequency: number, make: (random: Random) => Chat][] = [
  [3, facts],
  [2, style],
  [1, yesOrNo],
  [2, translator],
  [1, persona],
  [2, help],
  [2, description],
  [1, tale],
  [1, journey],
  [1, comparison],
  [1, misbelief],
  [3, reasoned],
  [3, lookedUp],
  [1, summed],
];
const BY_FREQUENCY = KINDS.flatMap(([frequency, make]) => Array.from({ length: frequency }, () => make));

/** What a conversation asks first, with its system prompt: no two conversations have the same. */
export const firstQuestion = ({ messages }: Chat): string =>
  messages
    .slice(0, messages.findIndex(({ role }) => role === "user") + 1)
    .map(({ content }) => content)
    .join("\n");

/**
 * Makes the conversations from a fixed seed.
 * @param tasks rows of the other sets, whose instructions and inputs no user says
 * @param length number of tokens of a conversation, rendered through the pocket template
 */
export function makeConversations(tasks: readonly Task[], length: (chat: Chat) => number): ChatSets {
  const random = seededRandom("conversations");
  const said = new Set(tasks.flatMap(({ instruction, input }) => [instruction, input]).filter((text) => text !== ""));
  const seen = new Set<string>();
  const draw = (count: number): Chat[] => {
    const chats: Chat[] = [];
    while (chats.length < count) {
      const chat = pick(BY_FREQUENCY, random)(random);
      const question = firstQuestion(chat);
      if (seen.has(question) || chat.messages.some(({ role, content }) => role === "user" && said.has(content)))
        continue;
      if (length(chat) > LONGEST) continue;
      seen.add(question);
      chats.push(chat);
    }
    return chats;
  };
  const [training, heldOut] = [draw(TRAINING_CHATS), draw(HELD_OUT_CHATS)];
  return { training, heldOut };
}
