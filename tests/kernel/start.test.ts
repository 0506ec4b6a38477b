// `npm start` on a study, as a user works with it: a notebook is edited, run and saved, and no committed file changes.
// PROMPTLOSS_SCREENSHOTS=<folder> saves a screenshot.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { writeTinyStudy } from "../notebooks/tiny-study";
import { readJson, temporaryFolder, writeJson } from "../runs/world";
import { ROOT } from "./client";
import { Lab, labMissing } from "./lab";

const listed = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], { cwd: ROOT, encoding: "utf8" });
const noGit = listed.status === 0 ? false : "needs git, and a clone";
const options = { skip: labMissing() || noGit, timeout: 240_000 };
const scratch = temporaryFolder();
const NAME = "Tiny é 1"; // also the name of a folder, in an address

let lab: Lab;
let checkout: string;

/** A checkout of the files as they are here, all committed; what set-up made is shared. */
function committedCopy(): string {
  const copy = mkdtempSync(join(tmpdir(), "promptloss-checkout-"));
  for (const file of listed.stdout.split("\0").filter((name) => name !== "" && existsSync(join(ROOT, name))))
    cpSync(join(ROOT, file), join(copy, file));
  git(copy, "init", "--quiet");
  for (const name of ["node_modules", ".venv", ".setup"]) {
    symlinkSync(join(ROOT, name), join(copy, name));
    appendFileSync(join(copy, ".git", "info", "exclude"), `${name}\n`);
  }
  git(copy, "add", "--all");
  git(copy, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "--message=all");
  return copy;
}

function git(cwd: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("git", args, { cwd, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout;
}

before(async () => {
  if (options.skip) return;
  checkout = committedCopy();
  const study = writeTinyStudy(scratch);
  writeJson(study, { ...readJson<object>(study), name: NAME });
  const tsx = join(ROOT, "node_modules", "tsx", "dist", "loader.mjs");
  const start = [process.execPath, "--import", tsx, join(checkout, "lib", "cli.ts"), "start", "--no-browser"];
  lab = await Lab.start(
    { PROMPTLOSS_RUNS: join(scratch, "runs"), PROMPTLOSS_OUT: join(scratch, "out") },
    {
      folder: checkout,
      cwd: dirname(study),
      command: (port) => [...start, "--study", `./${basename(study)}`, "--port", String(port)],
    },
  );
});
after(async () => {
  await lab?.stop();
  if (checkout) rmSync(checkout, { recursive: true, force: true }); // where the server did not start
});

test(
  "JupyterLab opens a copy, on the study; git sees no change after it was edited, run and saved",
  options,
  async () => {
    const path = `work/${NAME}/00-start-here.ipynb`;
    assert.equal(await lab.firstPage(), `/lab/tree/${path}`);
    const { cells } = readJson<{ cells: { cell_type: string; outputs?: unknown[] }[] }>(join(checkout, path));
    assert.deepEqual(
      cells.flatMap(({ outputs = [] }) => outputs),
      [], // those committed are another study's
    );
    const notebook = await lab.open(path);
    const [first, second] = cells.flatMap(({ cell_type: type }, index) => (type === "code" ? [index] : []));
    await notebook.runCell(first!);
    await notebook.done(first!, 120_000);
    await notebook.cell(second!).locator(".cm-content").click();
    await notebook.page.keyboard.press("Control+a");
    await notebook.page.keyboard.insertText("console.log(study.name, study.plws);");
    await notebook.runCell(second!);
    await notebook.output(second!).getByText(`${NAME} [ 0, 0.1 ]`).waitFor();
    assert.equal(await notebook.page.locator(".Toastify__toast").count(), 0); // no news, no updates
    await notebook.screenshot("start");
    await notebook.save();
    await notebook.close();
    assert.match(readFileSync(join(checkout, path), "utf8"), /console\.log\(study\.name, study\.plws\);/);
    assert.equal(git(checkout, "status", "--porcelain"), "");
  },
);
