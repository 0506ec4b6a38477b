import { translation, type Language } from "./translation";
import { splits } from "../task";

const ENGLISH = { code: "en", name: "English" };
const FRENCH = { code: "fr", name: "French" };
const GERMAN = { code: "de", name: "German" };
const ROMANIAN = { code: "ro", name: "Romanian" };

/** Validation and test together, as the paper has it; one file serves both directions. */
const wmt = (year: string, from: Language, to: Language) => translation({
  name: `${year}-${from.code}-${to.code}`, version: "1.0", harness: "0.4.13", shots: 0, from, to,
  data: splits([`${year}-${from.code}-${to.code}`, `${year}-${to.code}-${from.code}`], { items: ["validation", "test"], shots: "validation", hasTest: true }),
});

export const wmtTasks = [
  wmt("wmt14", ENGLISH, FRENCH), wmt("wmt14", FRENCH, ENGLISH),
  wmt("wmt16", ENGLISH, GERMAN), wmt("wmt16", GERMAN, ENGLISH),
  wmt("wmt16", ENGLISH, ROMANIAN), wmt("wmt16", ROMANIAN, ENGLISH),
];
