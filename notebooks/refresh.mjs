// Takes the results of the last study into the repository: executed notebooks from out/notebooks, figures and tables
// from out/figures, and a page that shows them. Nothing else writes there, so that a commit of results is a decision.
//
//   node notebooks/refresh.mjs [folder of the study's results; default PROMPTLOSS_OUT, or out] [repository to write to]
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const source = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const results = resolve(source, process.argv[2] ?? (process.env.PROMPTLOSS_OUT || "out"));
const target = resolve(process.argv[3] ?? source);

try {
  const notebooks = readNotebooks();
  const figures = readFigures();
  for (const [name, content] of notebooks) write(join(target, "notebooks", name), content);
  for (const name of listed(join(target, "figures"), /\.(pdf|svg|png|csv|tex|html)$/))
    if (!figures.has(name)) rmSync(join(target, "figures", name));
  for (const [name, content] of figures) write(join(target, "figures", name), content);
  console.log(
    `Refreshed ${notebooks.size} notebooks and ${figures.size - 1} files of figures and tables. Look at them before you commit.`,
  );
} catch (error) {
  console.error(`Nothing was changed: ${error.message}`);
  process.exitCode = 1;
}

// ---------------------------------------------------------------- notebooks

function readNotebooks() {
  const names = listed(join(source, "notebooks"), /\.ipynb$/);
  return new Map(
    names.map((name) => {
      const file = join(results, "notebooks", name);
      if (!existsSync(file)) throw new Error(`${file} is missing; run npm run study first.`);
      const notebook = JSON.parse(readFileSync(file, "utf8"));
      checkNotebook(notebook, name);
      return [name, `${JSON.stringify(cleaned(notebook), null, 1)}\n`];
    }),
  );
}

function checkNotebook(notebook, name) {
  const cells = (content) =>
    JSON.stringify(content.cells.map((cell) => [cell.cell_type, [cell.source].flat().join("")]));
  if (cells(notebook) !== cells(JSON.parse(readFileSync(join(source, "notebooks", name), "utf8")))) {
    throw new Error(`${name} was changed after the study ran it; run npm run study again.`);
  }
  const failed = notebook.cells.flatMap((cell) => cell.outputs ?? []).find((output) => output.output_type === "error");
  if (failed) throw new Error(`${name} ended with an error: ${failed.ename}: ${failed.evalue}`);
}

/** Without what differs from machine to machine and from minute to minute: paths, names, speeds, times. */
function cleaned(notebook) {
  for (const cell of notebook.cells) {
    cell.metadata = {};
    for (const output of cell.outputs ?? []) {
      if (output.text !== undefined) output.text = cleanedText(output.text);
      for (const [type, value] of Object.entries(output.data ?? {})) {
        if (type.startsWith("text/")) output.data[type] = cleanedText(value);
        else if (type === "application/vnd.plotly.v1+json") output.data[type] = rounded(value);
      }
    }
  }
  return notebook;
}

function cleanedText(text) {
  if (Array.isArray(text)) return text.map(cleanedText);
  const whole = (words) => new RegExp(`(?<![\\w-])${words.replace(/[^\w]/g, "\\$&")}(?![\\w-])`, "g");
  return text
    .replaceAll(source, ".")
    .replace(whole(homedir()), "~")
    .replace(whole(hostname()), "localhost")
    .replace(/ · [\d,]+ tokens\/s/g, "");
}

/** Six digits: what lies below differs between processors, and no picture shows it. */
function rounded(value) {
  if (typeof value === "number") return Number.isInteger(value) ? value : Number(value.toPrecision(6));
  if (Array.isArray(value)) return value.map(rounded);
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, rounded(part)]))
    : value;
}

// ---------------------------------------------------------------- figures

function readFigures() {
  const folder = join(results, "figures");
  const names = existsSync(folder) ? listed(folder, /\.(pdf|svg|png|csv|tex|html)$/) : [];
  if (names.length === 0) throw new Error(`${folder} has no figures; run npm run study first.`);
  const files = new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
  return files.set("README.md", gallery(files));
}

/** A page of all figures with their captions, and of links to the tables. */
function gallery(files) {
  const stems = [...new Set([...files.keys()].map((name) => name.replace(/\.\w+$/, "")))].sort();
  const links = (stem) =>
    ["pdf", "svg", "png", "csv", "tex", "html"]
      .filter((type) => files.has(`${stem}.${type}`))
      .map((type) => `[${type.toUpperCase()}](${stem}.${type})`)
      .join(" · ");
  const sections = stems.map((stem) => {
    const caption =
      /<desc>(.*?)<\/desc>/s.exec(files.get(`${stem}.svg`)?.toString("utf8") ?? "")?.[1] ??
      /\\caption\{(.*)\}/.exec(files.get(`${stem}.tex`)?.toString("utf8") ?? "")?.[1] ??
      "";
    return [`## ${stem}`, ...(files.has(`${stem}.png`) ? [`![${stem}](${stem}.png)`] : []), caption, links(stem)]
      .filter((part) => part !== "")
      .join("\n\n");
  });
  return `${["# Figures and tables", "Made by the notebooks from the last committed study; `npm run refresh` writes this folder.", ...sections].join("\n\n")}\n`;
}

// ---------------------------------------------------------------- files

function listed(folder, pattern) {
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => pattern.test(name))
        .sort()
    : [];
}

function write(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.part`, content);
  renameSync(`${path}.part`, path);
}
