// Whether two checkouts give the same results: after `npm run study` in both, on one machine at one thread count,
//     node --import tsx bench/same-results.ts <checkout before> <checkout after> [runs to compare, default all]
// compares the trained weights of runs with the same id, byte by byte, and every exported CSV file. Exits with 1 if any
// differ.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fileDigest } from "../lib/runs/digests";

const { positionals } = parseArgs({ allowPositionals: true });
const [before, after, most = "Infinity"] = positionals;
if (after === undefined) throw new Error("Give two checkouts in which the study was run.");

const runIds = (checkout: string) =>
  readdirSync(join(checkout, "runs")).filter((id) =>
    existsSync(join(checkout, "runs", id, "model", "model.safetensors")),
  );
const csvFiles = (checkout: string) =>
  readdirSync(join(checkout, "out", "figures")).filter((name) => name.endsWith(".csv"));

const common = runIds(before).filter((id) => runIds(after).includes(id));
const compared = common.slice(0, Number(most));
const weights = (checkout: string, id: string) => fileDigest(join(checkout, "runs", id, "model", "model.safetensors"));
const otherWeights = compared.filter((id) => weights(before, id) !== weights(after, id));
console.log(`${compared.length - otherWeights.length} of ${compared.length} runs have byte-equal weights.`);
console.log(
  `${common.length} run ids in common, of ${runIds(before).length} before and ${runIds(after).length} after.`,
);

const names = [...new Set([...csvFiles(before), ...csvFiles(after)])].sort();
const read = (checkout: string, name: string) => {
  const path = join(checkout, "out", "figures", name);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
};
const otherFiles = names.filter((name) => read(before, name) !== read(after, name));
console.log(`${names.length - otherFiles.length} of ${names.length} CSV files are equal.`);
for (const name of otherFiles) {
  const [old, new_] = [before, after].map((checkout) => read(checkout, name)?.split("\n"));
  if (!old || !new_) {
    console.log(`  ${name}: only ${old ? "before" : "after"}`);
    continue;
  }
  const line = old.findIndex((text, i) => text !== new_[i]);
  console.log(`  ${name}, line ${line + 1}:\n    ${old[line]}\n    ${new_[line]}`);
}
process.exitCode = compared.length > 0 && otherWeights.length + otherFiles.length === 0 ? 0 : 1;
