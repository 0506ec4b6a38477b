// Copies the results of the last pocket study into the repository: executed notebooks from out/pocket/notebooks, figures
// and tables from out/pocket/figures, and a page that shows them. The figures that compare normalizers come from the
// study of studies/normalizers.json, out/normalizers/figures; they stay as they are if it was not run. Nothing else
// writes there, so that committing results is a deliberate step.
//
//   node notebooks/refresh.mjs [results] [repository]
//
// `results` is the folder with the study's results (default: pocket below PROMPTLOSS_OUT, or below out); `repository` is
// the checkout to write to (default: this one).
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const source = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const results = resolve(source, process.argv[2] ?? join(process.env.PROMPTLOSS_OUT || "out", "pocket"));
const target = resolve(process.argv[3] ?? source);

try {
  const notebooks = readNotebooks();
  const figures = readFigures();
  for (const [name, content] of notebooks) write(join(target, "notebooks", name), content);
  for (const name of listFiles(join(target, "figures"), /\.(pdf|svg|png|csv|tex|html)$/))
    if (!figures.has(name)) rmSync(join(target, "figures", name));
  for (const [name, content] of figures) write(join(target, "figures", name), content);
  console.log(`Refreshed ${notebooks.size} notebooks and ${figures.size - 1} files of figures and tables.`);
  console.log("Review them before you commit.");
} catch (error) {
  console.error(`Nothing was changed: ${error.message}`);
  process.exitCode = 1;
}

// ---------------------------------------------------------------- notebooks

function readNotebooks() {
  const names = listFiles(join(source, "notebooks"), /\.ipynb$/);
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

/** Removes content that depends on the machine or the time: metadata, paths, host names, speeds, and a first compilation. */
function cleaned(notebook) {
  const isNotice = ({ text }) => [text].flat().join("").startsWith("Compiling the library");
  for (const cell of notebook.cells) {
    cell.metadata = {};
    if (cell.outputs) cell.outputs = cell.outputs.filter((output) => !isNotice(output));
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
  const wholeWord = (literal) => new RegExp(`(?<![\\w-])${literal.replace(/[^\w]/g, "\\$&")}(?![\\w-])`, "g");
  return text
    .replaceAll(source, ".")
    .replace(wholeWord(homedir()), "~")
    .replace(wholeWord(hostname()), "localhost")
    .replace(/ · [\d,]+ tokens\/s/g, "");
}

/** Rounds numbers to six significant digits: further digits differ between processors and are invisible in a plot. */
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
  const names = existsSync(folder) ? listFiles(folder, /\.(pdf|svg|png|csv|tex|html)$/) : [];
  if (names.length === 0) throw new Error(`${folder} has no figures; run npm run study first.`);
  const files = new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
  const compared = join(results, "..", "normalizers", "figures");
  const source = existsSync(compared) ? compared : join(target, "figures");
  for (const name of listFiles(source, /^normalizers-.*\.(pdf|svg|png|csv)$/)) {
    files.set(name, readFileSync(join(source, name)));
  }
  return files.set("README.md", gallery(files));
}

/** The content of figures/README.md: all figures with their captions, and links to all files. */
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
  const introduction =
    "The notebooks made these figures and tables from the last committed study; `npm run refresh` updates this folder.";
  return `${["# Figures and tables", introduction, ...sections].join("\n\n")}\n`;
}

// ---------------------------------------------------------------- files

/** Sorted names of the files in a folder that match a pattern; empty if the folder does not exist. */
function listFiles(folder, pattern) {
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => pattern.test(name))
        .sort()
    : [];
}

/** Writes a file atomically, creating its folder if necessary. */
function write(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.part`, content);
  renameSync(`${path}.part`, path);
}
