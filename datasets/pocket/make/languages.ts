/**
 * The three foreign languages of the pocket world. Each concept has one proto-root, which each language changes by its
 * own sound laws. Each language has its own articles, agreement and word order, so that translating requires more than
 * a word list:
 *
 * - Frell stands for French. Order: subject, verb, object. The article is lo or la by noun class, before the noun. The
 *   adjective follows the noun and has its ending.
 * - Dorsk stands for German. Order: subject, object, verb. The article is da for people and animals and du for things,
 *   before the noun. The adjective precedes the noun and ends in -en.
 * - Rumi stands for Romanian. Order: verb, subject, object. The article is the word ul or ua by noun class, after the
 *   noun. The adjective follows the article and does not change.
 */
import { capital } from "./world";

/** A language of the pocket world. */
export type Language = "English" | "Frell" | "Dorsk" | "Rumi";

/** All languages except English. */
export const FOREIGN: readonly Language[] = ["Frell", "Dorsk", "Rumi"];

/** Language codes in the translation files, like en, fr, de and ro in WMT. */
export const CODES: Record<Language, string> = { English: "en", Frell: "fl", Dorsk: "dk", Rumi: "rm" };

const ANIMATE = [
  "fox",
  "owl",
  "cow",
  "frog",
  "bee",
  "duck",
  "goat",
  "horse",
  "mouse",
  "bear",
  "hen",
  "wolf",
  "baker",
  "smith",
  "farmer",
  "fisher",
];
const THINGS = ["bread", "cheese", "soup", "honey", "boat", "bell", "lamp", "knife"];
const PLACES = ["forest", "hill", "lake", "town", "house"];
const ADJECTIVES = ["red", "white", "black", "green", "brown", "big", "small", "old"];
const VERBS = ["sees", "likes", "finds", "wants", "takes", "hears"];
const PREPOSITIONS = ["in", "near"];

/** A definite noun phrase, in English words. */
export interface NounPhrase {
  /** one of {@link NOUNS} */
  noun: string;
  adjective?: string;
}

/** The parts of a sentence such as "The red fox sees the bell near the lake.", in English words. */
export interface Sentence {
  subject: NounPhrase;
  verb: string;
  object: NounPhrase;
  place?: { preposition: string; noun: string };
}

/** Proto-roots with the sounds C V C V; the first three sounds are different for every concept. */
const ROOTS = new Map<string, string>();
{
  const consonants = "ptkmnlrs";
  const vowels = "aeiou";
  const concepts = [...ANIMATE, ...THINGS, ...PLACES, ...ADJECTIVES, ...VERBS, ...PREPOSITIONS];
  concepts.forEach((concept, i) => {
    const c1 = consonants[i % 8];
    const v1 = vowels[(i + Math.floor(i / 8)) % 5];
    const c2 = consonants[(i * 3 + Math.floor(i / 8) + 1) % 8];
    ROOTS.set(concept, c1 + v1 + c2 + (i % 2 ? "a" : "o"));
  });
}

const SOUND_LAWS: Record<Exclude<Language, "English">, Record<string, string>> = {
  Frell: { k: "ch", s: "j" },
  Dorsk: { p: "b", t: "d", k: "g", l: "w" },
  Rumi: { r: "v", n: "sh", e: "i", a: "e" },
};

/** The stem of a concept in a language: its root after the sound laws, without the class vowel. */
function stem(concept: string, language: Exclude<Language, "English">): string {
  const root = ROOTS.get(concept);
  if (!root) throw new Error(`no word for "${concept}" in ${language}; add it to the word lists in languages.ts`);
  return [...root.slice(0, 3)].map((sound) => SOUND_LAWS[language][sound] ?? sound).join("");
}

const classVowel = (noun: string): string => ROOTS.get(noun)!.charAt(3);

const nounPhrase: Record<Language, (np: NounPhrase) => string> = {
  English: ({ noun, adjective }) => ["the", adjective, noun].filter(Boolean).join(" "),
  Frell: ({ noun, adjective }) => {
    const vowel = classVowel(noun);
    return [`l${vowel}`, stem(noun, "Frell") + vowel, adjective && stem(adjective, "Frell") + vowel]
      .filter(Boolean)
      .join(" ");
  },
  Dorsk: ({ noun, adjective }) =>
    [ANIMATE.includes(noun) ? "da" : "du", adjective && `${stem(adjective, "Dorsk")}en`, stem(noun, "Dorsk")]
      .filter(Boolean)
      .join(" "),
  Rumi: ({ noun, adjective }) =>
    [stem(noun, "Rumi"), classVowel(noun) === "o" ? "ul" : "ua", adjective && stem(adjective, "Rumi")]
      .filter(Boolean)
      .join(" "),
};

/** All nouns that the languages have words for, in English. */
export const NOUNS: readonly string[] = [...ANIMATE, ...THINGS, ...PLACES];

/** Returns a noun phrase with its article in a language, for example "the red fox". */
export const nounPhraseIn = (phrase: NounPhrase, language: Language): string => nounPhrase[language](phrase);

/** Draws a noun, in 60 % of the cases with an adjective. */
export function randomNounPhrase(random: () => number): NounPhrase {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)];
  return { noun: pick(NOUNS), ...(random() < 0.6 ? { adjective: pick(ADJECTIVES) } : {}) };
}

/** Returns a sentence in a language, capitalized and with its full stop. */
export function inLanguage({ subject, verb, object, place }: Sentence, language: Language): string {
  const np = nounPhrase[language];
  const where =
    place &&
    [language === "English" ? place.preposition : stem(place.preposition, language), np({ noun: place.noun })].join(
      " ",
    );
  const parts = {
    English: () => [np(subject), verb, np(object), where],
    Frell: () => [np(subject), `${stem(verb, "Frell")}e`, np(object), where],
    Dorsk: () => [np(subject), where, np(object), `${stem(verb, "Dorsk")}t`],
    Rumi: () => [stem(verb, "Rumi"), np(subject), np(object), where],
  }[language]();
  return capital(`${parts.filter(Boolean).join(" ")}.`);
}

/** Draws a grammatical sentence with an animate subject; a quarter of the sentences name a place. */
export function randomSentence(random: () => number): Sentence {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)];
  const phrase = (noun: string): NounPhrase => ({ noun, ...(random() < 0.5 ? { adjective: pick(ADJECTIVES) } : {}) });
  const subject = phrase(pick(ANIMATE));
  const verb = pick(VERBS);
  const objects = [...ANIMATE, ...THINGS].filter((noun) => noun !== subject.noun);
  const object = phrase(pick(objects));
  return {
    subject,
    verb,
    object,
    ...(random() < 0.25 ? { place: { preposition: pick(PREPOSITIONS), noun: pick(PLACES) } } : {}),
  };
}
