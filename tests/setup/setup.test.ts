// Set-up keeps what it chose, installs nothing twice, waits for another set-up, and goes on with what is there. npm, Python
// and the compiler are stand-ins that write the files that matter and note each call, so that no network is needed.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../runs/world";

const ROOT = join(__dirname, "..", "..");
const ADDON = join(ROOT, "node_modules", "@tensorflow", "tfjs-node-gpu", "lib", "napi-v8", "tfjs_binding.node");

const views = JSON.parse(readFileSync(join(ROOT, "lib", "page", "browser", "files.json"), "utf8")) as Record<
  string,
  string[]
>;
/** Files of packages that set-up copies into JupyterLab's extension. */
const ofPackages = Object.values(views)
  .flat()
  .filter((path) => path.startsWith("node_modules/"));

const STAND_INS = {
  npm: `if [ -n "$NO_NETWORK" ]; then echo "network is unreachable" >&2; exit 1; fi
mkdir -p node_modules/@tensorflow/tfjs-node node_modules/@tensorflow/tfjs-node-gpu/binding
for file in ${ofPackages.join(" ")}; do mkdir -p "$(dirname "$file")"; touch "$file"; done
touch node_modules/.package-lock.json node_modules/@tensorflow/tfjs-node-gpu/binding/tfjs_{backend,binding}.cc`,
  python3: `case "$*" in
  "-c "*) echo 3.11 ;;
  *"-m venv"*) sleep "\${SLOW:-0}"; mkdir -p "\${@: -1}/bin" "\${@: -1}/lib/python3.11/site-packages/tensorflow"
    cp "$0" "\${@: -1}/bin/python" ;;
  *"-m pip"*) if [ -n "$NO_NETWORK" ]; then echo "network is unreachable" >&2; exit 1; fi
    packages="$(dirname "$0")/../lib/python3.11/site-packages"
    case "$*" in *and-cuda*) mkdir -p "$packages"/nvidia/{cusolver,cusparse}/lib
      touch "$packages/nvidia/cusolver/lib/libcusolver.so.11" ;; esac ;;
esac`,
  "g++": `while [ $# -gt 0 ]; do if [ "$1" = -o ]; then cp ${JSON.stringify(ADDON)} "$2"; fi; shift; done`,
};

/** A checkout with nothing installed, and what its set-ups called. */
class Checkout {
  readonly dir = join(temporaryFolder(), "checkout");
  private readonly bin = join(this.dir, "..", "bin");
  private readonly log = join(this.dir, "..", "calls");

  constructor() {
    for (const path of [
      "setup.mjs",
      "package.json",
      "package-lock.json",
      ".npmrc",
      "kernel",
      "lib/model/native",
      "lib/page/browser",
    ])
      cpSync(join(ROOT, path), join(this.dir, path), { recursive: true });
    mkdirSync(this.bin);
    writeFileSync(this.log, "");
    for (const [name, script] of Object.entries(STAND_INS)) {
      const file = join(this.bin, name);
      writeFileSync(file, `#!/bin/bash\nset -e\necho "${name} $*" >> ${JSON.stringify(this.log)}\n${script}\n`);
      chmodSync(file, 0o755);
    }
  }

  private environment(variables: Record<string, string>): NodeJS.ProcessEnv {
    const env: NodeJS.ProcessEnv = { ...process.env, PATH: `${this.bin}:${process.env.PATH}`, ...variables };
    for (const name of ["PROMPTLOSS_CUDA", "PYTHON", "CXX"]) if (!(name in variables)) delete env[name];
    return env;
  }

  /** Runs set-up; `quiet`: as every other command does. */
  setUp(options: { quiet?: boolean; env?: Record<string, string> } = {}) {
    const { quiet = false, env = {} } = options;
    const { status, stdout, stderr } = spawnSync(process.execPath, ["setup.mjs", ...(quiet ? ["--quiet"] : [])], {
      cwd: this.dir,
      env: this.environment(env),
      encoding: "utf8",
    });
    return { status, output: stdout + stderr, installed: this.installed() };
  }

  /** Starts set-up without waiting for it. */
  async setUpBeside(env: Record<string, string>): Promise<{ status: number | null; output: string }> {
    const child = spawn(process.execPath, ["setup.mjs"], { cwd: this.dir, env: this.environment(env) });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (text: Buffer) => void (output += text.toString()));
    return new Promise((resolve) => child.on("close", (status) => resolve({ status, output })));
  }

  /** Calls since the last time that take from the network. */
  installed(): string[] {
    const calls = readFileSync(this.log, "utf8").split("\n");
    writeFileSync(this.log, "");
    return calls
      .filter((call) => /^npm ci|pip install/.test(call))
      .map((call) => /npm ci|tensorflow\S*|onednn\S*|jupyterlab/.exec(call)![0]);
  }

  /** Path of a file in `nvidia`, the folder of pip's CUDA libraries. */
  nvidia(...path: string[]): string {
    return join(this.dir, ".venv", "lib", "python3.11", "site-packages", "nvidia", ...path);
  }
}

const CPU = ["npm ci", "jupyterlab", "tensorflow-cpu==2.21.0", "onednn-cpu-gomp==2023.2.0"];
const CUDA = ["npm ci", "jupyterlab", "tensorflow[and-cuda]==2.21.0", "onednn-cpu-gomp==2023.2.0"];

test("the CUDA build that was chosen stays, whatever the machine has, until set-up is told otherwise", () => {
  const checkout = new Checkout();
  const first = checkout.setUp({ env: { PROMPTLOSS_CUDA: "1" } });
  assert.equal(first.status, 0, first.output);
  assert.deepEqual(first.installed, CUDA);
  assert.equal(
    readlinkSync(checkout.nvidia("cusparse", "lib", "libcusolver.so.11")),
    "../../cusolver/lib/libcusolver.so.11",
  );
  assert.ok(existsSync(checkout.nvidia("cusparse", "lib", "libcusolver.so.11")));

  assert.deepEqual(checkout.setUp({ quiet: true }), { status: 0, output: "", installed: [] });
  const told = checkout.setUp({ quiet: true, env: { PROMPTLOSS_CUDA: "0" } });
  assert.deepEqual(told.installed, []);
  assert.match(told.output, /PROMPTLOSS_CUDA is for npm run setup; TensorFlow's CUDA build is installed and stays/);
  assert.deepEqual(checkout.setUp().installed, []);

  rmSync(checkout.nvidia("cusparse", "lib", "libcusolver.so.11")); // as set up by an older version
  assert.deepEqual(checkout.setUp({ quiet: true }).installed, []);
  assert.ok(existsSync(checkout.nvidia("cusparse", "lib", "libcusolver.so.11")));

  assert.deepEqual(checkout.setUp({ env: { PROMPTLOSS_CUDA: "0" } }).installed, CPU.slice(1));
  assert.deepEqual(checkout.setUp().installed, []);
  assert.equal(existsSync(checkout.nvidia()), false);
});

test("another command installs everything the first time, and later only says what differs", () => {
  const checkout = new Checkout();
  assert.deepEqual(checkout.setUp({ quiet: true, env: { PROMPTLOSS_CUDA: "0" } }).installed, CPU);
  writeFileSync(join(checkout.dir, "package-lock.json"), "{}");
  const later = checkout.setUp({ quiet: true });
  assert.equal(later.status, 0);
  assert.deepEqual(later.installed, []);
  assert.match(later.output, /^npm packages: not what this version needs, or damaged\. Type: npm run setup$/m);
  assert.deepEqual(checkout.setUp().installed, ["npm ci"]);
  rmSync(join(checkout.dir, "node_modules"), { recursive: true });
  const missing = checkout.setUp({ quiet: true });
  assert.equal(missing.status, 1);
  assert.match(missing.output, /^npm packages: .*Type: npm run setup$/m);
});

test("without a network, set-up says so and leaves what is there", () => {
  const checkout = new Checkout();
  const never = checkout.setUp({ env: { NO_NETWORK: "1", PROMPTLOSS_CUDA: "0" } });
  assert.equal(never.status, 1);
  assert.match(never.output, /network is unreachable[^]*Run the same command again to resume at this step/);
  checkout.setUp({ env: { PROMPTLOSS_CUDA: "0" } });
  writeFileSync(join(checkout.dir, "package-lock.json"), "{}");
  const again = checkout.setUp({ env: { NO_NETWORK: "1", PROMPTLOSS_CUDA: "1" } });
  assert.equal(again.status, 0, again.output);
  assert.equal(again.output.match(/network is unreachable/g)!.length, 2);
  assert.match(again.output, /Going on with what is there\./);
  assert.ok(existsSync(join(checkout.dir, "node_modules", ".package-lock.json")));
  assert.ok(existsSync(join(checkout.dir, ".venv", "bin", "python")));
  assert.equal(readFileSync(join(checkout.dir, ".setup", "build"), "utf8"), "CPU");
});

test("a change of build that was killed leaves the environment that works to the next set-up", () => {
  const checkout = new Checkout();
  checkout.setUp({ env: { PROMPTLOSS_CUDA: "0" } });
  const venv = join(checkout.dir, ".venv");
  // as it is while TensorFlow's other build is fetched
  renameSync(venv, join(checkout.dir, ".setup", "venv-before"));
  mkdirSync(join(venv, "bin"), { recursive: true });
  writeFileSync(join(venv, "bin", "python"), "");
  const failed = checkout.setUp({ env: { NO_NETWORK: "1" } });
  assert.match(failed.output, /network is unreachable/);
  assert.ok(existsSync(join(venv, "lib")));
  assert.deepEqual(checkout.setUp().installed, []);
});

test("of two set-ups at once, one waits and finds everything done", async () => {
  const checkout = new Checkout();
  const env = { PROMPTLOSS_CUDA: "0", SLOW: "2" };
  const both = await Promise.all([checkout.setUpBeside(env), checkout.setUpBeside(env)]);
  assert.deepEqual(
    both.map(({ status }) => status),
    [0, 0],
  );
  assert.deepEqual(checkout.installed(), CPU);
  const waited = both.filter(({ output }) =>
    output.includes("Another set-up of this folder is running; waiting for it."),
  );
  assert.equal(waited.length, 1);

  // what a killed set-up left does not keep anyone waiting
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(join(checkout.dir, ".setup", "lock"), `${hostname()} ${dead} 0`);
  rmSync(join(checkout.dir, ".setup", "fused"));
  assert.equal(checkout.setUp().status, 0);
  assert.equal(existsSync(join(checkout.dir, ".setup", "lock")), false);
  writeFileSync(join(checkout.dir, ".setup", "lock"), "elsewhere 1 0");
  utimesSync(join(checkout.dir, ".setup", "lock"), 1, 1);
  rmSync(join(checkout.dir, ".setup", "fused"));
  assert.equal(checkout.setUp().status, 0);
});

test("in a checkout that cannot be written to, commands work with what is there", (t) => {
  const checkout = new Checkout();
  checkout.setUp({ env: { PROMPTLOSS_CUDA: "0" } });
  rmSync(join(checkout.dir, ".setup", "fused"));
  const mount = (...args: string[]) => spawnSync("mount", [...args, checkout.dir]).status === 0;
  if (!mount("--bind", checkout.dir)) return t.skip("mounting a read-only folder needs root");
  try {
    if (!mount("-o", "remount,ro,bind")) return t.skip("mounting a read-only folder needs root");
    const { status, output } = checkout.setUp({ quiet: true });
    assert.equal(status, 0, output);
    assert.match(
      output,
      /cannot be written to \(EROFS\)\. Not done: fused operations\.\nGoing on with what is there\./,
    );
  } finally {
    spawnSync("umount", [checkout.dir]);
  }
});
