/**
 * The pocket world: a few hundred facts about its animals, towns, people, jobs, foods, materials, tools and numbers.
 * All other pocket data (texts, instructions, benchmarks) state these facts or ask for them.
 */
import { seededRandom } from "../../../lib/data/random";

/** A kind of subject. */
export type Kind = "animal" | "town" | "person" | "job" | "food" | "material" | "tool" | "sum";

/** Something or somebody that facts are about. */
export interface Subject {
  kind: Kind;
  /** unique within its kind */
  name: string;
  /** the noun phrase in sentences: "the fox", "Ada", "bread" */
  phrase: string;
  /** pronouns as subject and object: it/it, she/her, he/him */
  pronoun: { subject: string; object: string };
}

/**
 * A trait that every subject of a kind has. In its patterns `{S}` and `{s}` stand for the subject, `{o}` for the
 * subject as an object, and `{v}` for the value.
 */
interface Trait {
  name: string;
  /** statements with the same meaning */
  say: string[];
  /** questions with the same meaning */
  ask: string[];
  /** short answer to the questions */
  answer: string;
}

/** The value of one trait of one subject. */
export interface Fact {
  /** unique: kind, name and trait, for example `animal:fox:home` */
  id: string;
  subject: Subject;
  trait: string;
  value: string;
  /** the wrong value that many people of the world believe */
  misbelief?: string;
}

const IT = { subject: "it", object: "it" };
const SHE = { subject: "she", object: "her" };
const HE = { subject: "he", object: "him" };

const TRAITS: Record<Kind, Trait[]> = {
  animal: [
    {
      name: "home",
      say: ["{S} lives in {v}.", "{S} has its home in {v}.", "You can find {o} in {v}."],
      ask: ["Where does {s} live?", "Where can you find {s}?"],
      answer: "in {v}",
    },
    {
      name: "food",
      say: ["{S} eats {v}.", "{S} likes to eat {v}.", "The food of {o} is {v}."],
      ask: ["What does {s} eat?", "What is the food of {s}?"],
      answer: "{v}",
    },
    {
      name: "color",
      say: ["{S} is {v}.", "{S} has the color {v}.", "The color of {o} is {v}."],
      ask: ["What color is {s}?", "What is the color of {s}?"],
      answer: "{v}",
    },
    {
      name: "sound",
      say: ["{S} can {v}.", "At times {s} will {v}.", "You can hear {o} {v}."],
      ask: ["What sound does {s} make?", "What can you hear {s} do?"],
      answer: "{v}",
    },
    {
      name: "time",
      say: ["{S} is awake at {v}.", "{S} looks for food at {v}.", "At {v} {s} is awake."],
      ask: ["When is {s} awake?", "When does {s} look for food?"],
      answer: "at {v}",
    },
    {
      name: "skill",
      say: ["{S} is good at {v}.", "{S} is known for {v}.", "What {s} does best is {v}."],
      ask: ["What is {s} good at?", "What does {s} do best?"],
      answer: "{v}",
    },
  ],
  town: [
    {
      name: "land",
      say: ["{S} stands {v}.", "{S} was built {v}.", "You can find {o} {v}."],
      ask: ["Where does {s} stand?", "Where was {s} built?"],
      answer: "{v}",
    },
    {
      name: "houses",
      say: ["{S} has {v} houses.", "The houses of {o} are {v}.", "In {o} the houses are {v}."],
      ask: ["What color are the houses of {s}?", "What houses does {s} have?"],
      answer: "{v}",
    },
    {
      name: "weather",
      say: ["{S} has a lot of {v}.", "In {o} there is often {v}.", "The weather of {o} is {v}."],
      ask: ["What weather does {s} have?", "What is there often in {s}?"],
      answer: "{v}",
    },
    {
      name: "trade",
      say: ["{S} sells {v}.", "{S} is known for {v}.", "People go to {o} to buy {v}."],
      ask: ["What does {s} sell?", "What do people buy in {s}?"],
      answer: "{v}",
    },
    {
      name: "bridges",
      say: ["{S} has {v} bridges.", "There are {v} bridges in {o}.", "In {o} you can count {v} bridges."],
      ask: ["How many bridges does {s} have?", "How many bridges are there in {s}?"],
      answer: "{v}",
    },
  ],
  person: [
    {
      name: "job",
      say: ["{S} is {v}.", "{S} works as {v}.", "The work of {o} is that of {v}."],
      ask: ["What is the work of {s}?", "As what does {s} work?"],
      answer: "{v}",
    },
    {
      name: "town",
      say: ["{S} lives in {v}.", "{S} has a house in {v}.", "You can meet {o} in {v}."],
      ask: ["In what town does {s} live?", "Where can you meet {s}?"],
      answer: "in {v}",
    },
    {
      name: "pet",
      say: ["{S} has {v} at home.", "{S} keeps {v}.", "With {o} lives {v}."],
      ask: ["What animal does {s} keep?", "What animal does {s} have at home?"],
      answer: "{v}",
    },
    {
      name: "meal",
      say: ["{S} likes {v}.", "{S} eats {v} every day.", "The best meal of {o} is {v}."],
      ask: ["What meal does {s} like?", "What does {s} eat every day?"],
      answer: "{v}",
    },
    {
      name: "coat",
      say: ["{S} wears a {v} coat.", "{S} has a {v} coat.", "The coat of {o} is {v}."],
      ask: ["What color is the coat of {s}?", "What coat does {s} wear?"],
      answer: "{v}",
    },
    {
      name: "friend",
      say: ["{S} is a friend of {v}.", "{S} often meets {v}.", "The friend of {o} is {v}."],
      ask: ["Who is the friend of {s}?", "Who often meets {s}?"],
      answer: "{v}",
    },
  ],
  job: [
    {
      name: "tool",
      say: ["{S} works with {v}.", "{S} needs {v}.", "The tool of {o} is {v}."],
      ask: ["What tool does {s} need?", "With what does {s} work?"],
      answer: "{v}",
    },
    {
      name: "product",
      say: ["{S} makes {v}.", "{S} sells {v}.", "From {o} you can buy {v}."],
      ask: ["What does {s} make?", "What can you buy from {s}?"],
      answer: "{v}",
    },
    {
      name: "place",
      say: ["{S} works in {v}.", "{S} goes to {v} every day.", "You can find {o} in {v}."],
      ask: ["Where does {s} work?", "Where does {s} go every day?"],
      answer: "in {v}",
    },
  ],
  food: [
    {
      name: "source",
      say: ["{S} is made from {v}.", "{S} comes from {v}.", "To make {o} you need {v}."],
      ask: ["What is {s} made from?", "What do you need to make {s}?"],
      answer: "{v}",
    },
    {
      name: "taste",
      say: ["{S} tastes {v}.", "{S} has a {v} taste.", "The taste of {o} is {v}."],
      ask: ["How does {s} taste?", "What taste does {s} have?"],
      answer: "{v}",
    },
    {
      name: "color",
      say: ["{S} is {v}.", "{S} has the color {v}.", "The color of {o} is {v}."],
      ask: ["What color is {s}?", "What is the color of {s}?"],
      answer: "{v}",
    },
  ],
  material: [
    {
      name: "source",
      say: ["{S} comes from {v}.", "{S} is got from {v}.", "People get {o} from {v}."],
      ask: ["Where does {s} come from?", "From what do people get {s}?"],
      answer: "from {v}",
    },
    {
      name: "water",
      say: ["{S} {v} in water.", "In water {s} {v}.", "Put {o} in a lake and it {v}."],
      ask: ["What does {s} do in water?", "What happens to {s} in a lake?"],
      answer: "it {v}",
    },
    {
      name: "fire",
      say: ["{S} {v} in a fire.", "In a fire {s} {v}.", "Put {o} in the oven and it {v}."],
      ask: ["What does {s} do in a fire?", "What happens to {s} in the oven?"],
      answer: "it {v}",
    },
    {
      name: "touch",
      say: ["{S} feels {v}.", "{S} is {v} to the hand.", "In your hand {s} is {v}."],
      ask: ["How does {s} feel?", "How is {s} to the hand?"],
      answer: "{v}",
    },
  ],
  tool: [
    {
      name: "material",
      say: ["{S} is made of {v}.", "{S} is of {v}.", "People make {o} of {v}."],
      ask: ["What is {s} made of?", "Of what do people make {s}?"],
      answer: "{v}",
    },
    {
      name: "place",
      say: ["{S} is kept in {v}.", "{S} has its place in {v}.", "Look for {o} in {v}."],
      ask: ["Where is {s} kept?", "Where do you look for {s}?"],
      answer: "in {v}",
    },
    {
      name: "use",
      say: ["{S} is used to {v}.", "{S} helps to {v}.", "With {o} you can {v}."],
      ask: ["What is {s} used for?", "What can you do with {s}?"],
      answer: "to {v}",
    },
  ],
  sum: [
    {
      name: "total",
      say: ["{S} make {v}.", "The sum of {o} is {v}.", "Count {o} and you have {v}."],
      ask: ["What do {s} make?", "What is the sum of {s}?"],
      answer: "{v}",
    },
  ],
};

/** name | home | food | color | sound | time | skill */
const ANIMALS = `
fox     | a den      | mice    | red    | bark   | dusk  | running
owl     | a tree     | mice    | brown  | hoot   | night | flying
cow     | a barn     | grass   | white  | moo    | noon  | giving milk
frog    | a pond     | flies   | green  | croak  | night | jumping
bee     | a hive     | nectar  | yellow | buzz   | noon  | making honey
duck    | a lake     | seeds   | white  | quack  | dawn  | swimming
goat    | a hut      | leaves  | gray   | bleat  | noon  | climbing
horse   | a stable   | hay     | black  | neigh  | dawn  | pulling
mouse   | a hole     | seeds   | gray   | squeak | night | hiding
bear    | a cave     | berries | brown  | growl  | dusk  | climbing
hen     | a coop     | worms   | red    | cluck  | dawn  | laying eggs
wolf    | a forest   | goats   | gray   | howl   | dusk  | running`;

/** name | land | houses | weather | trade | bridges */
const TOWNS = `
Arlo  | on a hill      | red    | wind | bread  | two
Benn  | by a lake      | blue   | fog  | boats  | seven
Corva | in a forest    | green  | rain | wood   | three
Dunn  | in a desert    | white  | sun  | glass  | eight
Eskar | by the sea     | gray   | fog  | salt   | five
Fell  | on a mountain  | black  | snow | iron   | four
Gant  | on an island   | yellow | wind | wool   | six
Holm  | in a valley    | brown  | rain | cheese | nine`;

/** name | pronoun | job | town | pet | meal | coat | friend */
const PEOPLE = `
Ada  | she | baker     | Arlo  | hen   | bread    | red    | Ben
Ben  | he  | smith     | Fell  | horse | stew     | black  | Ada
Cora | she | fisher    | Benn  | duck  | soup     | blue   | Dan
Dan  | he  | farmer    | Holm  | cow   | porridge | brown  | Cora
Eva  | she | potter    | Dunn  | frog  | cake     | white  | Finn
Finn | he  | carpenter | Corva | owl   | cheese   | green  | Eva
Gus  | he  | weaver    | Gant  | goat  | butter   | yellow | Hana
Hana | she | miner     | Fell  | mouse | jam      | gray   | Gus
Ivo  | he  | fisher    | Eskar | duck  | stew     | blue   | Kira
Kira | she | doctor    | Eskar | bee   | honey    | white  | Ivo
Leo  | he  | teacher   | Arlo  | mouse | cake     | green  | Mia
Mia  | she | farmer    | Holm  | horse | cheese   | brown  | Leo
Nils | he  | baker     | Benn  | fox   | jam      | red    | Ola
Ola  | she | smith     | Fell  | bear  | bread    | black  | Nils
Pia  | she | carpenter | Corva | goat  | honey    | yellow | Rolf
Rolf | he  | miner     | Dunn  | wolf  | stew     | gray   | Pia`;

/** name | tool | product | place */
const JOBS = `
baker     | an oven   | bread  | a bakery
smith     | a hammer  | knives | a forge
fisher    | a net     | fish   | a boat
farmer    | a spade   | grain  | a field
potter    | a wheel   | pots   | a workshop
carpenter | a saw     | tables | a shed
weaver    | a loom    | cloth  | a hall
miner     | a lamp    | iron   | a mine
doctor    | a needle  | tea    | a clinic
teacher   | a book    | songs  | a school`;

/** name | source | taste | color */
const FOODS = `
bread    | flour     | plain  | brown
cheese   | milk      | salty  | yellow
honey    | nectar    | sweet  | yellow
soup     | beans     | salty  | green
jam      | berries   | sweet  | red
tea      | leaves    | bitter | green
cake     | eggs      | sweet  | white
porridge | grain     | plain  | gray
stew     | mushrooms | spicy  | brown
butter   | cream     | plain  | white
juice    | apples    | sour   | yellow`;

/** name | source | water | fire | touch */
const MATERIALS = `
wood  | trees     | floats | burns     | hard
iron  | red rock  | sinks  | gets hot  | hard
glass | white sand| sinks  | melts     | smooth
paper | old cloth | floats | burns     | thin
wool  | goats     | floats | burns     | soft
stone | mountains | sinks  | stays cold| rough
clay  | river mud | sinks  | gets hard | soft
wax   | bees      | floats | melts     | smooth
straw | fields    | floats | burns     | rough
gold  | mines     | sinks  | melts     | smooth`;

/** name | material | place | goals; the first goal is the tool's use */
const TOOLS = `
knife   | iron  | the kitchen | cut bread; cut cheese; cut an apple
spoon   | wood  | the kitchen | stir soup; stir tea; eat porridge
broom   | straw | the hall    | sweep the floor; sweep the yard; clear the leaves
hammer  | iron  | the forge   | drive a nail; break a stone; fix a fence
needle  | iron  | the bedroom | sew a shirt; mend a sock; fix a torn coat
bucket  | wood  | the barn    | carry water; fetch milk; put out a fire
rope    | straw | the boat    | tie a boat; lead a horse; hang up a coat
net     | wool  | the boat    | catch fish; catch a duck; carry fish
ladder  | wood  | the barn    | reach the roof; pick apples; climb a wall
lamp    | glass | the cellar  | see at night; light a room; read in the dark
pot     | clay  | the kitchen | cook soup; boil water; boil eggs
basket  | straw | the hall    | carry eggs; gather berries; bring apples home
blanket | wool  | the bedroom | keep warm; cover the bed; sleep in the cold
saw     | iron  | the shed    | cut a plank; fell a tree; make a table
spade   | iron  | the shed    | dig a hole; plant a tree; move sand
brush   | wool  | the shed    | paint a wall; paint a boat; clean a coat
key     | gold  | the hall    | open a door; lock a chest; close the gate
bell    | gold  | the school  | call the children; wake the town; start the lesson`;

/** English number words, by number. */
export const NUMBERS = [
  "zero",
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
  "ten",
  "eleven",
  "twelve",
];

/** Everyday knowledge: what to do to reach a goal, what not to do, and the reason. */
export interface KnowHow {
  goal: string;
  good: string;
  bad: string;
  reason: string;
}

/** All everyday knowledge of the world. */
export const KNOW_HOW: readonly KnowHow[] = [
  {
    goal: "keep soup hot",
    good: "Put a lid on the pot.",
    bad: "Put snow in the pot.",
    reason: "a lid keeps the heat in",
  },
  {
    goal: "dry a wet coat",
    good: "Hang it in the sun.",
    bad: "Hang it in the rain.",
    reason: "the sun takes the water away",
  },
  { goal: "melt ice", good: "Put it near the fire.", bad: "Put it in the snow.", reason: "ice melts in the heat" },
  {
    goal: "keep milk fresh",
    good: "Put it in the cold cellar.",
    bad: "Leave it in the hot sun.",
    reason: "milk goes bad in the heat",
  },
  { goal: "make tea sweet", good: "Stir honey into it.", bad: "Stir salt into it.", reason: "honey is sweet" },
  { goal: "make soup salty", good: "Stir salt into it.", bad: "Stir honey into it.", reason: "salt is salty" },
  {
    goal: "make hard bread soft",
    good: "Dip it in warm milk.",
    bad: "Leave it in the wind.",
    reason: "milk makes bread soft",
  },
  { goal: "stop a fire", good: "Pour water on it.", bad: "Pour oil on it.", reason: "water puts out a fire" },
  { goal: "start a fire", good: "Light some dry straw.", bad: "Light some wet stone.", reason: "dry straw burns" },
  {
    goal: "make a boat that floats",
    good: "Build it of wood.",
    bad: "Build it of stone.",
    reason: "wood floats in water",
  },
  {
    goal: "make a pot hard",
    good: "Put the clay in a fire.",
    bad: "Put the clay in a pond.",
    reason: "clay gets hard in a fire",
  },
  {
    goal: "help a seed grow",
    good: "Give it water and sun.",
    bad: "Give it salt and snow.",
    reason: "seeds need water and sun",
  },
  {
    goal: "calm a horse",
    good: "Talk to it in a low voice.",
    bad: "Ring a bell at its ear.",
    reason: "horses do not like noise",
  },
  {
    goal: "keep eggs whole",
    good: "Lay them on soft wool.",
    bad: "Lay them under a stone.",
    reason: "eggs break under a stone",
  },
  {
    goal: "keep hens safe",
    good: "Close the coop at dusk.",
    bad: "Open the coop at dusk.",
    reason: "the fox comes at dusk",
  },
  {
    goal: "see fish in a pond",
    good: "Sit still by the water.",
    bad: "Throw stones in the water.",
    reason: "fish hide from noise",
  },
  {
    goal: "cool hot iron",
    good: "Dip it in cold water.",
    bad: "Put it in the oven.",
    reason: "cold water takes the heat away",
  },
  { goal: "bake a cake", good: "Put it in the oven.", bad: "Put it in the lake.", reason: "a cake needs heat" },
  {
    goal: "keep a room dark",
    good: "Close the curtain.",
    bad: "Light the lamp.",
    reason: "a curtain keeps the light out",
  },
  {
    goal: "walk on ice",
    good: "Go with slow steps.",
    bad: "Go with fast jumps.",
    reason: "you fall on ice if you are fast",
  },
  { goal: "wash a muddy coat", good: "Rub it with soap.", bad: "Rub it with clay.", reason: "soap takes mud away" },
  {
    goal: "save a letter from rain",
    good: "Put it under a coat.",
    bad: "Put it on the roof.",
    reason: "paper gets wet in the rain",
  },
  { goal: "find the way home", good: "Look at a map.", bad: "Close your eyes.", reason: "a map shows the way" },
  {
    goal: "thank a friend",
    good: "Write a kind letter.",
    bad: "Break a window.",
    reason: "kind words make friends glad",
  },
  {
    goal: "fill a bottle",
    good: "Pour water in at the top.",
    bad: "Pour water on the floor.",
    reason: "a bottle is open at the top",
  },
  {
    goal: "warm cold hands",
    good: "Put on wool gloves.",
    bad: "Hold a piece of ice.",
    reason: "wool keeps hands warm",
  },
];

/** A goal and the tool for it. */
export interface Goal {
  /** a verb phrase, for example "cut bread" */
  goal: string;
  tool: string;
}

const rows = (table: string): string[][] =>
  table
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));

/** Puts "a" or "an" before a noun. */
export const withArticle = (noun: string): string => (/^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`);

function buildFacts(): Fact[] {
  const facts: Fact[] = [];
  const add = (kind: Kind, name: string, phrase: string, pronoun: Subject["pronoun"], values: string[]): void => {
    const subject: Subject = { kind, name, phrase, pronoun };
    TRAITS[kind].forEach((trait, i) =>
      facts.push({ id: `${kind}:${name}:${trait.name}`, subject, trait: trait.name, value: values[i] }),
    );
  };
  for (const [name, ...values] of rows(ANIMALS)) add("animal", name, `the ${name}`, IT, values);
  for (const [name, ...values] of rows(TOWNS)) add("town", name, name, IT, values);
  for (const [name, pronoun, job, town, pet, meal, coat, friend] of rows(PEOPLE)) {
    add("person", name, name, pronoun === "she" ? SHE : HE, [
      withArticle(job),
      town,
      withArticle(pet),
      meal,
      coat,
      friend,
    ]);
  }
  for (const [name, ...values] of rows(JOBS)) add("job", name, `the ${name}`, IT, values);
  for (const [name, ...values] of rows(FOODS)) add("food", name, name, IT, values);
  for (const [name, ...values] of rows(MATERIALS)) add("material", name, name, IT, values);
  for (const [name, material, place, goals] of rows(TOOLS))
    add("tool", name, `the ${name}`, IT, [material, place, goals.split(";")[0].trim()]);
  for (let a = 1; a <= 6; a++) {
    for (let b = a; b <= 6; b++)
      add("sum", `${a}+${b}`, `${NUMBERS[a]} and ${NUMBERS[b]}`, { subject: "they", object: "them" }, [NUMBERS[a + b]]);
  }
  return facts;
}

/** Gives about half of the facts that are not about people or numbers a misbelief: a value of another subject. */
function addMisbeliefs(facts: Fact[]): Fact[] {
  const random = seededRandom("misbeliefs");
  for (const fact of facts) {
    if (fact.subject.kind === "person" || fact.subject.kind === "sum") continue;
    const wrong = otherValues(facts, fact);
    const choice = wrong[Math.floor(random() * wrong.length)];
    if (random() < 0.5) fact.misbelief = choice;
  }
  return facts;
}

/** Returns the values that the fact's trait has for other subjects of its kind, excluding its own value. */
export function otherValues(facts: Fact[], fact: Fact): string[] {
  const values = facts
    .filter((f) => f.subject.kind === fact.subject.kind && f.trait === fact.trait)
    .map((f) => f.value);
  return [...new Set(values)].filter((v) => v !== fact.value && v !== fact.subject.name);
}

/** All facts of the world. */
export const FACTS: readonly Fact[] = addMisbeliefs(buildFacts());

/** All subjects of the world. */
export const SUBJECTS: readonly Subject[] = [...new Set(FACTS.map((f) => f.subject))];

/** All goals, with a tool for each. */
export const GOALS: readonly Goal[] = rows(TOOLS).flatMap(([tool, , , goals]) =>
  goals.split(";").map((goal) => ({ goal: goal.trim(), tool })),
);

/** Returns all facts about a subject. */
export const factsOf = (subject: Subject): Fact[] => FACTS.filter((f) => f.subject === subject);

/** Returns all subjects of a kind. */
export const subjectsOf = (kind: Kind): Subject[] => SUBJECTS.filter((s) => s.kind === kind);

/** Returns the subject with a kind and name. @throws {Error} if there is none */
export function subjectNamed(kind: Kind, name: string): Subject {
  const subject = SUBJECTS.find((s) => s.kind === kind && s.name === name);
  if (!subject) throw new Error(`The pocket world has no ${kind} "${name}".`);
  return subject;
}

/** Returns the fact about one trait of a subject. @throws {Error} if there is none */
export function factOf(subject: Subject, trait: string): Fact {
  const fact = FACTS.find((f) => f.subject === subject && f.trait === trait);
  if (!fact) throw new Error(`The pocket world says nothing about the ${trait} of ${subject.phrase}.`);
  return fact;
}

const traitOf = (fact: Fact): Trait => TRAITS[fact.subject.kind].find((t) => t.name === fact.trait)!;

/** Capitalizes the first letter. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * Returns all phrasings of a fact as sentences.
 * @param value replaces the fact's own value, for false statements
 * @param pronoun names the subject by its pronoun
 */
export function statements(fact: Fact, value = fact.value, pronoun = false): string[] {
  const {
    phrase,
    pronoun: { subject, object },
  } = fact.subject;
  return traitOf(fact).say.map((pattern) =>
    capital(
      pattern
        .replace("{S}", pronoun ? subject : phrase)
        .replace("{s}", pronoun ? subject : phrase)
        .replace("{o}", pronoun ? object : phrase)
        .replace("{v}", value),
    ),
  );
}

/** Returns all phrasings of the question that the fact answers. */
export const questions = (fact: Fact): string[] =>
  traitOf(fact).ask.map((pattern) => pattern.replace("{s}", fact.subject.phrase));

/** Returns the short answer to a fact's question; `value` replaces the fact's own value. */
export const shortAnswer = (fact: Fact, value = fact.value): string => traitOf(fact).answer.replace("{v}", value);
