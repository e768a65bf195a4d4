import { join } from "node:path";
import type { Command } from "commander";
import { NotFoundError } from "../../core/errors.ts";
import { isTerminal } from "../../core/states.ts";
import type { LogLine } from "../../executor/executor.ts";
import { clearTasks, markTask, previewMarkTask } from "../../store/commands/index.ts";
import type { TaskInstanceInRun } from "../../store/store.ts";
import { lasting, type Output, when } from "../output.ts";
import { type Session, withStore } from "../session.ts";
import { type ClearOptions, showAffected } from "./runs.ts";

interface Address {
  readonly mapIndex?: number;
}

export async function listTasks(dagId: string, runId: string, _options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const run = await store.runs.find(dagId, runId);
    if (!run) throw new NotFoundError(`DAG "${dagId}" has no run "${runId}".`);
    const tasks = await store.tasks.ofRun(run.runKey);
    out.table(
      tasks.map((task) => ({
        task_id: task.taskId,
        map_index: task.mapIndex,
        state: task.state,
        try_number: task.tryNumber,
        start_date: task.startDate,
        end_date: task.endDate,
        reason: task.reason,
      })),
      [
        { name: "task", of: (task) => `${task.task_id}${task.map_index >= 0 ? `[${task.map_index}]` : ""}` },
        { name: "state", of: (task) => task.state },
        { name: "try", of: (task) => task.try_number, isNumber: true },
        { name: "started", of: (task) => when(task.start_date) },
        { name: "took", of: (task) => lasting(task.start_date, task.end_date), isNumber: true },
        { name: "why", of: (task) => task.reason },
      ],
      "The run has no tasks.",
    );
  });
}

interface LogOptions extends Address {
  readonly try?: number;
  readonly follow?: boolean;
}

/** How often `--follow` looks whether the log file of another process has grown, ms. */
const FOLLOW_MS = 250;

/** Lines that are read together. */
const LINES_AT_ONCE = 1_000;

export async function showLogs(
  dagId: string,
  runId: string,
  taskId: string,
  options: LogOptions,
  command: Command,
): Promise<void> {
  await withStore(command, async (session) => {
    const { FolderLogStore } = await import("../../executor/logs/folder.ts");
    const logs = new FolderLogStore(join(session.config.home, "logs"));
    const look = () => find(session, dagId, runId, taskId, options);
    try {
      if (options.follow) await followLog(logs, look, options, session.out);
      else await printLog(logs, session, await look(), options);
      await tellError(session, await look(), options);
    } finally {
      await logs.close();
    }
  });
}

/** Why the try failed is not part of its log, but it is what one looks for there. */
async function tellError({ store, out }: Session, task: TaskInstanceInRun, options: LogOptions): Promise<void> {
  const attempt = await store.tasks.attempt(task.runKey, task.tiNo, options.try ?? task.tryNumber);
  if (attempt?.error) out.remark(attempt.error.stack ?? `${attempt.error.name}: ${attempt.error.message}`);
}

type Logs = import("../../executor/logs/folder.ts").FolderLogStore;

/** What is there of one try; with `--json` one array. */
async function printLog(
  logs: Logs,
  { store, out }: Session,
  task: TaskInstanceInRun,
  options: LogOptions,
): Promise<void> {
  const tries = (await store.tasks.attempts(task.runKey, task.tiNo)).map((attempt) => attempt.tryNumber);
  const tryNumber = options.try ?? task.tryNumber;
  if (tries.length === 0) throw new NotFoundError(`"${task.taskId}" has no log: it has not run (${task.state}).`);
  if (!tries.includes(tryNumber))
    throw new NotFoundError(`"${task.taskId}" has no try ${tryNumber}. It has: ${[...new Set(tries)].join(", ")}.`);
  const collected: object[] = [];
  for (let from = 0; ; ) {
    const page = await logs.read({ runKey: task.runKey, tiNo: task.tiNo, tryNumber }, from, LINES_AT_ONCE);
    for (const line of page.lines)
      if (out.isJson) collected.push(jsonOf(line));
      else process.stdout.write(textOf(line));
    if (page.isEnd) break;
    from = page.nextLine;
  }
  if (out.isJson) out.done(collected, "");
}

/** Prints lines as they come, of the newest try at each moment unless one is named, until the task ends; with `--json` a value a line. */
async function followLog(
  logs: Logs,
  look: () => Promise<TaskInstanceInRun>,
  options: LogOptions,
  out: Output,
): Promise<void> {
  let task = await look();
  let tryNumber = options.try ?? task.tryNumber;
  for (let from = 0, isOver = isTerminal(task.state); ; ) {
    const page = await logs.read({ runKey: task.runKey, tiNo: task.tiNo, tryNumber }, from, LINES_AT_ONCE);
    from = page.nextLine;
    for (const line of page.lines)
      process.stdout.write(out.isJson ? `${JSON.stringify(jsonOf(line))}\n` : textOf(line));
    if (!page.isEnd) continue;
    if (isOver) return;
    task = await look();
    const newest = options.try ?? task.tryNumber;
    if (newest !== tryNumber) from = 0;
    // One more look after the end, because the last lines may come after the state.
    else isOver = isTerminal(task.state);
    tryNumber = newest;
    if (!isOver) await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
  }
}

function jsonOf(line: LogLine): object {
  return { ...line, at: new Date(line.at).toISOString() };
}

function textOf(line: LogLine): string {
  const fields = line.fields ? ` ${JSON.stringify(line.fields)}` : "";
  return `${new Date(line.at).toISOString()} ${line.level.toUpperCase().padEnd(7)} ${line.message}${fields}\n`;
}

export async function clearTask(
  dagId: string,
  runId: string,
  taskId: string,
  options: ClearOptions,
  command: Command,
): Promise<void> {
  const { clearRun } = await import("./runs.ts");
  if (options.dryRun) return clearRun(dagId, runId, { ...options, task: [taskId] }, command);
  await withStore(command, async (session) =>
    showAffected(
      session,
      await clearTasks(session.commands, {
        dagId,
        runId,
        taskIds: [taskId],
        upstream: options.upstream,
        downstream: options.downstream,
        past: options.past,
        future: options.future,
        onlyFailed: options.onlyFailed,
        runOnLatestVersion: options.latest,
      }),
      "cleared",
    ),
  );
}

interface MarkOptions extends Address {
  readonly upstream?: boolean;
  readonly downstream?: boolean;
  readonly past?: boolean;
  readonly future?: boolean;
  readonly dryRun?: boolean;
}

export async function markTaskCommand(
  dagId: string,
  runId: string,
  taskId: string,
  newState: "success" | "failed" | "skipped",
  options: MarkOptions,
  command: Command,
): Promise<void> {
  await withStore(command, async (session) => {
    const { dryRun, ...rest } = options;
    const input = { dagId, runId, taskId, newState, ...rest };
    showAffected(
      session,
      await (dryRun ? previewMarkTask(session.commands, input) : markTask(session.commands, input)),
      dryRun ? `would be marked ${newState}` : `marked ${newState}`,
    );
  });
}

export async function whyTask(
  dagId: string,
  runId: string,
  taskId: string,
  options: Address,
  command: Command,
): Promise<void> {
  await withStore(command, async (session) => {
    const task = await find(session, dagId, runId, taskId, options);
    const { explainTaskFromRows } = await import("../../store/explain.ts");
    const reason = await explainTaskFromRows(session.store, task.runKey, task.tiNo, Date.now());
    session.out.done({ task_id: task.taskId, state: task.state, reason }, `${task.taskId} is ${task.state}: ${reason}`);
  });
}

async function find(
  { store }: Session,
  dagId: string,
  runId: string,
  taskId: string,
  { mapIndex = -1 }: Address,
): Promise<TaskInstanceInRun> {
  const task = await store.tasks.find(dagId, runId, taskId, mapIndex);
  if (!task)
    throw new NotFoundError(
      `Run "${runId}" of "${dagId}" has no task instance "${taskId}"${mapIndex >= 0 ? `[${mapIndex}]` : ""}. \`sluice tasks list ${dagId} '${runId}'\` shows them.`,
    );
  return task;
}
