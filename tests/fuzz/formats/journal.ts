import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Journal } from "../../../lib/evaluate/journal";
import { difference, once, type Expected, type Format } from "../format";
import { mutateJsonText, type Files } from "../mutate";

const FILE = "task.json.partial";
const SETTINGS = JSON.stringify({ format: 3, weights: "ab", settings: { task: "piqa", shots: 0 } });
type Outcome = { sum: number; isGreedy: boolean }[] | { text: string; tokens: number };

/** The outcomes of the items, batch by batch, in the order of their saving. */
const BATCHES: [number, Outcome][][] = Array.from({ length: 6 }, (_, batch) =>
  Array.from({ length: 3 }, (_, i): [number, Outcome] => {
    const item = 3 * batch + i;
    return [item, item % 2 ? { text: `é "${item}"\n`, tokens: item } : [{ sum: -item - 0.25, isGreedy: i === 0 }]];
  }),
);

/** Any outcome will do here: that it is the one that was written must not depend on what a task knows of its outcomes. */
const isOutcome = (item: number, value: unknown): value is Outcome => Number.isInteger(item) && value !== undefined;

/** The files with the first n batches, written by the product. */
const written = once(() =>
  BATCHES.map((_, n) => {
    const dir = mkdtempSync(join(tmpdir(), "promptloss-fuzz-journal-"));
    try {
      const journal = new Journal<Outcome>(join(dir, FILE), SETTINGS, isOutcome);
      for (const batch of BATCHES.slice(0, n + 1)) journal.add(batch);
      return readFileSync(join(dir, FILE));
    } finally {
      rmSync(dir, { recursive: true });
    }
  }),
);

/** The outcomes of a journal that is opened, and of the same one opened again with an outcome added. */
interface Read {
  first: [number, Outcome][];
  again: [number, Outcome][];
}

/** Journals of an evaluation's outcomes. */
export const journal: Format<Read> = {
  name: "journal",
  place: /line|item|journal/,
  valid: (draw) => new Map([[FILE, Buffer.from(draw.pick(written()))]]),

  mutate(draw, files) {
    const lines = files.get(FILE)!.toString().split("\n");
    const i = draw.int(lines.length - 1);
    switch (draw.pick(["json", "json", "number", "number", "line twice", "line gone", "lines swapped", "header"])) {
      case "json":
        lines[i] = mutateJsonText(draw, lines[i]).text.replaceAll("\n", " ");
        break;
      case "number":
        lines[i] = lines[i].replaceAll(/\d+/g, (digits) => (draw.chance(0.3) ? String(Number(digits) + 1) : digits));
        break;
      case "line twice":
        lines.splice(draw.int(lines.length), 0, lines[i]);
        break;
      case "line gone":
        lines.splice(i, 1);
        break;
      case "lines swapped": {
        const j = draw.int(lines.length - 1);
        [lines[i], lines[j]] = [lines[j], lines[i]];
        break;
      }
      case "header":
        lines[0] = lines[0].replace("piqa", "arc");
        break;
    }
    files.set(FILE, Buffer.from(lines.join("\n")));
    return `line ${i + 1}`;
  },

  read(dir) {
    const file = join(dir, FILE);
    const first = outcomesOf(new Journal<Outcome>(file, SETTINGS, isOutcome));
    new Journal<Outcome>(file, SETTINGS, isOutcome).add([[100, { text: "new", tokens: 1 }]]);
    const again = outcomesOf(new Journal<Outcome>(file, SETTINGS, isOutcome));
    if (!existsSync(file)) throw new Error("the journal is gone");
    return { first, again };
  },

  expected(files: Files, isValid): Expected<Read> {
    const all = BATCHES.flat();
    return {
      mayRefuse: false,
      check({ first, again }) {
        const isWhole = isValid && first.length !== files.get(FILE)!.toString().trim().split("\n").length * 3 - 3;
        if (isWhole) return `only ${first.length} outcomes of a whole journal`;
        return (
          difference("the outcomes", first, all.slice(0, first.length)) ??
          difference("the outcomes after another", again, [...first, [100, { text: "new", tokens: 1 }]])
        );
      },
    };
  },
};

function outcomesOf(opened: Journal<Outcome>): [number, Outcome][] {
  const items = [...Array(200).keys()].filter((item) => opened.has(item));
  return opened.size > items.length
    ? [...items.map((item): [number, Outcome] => [item, opened.get(item)]), [-1, []]]
    : items.map((item) => [item, opened.get(item)]);
}
