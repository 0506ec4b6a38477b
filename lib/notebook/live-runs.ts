// Which runs of a sweep or an evaluation the table of a live display lists: at most 12 lines with the heading.
import type { RunsProgress } from "../evaluate/evaluate-runs";
import type { RunProgress, SweepProgress } from "../sweep/sweep-progress";
import type { LiveRow, LiveTable } from "./live-table";
import { duration } from "./progress-text";

/** Most lines of each kind. */
const MAX_ACTIVE = 6;
const MAX_FAILED = 3;
/** Most runs that are named in the line of waiting and in that of finished runs. */
const MAX_NAMED = 2;
/** Most characters of a failure's cause. */
const MAX_CAUSE = 100;

/** Lists the runs of a sweep: those in training with step, losses and remaining time, failed, waiting and finished ones. */
export function sweepTable(progress: SweepProgress): LiveTable {
  const { active, waiting, finished, failures, stopped } = progress;
  const short = shortNames([...[...active, ...finished, ...failures].map(({ run }) => run), ...waiting]);
  const loss = (value: number | null | undefined): string => value?.toFixed(3) ?? "–";
  const cells = ({ run, step, totalSteps, loss: weighted, curve, etaSeconds }: RunProgress): string[] => [
    short(run),
    `${step} of ${totalSteps}`,
    loss(weighted),
    loss(curve.at(-1)?.completionLoss),
    loss(curve.at(-1)?.promptLoss),
    stopped || etaSeconds === null ? "" : duration(etaSeconds),
  ];
  return {
    columns: ["run", "step", "loss", "completion", "prompt", "left"],
    rows: [
      ...atMost(
        MAX_ACTIVE,
        active.map((run) => ({ state: stopped ? "stopped" : "running", cells: cells(run) })),
        stopped ? "stopped" : "running",
      ),
      ...failedRows(failures.map(({ run, message }) => ({ name: short(run), message }))),
      ...counted("waiting", "next", waiting.length, waiting.slice(0, MAX_NAMED).map(short)),
      ...counted(
        "finished",
        "last",
        finished.length,
        finished.slice(-MAX_NAMED).map(({ run }) => short(run)),
      ),
    ],
  };
}

/** Lists the runs of an evaluation: those in work with task and items, failed ones, and how many are waiting. */
export function evaluationTable(progress: RunsProgress): LiveTable {
  const { wanted, complete, failed, active, failures, stopped } = progress;
  const short = shortNames([...active, ...failures].map(({ run }) => run));
  const state = stopped ? "stopped" : "running";
  return {
    columns: ["run", "task", "items", "tasks done"],
    rows: [
      ...atMost(
        MAX_ACTIVE,
        active.map(({ run, task, tasksDone, tasks, done, total }) => ({
          state,
          cells: [short(run), task, `${done} of ${total}`, `${tasksDone} of ${tasks}`],
        })),
        state,
      ),
      ...failedRows(
        failures.map(({ run, task, message }) => ({
          name: `${short(run)}${task === null ? "" : `, ${task}`}`,
          message,
        })),
      ),
      ...counted("waiting", "", Math.max(0, wanted - complete - failed - active.length), []),
    ],
  };
}

function failedRows(failures: readonly { name: string; message: string }[]): LiveRow[] {
  const rows = failures.map(({ name, message }) => ({
    state: "failed",
    text: `${name}: ${abridged(message.replaceAll(/\s+/g, " "), MAX_CAUSE)}`,
  }));
  return atMost(MAX_FAILED, rows, "failed");
}

/** The first rows; if there are more, the last line says how many. */
function atMost(count: number, rows: readonly LiveRow[], state: string): LiveRow[] {
  if (rows.length <= count) return [...rows];
  return [...rows.slice(0, count - 1), { state, text: `${rows.length - count + 1} more` }];
}

function counted(state: string, which: string, count: number, names: readonly string[]): LiveRow[] {
  if (count === 0) return [];
  return [{ state, text: `${count}${names.length > 0 ? `; ${which}: ${names.join(", ")}` : ""}` }];
}

/** Shortens a text to at most `length` characters, without cutting a surrogate pair. */
export function abridged(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

/**
 * Returns a function that leaves out what all `names` of runs have in common after model, data set and PLW, such as
 * normalizer, variant and seed.
 */
export function shortNames(names: readonly string[]): (name: string) => string {
  const all = names.map((name) => name.split(" · "));
  const isConstant = (part: string, i: number): boolean => i > 2 && all.every((parts) => parts.includes(part, 3));
  return (name) =>
    name
      .split(" · ")
      .filter((part, i) => !isConstant(part, i))
      .join(" · ");
}
