// The cache of the compiler's memory with all types loaded: V8 startup snapshots. An entry belongs to one version of
// Node, of the packages and of the compiler, and to one list of library files. Library files that were edited after it
// was made are read again by the compiler, as in a running kernel.
const { spawn } = require("node:child_process");
const { createHash } = require("node:crypto");
const { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } = require("node:fs");
const { cpus, setPriority } = require("node:os");
const { join } = require("node:path");
const { libraryFiles } = require("./files.cjs");

const KEPT = 2; // entries, of some 100 MB
const ABANDONED = 3600_000; // ms after which an unfinished entry is removed

/** The files of the kernel that a snapshot contains. */
const COMPILER = ["compiler-process.cjs", "compiler.cjs", "exports.cjs", "files.cjs"];

/** @param root the repository's
 *  @returns the file of the snapshot that belongs to the present sources and versions; it need not exist */
function snapshotFile(root) {
  const hash = createHash("sha256");
  const kernel = COMPILER.map((name) => join(__dirname, name));
  const packages = ["tslab", "@tslab/typescript-for-tslab"].map((name) => join("node_modules", name, "package.json"));
  const versions = ["package-lock.json", ...packages].map((name) => join(root, name));
  for (const file of [...kernel, ...versions]) hash.update(readFileSync(file));
  const { version, arch, platform } = process;
  hash.update(JSON.stringify([root, version, arch, platform, cpus()[0]?.model, libraryFiles(root)]));
  return join(cacheFolder(root), `${hash.digest("hex").slice(0, 16)}.blob`);
}

/** Makes the snapshot `file`.
 *  @param inBackground true to leave the processor to others
 *  @returns whether it could be made */
async function makeSnapshot(root, file, { inBackground = false } = {}) {
  const folder = cacheFolder(root);
  mkdirSync(folder, { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  const script = join(__dirname, "compiler-process.cjs");
  const child = startNode(root, ["--no-warnings", "--snapshot-blob", unfinished, "--build-snapshot", script], "ignore");
  if (inBackground && child.pid) setPriority(child.pid, 19);
  const stop = () => child.kill();
  process.once("exit", stop);
  const status = await new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
  process.off("exit", stop);
  // The rename is atomic: another kernel sees the old entry or the new one.
  if (status === 0) renameSync(unfinished, file);
  else rmSync(unfinished, { force: true });
  removeOld(folder);
  return status === 0;
}

/** Starts Node in the repository root, without options that the environment has for other programs. */
function startNode(root, parameters, output, ...channels) {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return spawn(process.execPath, parameters, { cwd: root, env, stdio: ["ignore", output, output, ...channels] });
}

/** Removes a snapshot from which the compiler does not start. */
function removeSnapshot(file) {
  try {
    rmSync(file, { force: true });
  } catch {
    // It stays, and is found damaged again.
  }
}

function removeOld(folder) {
  const entries = readdirSync(folder)
    .map((name) => join(folder, name))
    .map((file) => ({ file, modified: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.modified - a.modified);
  const [whole, unfinished] = [true, false].map((wanted) =>
    entries.filter(({ file }) => file.endsWith(".blob") === wanted),
  );
  const old = unfinished.filter(({ modified }) => modified < Date.now() - ABANDONED);
  for (const { file } of [...whole.slice(KEPT), ...old]) rmSync(file, { force: true });
}

function cacheFolder(root) {
  return join(root, "node_modules", ".cache", "promptloss", "kernel");
}

module.exports = { makeSnapshot, removeSnapshot, snapshotFile, startNode };
