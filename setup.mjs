// Prepares a fresh clone: npm packages, Python environment, TensorFlow addon, fused operations, Jupyter kernel and views.
// It needs Node, Python with venv and a C++ compiler, and installs everything else below this folder.
// Each finished step leaves a stamp, so a second call is quick and an interrupted set-up resumes.
//
//   npm run setup              runs the steps that are not done, or whose input has changed
//   node setup.mjs --quiet     what every other command runs: steps that were never done, and builds whose sources have
//                              changed. What was installed once it only checks, and says what to type.
//   PROMPTLOSS_CUDA=1|0        for npm run setup: TensorFlow's CUDA or CPU build. The choice is kept; the first time it is
//                              CUDA if there is an NVIDIA driver.
//   PYTHON, CXX                select the Python interpreter and the C++ compiler
//
// A step that fails leaves what was there before. Set-ups of the same folder wait for each other.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const venv = join(root, ".venv");
const venvPython = join(venv, "bin", "python");
const addonPackage = join(root, "node_modules", "@tensorflow", "tfjs-node-gpu");
const stamps = join(root, ".setup");
const addonFile = join(addonPackage, "lib", "napi-v8", "tfjs_binding.node");
const native = join(root, "lib", "model", "native");
const fusedFile = join(stamps, "fused.node");
const venvBefore = join(stamps, "venv-before");
const compiler = process.env.CXX ?? "g++";

const TENSORFLOW = "2.21.0";
const NEWEST_PYTHON = 13; // newest minor version 3.x for which the pinned TensorFlow has a wheel
const ONEDNN = "2023.2.0"; // oneDNN 3.2, built with GCC's OpenMP; later ones on PyPI need Intel's compiler runtime
const JUPYTER = ["jupyterlab==4.6.6", "nbconvert==7.17.2", "plotly==7.1.0"];

const quiet = process.argv.includes("--quiet");
const started = Date.now();

// Each step says whether it is done, and does it. A step that is installed takes from the network.
const steps = [
  { name: "npm packages", installs: true, isDone: npmPackagesDone, work: npmPackages },
  {
    name: "Python environment: JupyterLab and TensorFlow",
    installs: true,
    isDone: pythonEnvironmentDone,
    work: pythonEnvironment,
  },
  { name: "CUDA libraries", isDone: cudaLibrariesDone, work: cudaLibraries },
  { name: "TensorFlow addon for Node", isDone: addonDone, work: addon },
  { name: "fused operations", isDone: fusedOperationsDone, work: fusedOperations },
  { name: "Jupyter kernel and views", isDone: jupyterFilesDone, work: jupyterFiles },
];

let python;

/** Whether a step is to be done now. When quiet, what was installed once is not installed again. */
function isDue({ name, installs, isDone }) {
  return !isDone() && !(quiet && installs && wasInstalled(name));
}

async function main() {
  if (quiet) reportDifferences();
  else if (chosenBuild() === "CPU" && hasDriver() && !process.env.PROMPTLOSS_CUDA)
    console.log("There is an NVIDIA driver, and TensorFlow's CPU build. For the GPU: PROMPTLOSS_CUDA=1 npm run setup");
  const due = steps.filter(isDue);
  if (due.length === 0) {
    if (!isUsable()) process.exit(1);
    if (!quiet) console.log("Set-up is complete; nothing to do.");
    return;
  }
  let release;
  try {
    mkdirSync(stamps, { recursive: true });
    release = await lock();
  } catch (error) {
    if (!["EACCES", "EROFS", "EPERM"].includes(error.code)) throw error;
    const names = due.map(({ name }) => name).join(", ");
    fail(`${root} cannot be written to (${error.code}). Not done: ${names}.`);
    return;
  }
  try {
    await setUp();
  } finally {
    release();
  }
}

/** Says what other commands do not change. */
function reportDifferences() {
  const build = installedBuild();
  const { PROMPTLOSS_CUDA } = process.env;
  if (build !== undefined && PROMPTLOSS_CUDA && wantedBuild(PROMPTLOSS_CUDA) !== build)
    console.warn(`PROMPTLOSS_CUDA is for npm run setup; TensorFlow's ${build} build is installed and stays.`);
  for (const { name, installs, isDone } of steps) {
    if (installs && wasInstalled(name) && !isDone())
      console.warn(`${name}: not what this version needs, or damaged. Type: npm run setup`);
  }
}

async function setUp() {
  try {
    python = checkMachine();
  } catch (error) {
    fail(error.message);
    return;
  }
  let failed = false;
  for (const step of steps) {
    if (!isDue(step)) continue; // looked at here, because a step can make a later one due
    const title = `[${steps.indexOf(step) + 1}/${steps.length}] ${step.name}`;
    const since = Date.now();
    try {
      await step.work((detail) => console.log(`${title}: ${detail}`));
      console.log(`${title}: done in ${Math.round((Date.now() - since) / 1000)} s`);
    } catch (error) {
      failed = true;
      fail(`${title} failed: ${error.message}`);
    }
  }
  if (!failed) console.log(`Set-up complete in ${Math.round((Date.now() - started) / 1000)} s.`);
}

/** Reports a failure. Goes on if everything was there before, else ends. */
function fail(message) {
  console.error(message);
  if (isUsable()) {
    console.error("Going on with what is there.");
    return;
  }
  console.error(
    "Run the same command again to resume at this step. See the troubleshooting section of environment.md.",
  );
  process.exit(1);
}

// ---------------------------------------------------------------- steps

function npmInput() {
  return digest(readFileSync(join(root, "package-lock.json")), process.versions.modules);
}

function npmPackagesDone() {
  return isStamped("npm", npmInput()) && existsSync(join(root, "node_modules", ".package-lock.json"));
}

/** Installs beside node_modules and exchanges the two, since `npm ci` begins by deleting what is there. */
async function npmPackages(say) {
  say("installing about 600 MB of locked packages, 1 to 3 minutes");
  const folder = join(stamps, "packages");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  try {
    for (const file of ["package.json", "package-lock.json", ".npmrc"])
      writeFileSync(join(folder, file), readFileSync(join(root, file)));
    await installPackages(folder);
    exchange(join(folder, "node_modules"), join(root, "node_modules"));
  } catch (error) {
    if (!["EBUSY", "EXDEV"].includes(error.code)) throw error;
    await installPackages(root); // node_modules is a mount, which cannot be exchanged
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  stamp("npm", npmInput());
}

async function installPackages(folder) {
  await run("npm", ["ci", "--no-fund", "--no-audit"], folder);
  // danfojs-node depends on @tensorflow/tfjs-node, which is installed as a second copy of tfjs-node-gpu. Two native
  // addons in one process conflict, so the copy is replaced by a link.
  const alias = join(folder, "node_modules", "@tensorflow", "tfjs-node");
  if (lstatSync(alias).isSymbolicLink()) return;
  rmSync(alias, { recursive: true });
  symlinkSync("tfjs-node-gpu", alias);
}

function pythonInput(build) {
  return digest(TENSORFLOW, ONEDNN, ...JUPYTER, build);
}

function pythonEnvironmentDone() {
  // Not existsSync: a machine without this Python can use the libraries in .venv all the same.
  const isThere = lstatSync(venvPython, { throwIfNoEntry: false }) && !existsSync(venvBefore); // else it was interrupted
  return isThere && isStamped("python", pythonInput(chosenBuild()));
}

async function pythonEnvironment(say) {
  const build = chosenBuild();
  say(`creating .venv with Python ${python.version}`);
  // A virtual environment works only where it was made. What an interrupted set-up put aside is the one that works.
  if (existsSync(venvBefore)) rmSync(venv, { recursive: true, force: true });
  else if (existsSync(venv)) renameSync(venv, venvBefore);
  try {
    await run(python.command, ["-m", "venv", "--clear", venv]);
    const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet"];
    say("JupyterLab, nbconvert and the plotly renderer, about 200 MB");
    await run(venvPython, [...pip, ...JUPYTER]);
    say(
      build === "CUDA" ? "TensorFlow with CUDA libraries, about 6 GB" : "TensorFlow for the CPU, about 1 GB unpacked",
    );
    // TensorFlow's Python side is never imported; only the wheel's libraries and headers are used.
    if (build === "CUDA") await run(venvPython, [...pip, `tensorflow[and-cuda]==${TENSORFLOW}`]);
    else await run(venvPython, [...pip, "--no-deps", `tensorflow-cpu==${TENSORFLOW}`]);
    const oneDnn = ["onednn-cpu-gomp", "onednn-devel-cpu-gomp"].map((name) => `${name}==${ONEDNN}`);
    await run(venvPython, [...pip, "--no-deps", ...oneDnn]);
  } catch (error) {
    if (existsSync(venvBefore)) {
      rmSync(venv, { recursive: true, force: true });
      renameSync(venvBefore, venv);
    }
    throw error;
  }
  stamp("build", build);
  stamp("python", pythonInput(build));
  rmSync(venvBefore, { recursive: true, force: true });
}

/**
 * TensorFlow looks for cusolver only in the folders of the other CUDA libraries, where pip does not put it, and without
 * it no GPU registers. Links it into that of cusparse.
 */
function cudaLibraryLinks() {
  const nvidia = existsSync(join(venv, "lib")) ? join(tensorflowWheel(), "..", "nvidia") : "";
  const from = join(nvidia, "cusolver", "lib");
  const to = join(nvidia, "cusparse", "lib");
  if (nvidia === "" || !existsSync(from) || !existsSync(to)) return [];
  return readdirSync(from)
    .filter((name) => /^libcusolver\.so\.\d+$/.test(name))
    .map((name) => ({ target: join("..", "..", "cusolver", "lib", name), link: join(to, name) }));
}

function cudaLibrariesDone() {
  return cudaLibraryLinks().every(({ link }) => existsSync(link));
}

async function cudaLibraries() {
  for (const { target, link } of cudaLibraryLinks()) {
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }
}

function addonSources() {
  return ["tfjs_backend.cc", "tfjs_binding.cc"].map((file) => join(addonPackage, "binding", file));
}
function addonInput() {
  return digest(...addonSources().map((file) => readFileSync(file)), TENSORFLOW, tensorflowWheel());
}

function addonDone() {
  return existsSync(addonFile) && existsSync(join(venv, "lib")) && isStamped("addon", addonInput());
}

async function addon(say) {
  const wheel = tensorflowWheel();
  say("compiling, about 20 s");
  mkdirSync(join(addonPackage, "lib", "napi-v8"), { recursive: true });
  await run(compiler, [
    "-O2",
    "-shared",
    ...nodeAddon(wheel),
    `-I${addonPackage}`,
    ...addonSources(),
    "-o",
    `${addonFile}.part`,
    ...linked(wheel),
  ]);
  renameSync(`${addonFile}.part`, addonFile);
  const load = spawnSync(process.execPath, ["-e", `require(${JSON.stringify(addonFile)})`], {
    encoding: "utf8",
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "2" },
  });
  if (load.status !== 0) throw new Error(`the addon was built but does not load:\n${load.stderr}`);
  stamp("addon", addonInput());
}

function fusedInput() {
  const sources = readdirSync(native).sort();
  return digest(...sources.map((file) => readFileSync(join(native, file))), TENSORFLOW, ONEDNN, tensorflowWheel());
}

function fusedOperationsDone() {
  return existsSync(fusedFile) && existsSync(join(venv, "lib")) && isStamped("fused", fusedInput());
}

/** Compiles lib/model/native: CPU operations that do in one pass what TensorFlow does in several. */
async function fusedOperations(say) {
  const wheel = tensorflowWheel();
  say("compiling, about 25 s");
  const object = (name) => join(stamps, `${name}.o`);
  // Compiled once for AVX-512 (x86-64-v4) and once for AVX2 (v3); which one runs is decided when the library is loaded.
  const levels = ["V4", "V3"];
  await Promise.all([
    ...levels.map((level) =>
      run(compiler, [
        "-O3",
        "-std=c++17",
        "-fPIC",
        "-fno-math-errno",
        `-march=x86-64-${level.toLowerCase()}`,
        "-mprefer-vector-width=512",
        `-DKERNELS=kernels${level}`,
        "-c",
        join(native, "kernels.cc"),
        "-o",
        object(level),
      ]),
    ),
    run(compiler, [
      "-O2",
      ...nodeAddon(wheel),
      `-isystem${join(venv, "include")}`,
      `-DONEDNN=${JSON.stringify(join(venv, "lib", "libdnnl.so.3"))}`,
      "-c",
      join(native, "ops.cc"),
      "-o",
      object("ops"),
    ]),
  ]);
  // nodelete: TensorFlow and the helper threads refer to the library's code until the process ends.
  await run(compiler, [
    "-shared",
    "-Wl,-z,nodelete",
    ...["ops", ...levels].map(object),
    "-o",
    `${fusedFile}.part`,
    ...linked(wheel),
  ]);
  renameSync(`${fusedFile}.part`, fusedFile);
  for (const name of ["ops", ...levels]) rmSync(object(name));
  stamp("fused", fusedInput());
}

/** The files that are not there, or have another content: folder, name and content of each. */
function staleJupyterFiles() {
  const jupyter = join(venv, "share", "jupyter");
  const read = (...path) => readFileSync(join(root, ...path), "utf8");
  const spec = read("kernel", "kernel.json")
    .replaceAll("{node}", process.execPath)
    .replaceAll("{root}", root.replace(/\/$/, ""));
  // JupyterLab neither asks about news and updates nor looks for them.
  const labconfig = join(venv, "etc", "jupyter", "labconfig");
  const page = JSON.stringify({ disabledExtensions: { "@jupyterlab/apputils-extension:announcements": true } });
  // The extension that draws tables and texts in JupyterLab: kernel/labextension and the files of lib/page/browser.
  const extension = join(jupyter, "labextensions", "promptloss-views");
  const views = JSON.parse(read("lib", "page", "browser", "files.json"));
  return [
    [join(jupyter, "kernels", "promptloss"), "kernel.json", spec],
    [labconfig, "page_config.json", page],
    [extension, "package.json", read("kernel", "labextension", "package.json")],
    [join(extension, "static"), "remoteEntry.js", read("kernel", "labextension", "remoteEntry.js")],
    [join(extension, "static"), "style.css", read("kernel", "labextension", "style.css")],
    [join(extension, "static"), "views.js", views.scripts.map((path) => read(path)).join("\n;\n")],
    [join(extension, "static"), "views.css", views.styles.map((path) => read(path)).join("\n")],
  ].filter(([folder, name, content]) => {
    const file = join(folder, name);
    return !existsSync(file) || readFileSync(file, "utf8") !== content;
  });
}

function jupyterFilesDone() {
  return existsSync(join(root, "node_modules", ".package-lock.json")) && staleJupyterFiles().length === 0;
}

async function jupyterFiles(say) {
  say("registering");
  for (const [folder, name, content] of staleJupyterFiles()) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

// ---------------------------------------------------------------- what is there

/** Whether a step that takes from the network has been done before. */
function wasInstalled(name) {
  return existsSync(join(stamps, name === "npm packages" ? "npm" : "python"));
}

/** Whether commands can run: everything is there, if perhaps not as this version wants it. */
function isUsable() {
  return [join(root, "node_modules", ".package-lock.json"), join(venv, "lib"), addonFile, fusedFile].every(existsSync);
}

/** TensorFlow's build that is installed: "CUDA" or "CPU"; undefined before the first set-up. */
function installedBuild() {
  if (existsSync(join(stamps, "build"))) return readFileSync(join(stamps, "build"), "utf8");
  if (!wasInstalled("TensorFlow") || !existsSync(join(venv, "lib"))) return undefined;
  return existsSync(join(tensorflowWheel(), "..", "nvidia")) ? "CUDA" : "CPU"; // set up by an older version
}

/** The build to have: what set-up is told, else what it has been, else CUDA where a driver is. */
function chosenBuild() {
  const { PROMPTLOSS_CUDA } = process.env;
  const installed = installedBuild();
  if (PROMPTLOSS_CUDA && (!quiet || installed === undefined)) return wantedBuild(PROMPTLOSS_CUDA);
  return installed ?? (hasDriver() ? "CUDA" : "CPU");
}

function wantedBuild(variable) {
  return variable === "0" ? "CPU" : "CUDA";
}

// ---------------------------------------------------------------- the machine

function checkMachine() {
  const missing = [];
  if (Number(process.versions.node.split(".")[0]) < 20) {
    missing.push(`Node 20 or newer (this is ${process.versions.node}): https://nodejs.org`);
  }
  if (spawnSync(compiler, ["--version"]).status !== 0)
    missing.push(`a C++ compiler (${compiler}): apt-get install g++`);
  let found;
  for (const command of [process.env.PYTHON, "python3", "python3.13", "python3.12", "python3.11", "python3.10"]) {
    if (!command) continue;
    const probe = spawnSync(command, ["-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"], {
      encoding: "utf8",
    });
    const version = probe.status === 0 ? probe.stdout.trim() : "";
    const minor = Number(version.split(".")[1]);
    if (version.startsWith("3.") && minor >= 10 && minor <= NEWEST_PYTHON) {
      found = { command, version };
      break;
    }
  }
  if (!found)
    missing.push(
      `Python 3.10 to 3.${NEWEST_PYTHON} with venv: apt-get install python3 python3-venv (or set PYTHON to one)`,
    );
  if (missing.length > 0)
    throw new Error(`Set-up needs the following to be installed:\n${missing.map((line) => `  - ${line}`).join("\n")}`);
  return found;
}

function hasDriver() {
  return existsSync("/proc/driver/nvidia/version") || spawnSync("nvidia-smi", ["-L"]).status === 0;
}

function tensorflowWheel() {
  const version = readdirSync(join(venv, "lib")).find((name) => name.startsWith("python3"));
  return join(venv, "lib", version, "site-packages", "tensorflow");
}

/** Compiler options for a Node addon that uses TensorFlow's headers. */
function nodeAddon(wheel) {
  return [
    "-std=c++17",
    "-fPIC",
    "-DNAPI_VERSION=8",
    `-isystem${join(wheel, "include")}`,
    `-isystem${join(root, "node_modules", "node-api-headers", "include")}`,
  ];
}

/** Linker options. The wheel's libraries are linked in place, where they find the CUDA libraries installed by pip. */
function linked(wheel) {
  return [`-L${wheel}`, "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2", `-Wl,-rpath,${wheel}`];
}

// ---------------------------------------------------------------- helpers

function digest(...parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex");
}

function isStamped(name, value) {
  const file = join(stamps, name);
  return existsSync(file) && readFileSync(file, "utf8") === value;
}

function stamp(name, value) {
  mkdirSync(stamps, { recursive: true });
  writeFileSync(join(stamps, name), value);
}

/**
 * Waits until no other process sets this folder up, and keeps others waiting until the returned function is called, or
 * this process has ended. A holder counts as ended a minute after its last sign of life, and on this machine at once.
 */
async function lock() {
  const file = join(stamps, "lock");
  const own = `${hostname()} ${process.pid} ${started}`;
  for (let waiting = false; ; waiting = true) {
    try {
      writeFileSync(file, own, { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (!waiting) console.log("Another set-up of this folder is running; waiting for it.");
    if (hasEnded(file)) removeLock(file);
    else await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const alive = setInterval(() => {
    if (existsSync(file)) utimesSync(file, new Date(), new Date());
  }, 10_000);
  alive.unref();
  const release = () => {
    clearInterval(alive);
    if (existsSync(file) && readFileSync(file, "utf8") === own) rmSync(file);
  };
  process.once("exit", release);
  return release;
}

function hasEnded(file) {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return false; // released meanwhile
  if (Math.abs(Date.now() - stat.mtimeMs) > 60_000) return true;
  const [host, pid] = lockText(file).split(" ");
  if (host !== hostname()) return false;
  if (Number(pid) === process.pid) return true; // of an earlier process with this id
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

/** Removes the lock of a process that has ended, but not that of one that has taken its place meanwhile. */
function removeLock(file) {
  const dead = lockText(file);
  const aside = `${file}-${process.pid}`;
  try {
    renameSync(file, aside);
    if (readFileSync(aside, "utf8") === dead) rmSync(aside);
    else renameSync(aside, file);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}

function lockText(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // released meanwhile
  }
}

/** Puts `fresh` in the place of `old`, which is deleted. */
function exchange(fresh, old) {
  const aside = join(stamps, "before");
  rmSync(aside, { recursive: true, force: true });
  if (existsSync(old)) renameSync(old, aside);
  renameSync(fresh, old);
  rmSync(aside, { recursive: true, force: true });
}

/** Runs a command. Its output is shown only if it fails; every 15 s a line shows that it is still running. */
function run(command, args, cwd = root) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk) => {
      output += chunk;
    });
    const since = Date.now();
    const progress = setInterval(() => console.log(`    … ${Math.round((Date.now() - since) / 1000)} s`), 15_000);
    child.on("error", (error) => {
      clearInterval(progress);
      reject(new Error(`cannot start ${command}: ${error.message}`));
    });
    child.on("close", (code) => {
      clearInterval(progress);
      if (code === 0) resolve();
      else reject(new Error(`${command} exited with status ${code}\n${output.slice(-4000)}`));
    });
  });
}

await main();
