// Prepares a fresh clone: npm packages, Python environment, TensorFlow addon, fused operations, Jupyter kernel and views.
// It needs Node, Python with venv and a C++ compiler, and installs everything else below this folder.
// Each finished step leaves a stamp, so a second call is quick and an interrupted set-up resumes.
//
//   node setup.mjs [--quiet]   runs the steps that are not done yet; --quiet prints nothing if there are none
//   PROMPTLOSS_CUDA=1|0        selects TensorFlow's CUDA or CPU build (default: CUDA if an NVIDIA driver is found)
//   PYTHON, CXX                select the Python interpreter and the C++ compiler
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
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const venv = join(root, ".venv");
const venvPython = join(venv, "bin", "python");
const addonPackage = join(root, "node_modules", "@tensorflow", "tfjs-node-gpu");
const stamps = join(root, ".setup");
const compiler = process.env.CXX ?? "g++";

const TENSORFLOW = "2.21.0";
const NEWEST_PYTHON = 13; // newest minor version 3.x for which the pinned TensorFlow has a wheel
const JUPYTER = ["jupyterlab==4.6.6", "nbconvert==7.17.2", "plotly==7.1.0"];

const started = Date.now();
const steps = [
  ["npm packages", npmPackages],
  ["Python environment: JupyterLab and TensorFlow", pythonEnvironment],
  ["TensorFlow addon for Node", addon],
  ["fused operations", fusedOperations],
  ["Jupyter kernel and views", jupyterFiles],
];

const python = checkMachine();
let worked = false;
for (const [index, [name, step]] of steps.entries()) {
  const title = `[${index + 1}/${steps.length}] ${name}`;
  const since = Date.now();
  try {
    if (
      await step((detail) => {
        worked = true;
        console.log(`${title}: ${detail}`);
      })
    ) {
      console.log(`${title}: done in ${Math.round((Date.now() - since) / 1000)} s`);
    }
  } catch (error) {
    console.error(`${title} failed: ${error.message}`);
    console.error(
      "Run the same command again to resume at this step. See the troubleshooting section of environment.md.",
    );
    process.exit(1);
  }
}
if (worked) console.log(`Set-up complete in ${Math.round((Date.now() - started) / 1000)} s.`);
else if (!process.argv.includes("--quiet")) console.log("Set-up is complete; nothing to do.");

// ---------------------------------------------------------------- steps; each returns whether it changed anything

async function npmPackages(say) {
  const wanted = digest(readFileSync(join(root, "package-lock.json")), process.versions.modules);
  if (isStamped("npm", wanted) && existsSync(join(root, "node_modules", ".package-lock.json"))) return false;
  say("installing about 600 MB of locked packages, 1 to 3 minutes");
  await run("npm", ["ci", "--no-fund", "--no-audit"]);
  // danfojs-node depends on @tensorflow/tfjs-node, which is installed as a second copy of tfjs-node-gpu. Two native
  // addons in one process conflict, so the copy is replaced by a link.
  const alias = join(root, "node_modules", "@tensorflow", "tfjs-node");
  if (!lstatSync(alias).isSymbolicLink()) {
    rmSync(alias, { recursive: true });
    symlinkSync("tfjs-node-gpu", alias);
  }
  stamp("npm", wanted);
  return true;
}

async function pythonEnvironment(say) {
  const cuda = wantsCuda();
  const wanted = digest(TENSORFLOW, ...JUPYTER, String(cuda), python.version);
  if (isStamped("python", wanted) && existsSync(venvPython)) return false;
  say(`creating .venv with Python ${python.version}`);
  await run(python.command, ["-m", "venv", "--clear", venv]);
  const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet"];
  say("JupyterLab, nbconvert and the plotly renderer, about 200 MB");
  await run(venvPython, [...pip, ...JUPYTER]);
  say(cuda ? "TensorFlow with CUDA libraries, about 6 GB" : "TensorFlow for the CPU, about 1 GB unpacked");
  // TensorFlow's Python side is never imported; only the wheel's libraries and headers are used.
  if (cuda) await run(venvPython, [...pip, `tensorflow[and-cuda]==${TENSORFLOW}`]);
  else await run(venvPython, [...pip, "--no-deps", `tensorflow-cpu==${TENSORFLOW}`]);
  stamp("python", wanted);
  return true;
}

async function addon(say) {
  const wheel = tensorflowWheel();
  const sources = ["tfjs_backend.cc", "tfjs_binding.cc"].map((file) => join(addonPackage, "binding", file));
  const built = join(addonPackage, "lib", "napi-v8", "tfjs_binding.node");
  const wanted = digest(...sources.map((file) => readFileSync(file)), TENSORFLOW, wheel);
  if (isStamped("addon", wanted) && existsSync(built)) return false;
  say("compiling, about 20 s");
  mkdirSync(join(addonPackage, "lib", "napi-v8"), { recursive: true });
  await run(compiler, [
    "-O2",
    "-shared",
    ...nodeAddon(wheel),
    `-I${addonPackage}`,
    ...sources,
    "-o",
    `${built}.part`,
    ...linked(wheel),
  ]);
  renameSync(`${built}.part`, built);
  const load = spawnSync(process.execPath, ["-e", `require(${JSON.stringify(built)})`], {
    encoding: "utf8",
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "2" },
  });
  if (load.status !== 0) throw new Error(`the addon was built but does not load:\n${load.stderr}`);
  stamp("addon", wanted);
  return true;
}

/** Compiles lib/model/native: CPU operations that do in one pass what TensorFlow does in several. */
async function fusedOperations(say) {
  const wheel = tensorflowWheel();
  const folder = join(root, "lib", "model", "native");
  const built = join(stamps, "fused.node");
  const wanted = digest(
    ...readdirSync(folder)
      .sort()
      .map((file) => readFileSync(join(folder, file))),
    TENSORFLOW,
    wheel,
  );
  if (isStamped("fused", wanted) && existsSync(built)) return false;
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
        join(folder, "kernels.cc"),
        "-o",
        object(level),
      ]),
    ),
    run(compiler, ["-O2", ...nodeAddon(wheel), "-c", join(folder, "ops.cc"), "-o", object("ops")]),
  ]);
  // nodelete: TensorFlow and the helper threads refer to the library's code until the process ends.
  await run(compiler, [
    "-shared",
    "-Wl,-z,nodelete",
    ...["ops", ...levels].map(object),
    "-o",
    `${built}.part`,
    ...linked(wheel),
  ]);
  renameSync(`${built}.part`, built);
  for (const name of ["ops", ...levels]) rmSync(object(name));
  stamp("fused", wanted);
  return true;
}

async function jupyterFiles(say) {
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
  const changed = [
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
  if (changed.length === 0) return false;
  say("registering");
  for (const [folder, name, content] of changed) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return true;
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
  if (missing.length > 0) {
    console.error(
      `Promptloss needs the following to be installed:\n${missing.map((line) => `  - ${line}`).join("\n")}`,
    );
    process.exit(1);
  }
  return found;
}

function wantsCuda() {
  if (process.env.PROMPTLOSS_CUDA) return process.env.PROMPTLOSS_CUDA !== "0";
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

/** Runs a command. Its output is shown only if it fails; every 15 s a line shows that it is still running. */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
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
