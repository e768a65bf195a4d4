import type { Command } from "commander";
import { NotFoundError, SluiceError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { timetableFromSpec } from "../../core/timetable.ts";
import { setPaused, triggerRun } from "../../store/commands/index.ts";
import type { DagRow } from "../../store/rows.ts";
import { when } from "../output.ts";
import { type Session, withStore } from "../session.ts";

interface ListOptions {
  readonly tag?: readonly string[];
  readonly search?: string;
  readonly paused?: boolean;
}

export async function listDags(options: ListOptions, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const { rows } = await store.dags.summaries(
      { limit: 1_000, tags: options.tag, search: options.search, isPaused: options.paused },
      1,
    );
    const shown = rows.map((dag) => ({
      dag_id: dag.dagId,
      schedule: dag.scheduleSummary,
      is_paused: dag.isPaused,
      next_run: dag.nextRunAt === null ? null : new Date(dag.nextRunAt).toISOString(),
      last_state: dag.recentRuns[0]?.state ?? null,
      tags: dag.tags,
      file: dag.file,
      has_import_error: dag.hasImportError,
    }));
    out.table(
      shown,
      [
        { name: "dag", of: (dag) => dag.dag_id },
        { name: "schedule", of: (dag) => dag.schedule },
        { name: "state", of: (dag) => (dag.is_paused ? "paused" : dag.has_import_error ? "import error" : "active") },
        { name: "last run", of: (dag) => dag.last_state },
        { name: "next run", of: (dag) => (dag.next_run === null ? "-" : when(Date.parse(dag.next_run))) },
        { name: "file", of: (dag) => dag.file },
      ],
      "No DAGs yet. Put a .ts file into the DAG folder (docs/getting-started.md shows one).",
    );
  });
}

export async function showDag(dagId: string, _options: object, command: Command): Promise<void> {
  await withStore(command, async (session) => {
    const { dag, version } = await find(session, dagId);
    const { definition } = version;
    session.out.facts(
      { ...definition, is_paused: dag.isPaused, version_number: version.versionNumber, next_run_at: dag.nextRunAt },
      [
        ["dag", dag.dagId],
        ["description", definition.description],
        ["file", dag.file],
        ["version", `${version.versionNumber} of ${when(version.createdAt)}`],
        ["schedule", `${dag.scheduleSummary} (${dag.timezone})`],
        ["next run", when(dag.nextRunAt)],
        ["paused", dag.isPaused ? `since ${when(dag.pausedAt)} by ${dag.pausedBy}` : "no"],
        ["catchup", definition.catchup],
        ["max active runs", definition.maxActiveRuns],
        ["max active tasks", definition.maxActiveTasks],
        ["tags", definition.tags],
        ...definition.tasks.map((task, at): [string, string] => [
          at === 0 ? "tasks" : "",
          `${task.taskId} (${task.operator})${task.upstream.length > 0 ? ` after ${task.upstream.join(", ")}` : ""}`,
        ]),
      ],
    );
  });
}

interface TriggerOptions {
  readonly conf?: JsonObject;
  readonly runId?: string;
  readonly logicalDate?: number;
  readonly note?: string;
  readonly unpause?: boolean;
}

export async function triggerDag(dagId: string, options: TriggerOptions, command: Command): Promise<void> {
  await withStore(command, async ({ commands, out, store }) => {
    const run = await triggerRun(commands, { dagId, ...options });
    const isPaused = (await store.dags.get(dagId))?.isPaused ?? false;
    if (isPaused) out.remark(`"${dagId}" is paused: the run stays queued until \`sluice dags unpause ${dagId}\`.`);
    out.done(
      {
        dag_id: run.dagId,
        dag_run_id: run.runId,
        state: run.state,
        logical_date: run.logicalDate === null ? null : new Date(run.logicalDate).toISOString(),
      },
      `Created run ${run.runId} of ${run.dagId} (${run.state}).`,
    );
  });
}

export async function pauseDag(dagId: string, isPaused: boolean, command: Command): Promise<void> {
  await withStore(command, async ({ commands, out }) => {
    await setPaused(commands, dagId, isPaused);
    out.done(
      { dag_id: dagId, is_paused: isPaused },
      `${dagId} is ${isPaused ? "paused: no new runs; running tasks finish" : "active"}.`,
    );
  });
}

export async function nextRuns(dagId: string, options: { readonly count: number }, command: Command): Promise<void> {
  await withStore(command, async (session) => {
    const { definition } = (await find(session, dagId)).version;
    const startDate = definition.startDate ? Date.parse(definition.startDate) : undefined;
    const slots = timetableFromSpec(definition.timetable, { startDate }).upcoming(Date.now(), options.count, {
      startDate,
      endDate: definition.endDate ? Date.parse(definition.endDate) : undefined,
    });
    const iso = (value: number) => new Date(value).toISOString();
    session.out.table(
      slots.map((slot) => ({
        run_after: iso(slot.runAfter),
        logical_date: iso(slot.logicalDate),
        data_interval_start: iso(slot.dataInterval.start),
        data_interval_end: iso(slot.dataInterval.end),
      })),
      [
        { name: "runs at (UTC)", of: (slot) => slot.run_after },
        {
          name: definition.timezone,
          of: (slot) => new Date(slot.run_after).toLocaleString("sv", { timeZone: definition.timezone }),
        },
        { name: "logical date", of: (slot) => slot.logical_date },
      ],
      `${dagId} has no further dates.`,
    );
  });
}

export async function deleteDag(dagId: string, options: { readonly yes?: boolean }, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const { total } = await store.runs.list({ dagId, limit: 1 });
    if (!options.yes)
      throw new SluiceError(
        "conflict",
        `This deletes "${dagId}" and the history of its ${total} runs for good. Add --yes to do it.`,
      );
    const result = await store.commit([{ kind: "dag.delete", dagId }], "cli");
    if (!result.ok) throw new SluiceError(result.reason === "missing" ? "not_found" : "conflict", result.message);
    out.done({ dag_id: dagId, deleted_runs: total }, `Deleted ${dagId} and ${total} runs.`);
  });
}

async function find({ store }: Session, dagId: string) {
  const dag: DagRow | undefined = await store.dags.get(dagId);
  const version = dag && (await store.dags.version(dag.currentVersionId));
  if (!dag || !version) throw new NotFoundError(`There is no DAG "${dagId}". \`sluice dags list\` shows all.`);
  return { dag, version };
}

export async function listImportErrors(_options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    out.table(
      await store.dags.importErrors(),
      [
        {
          name: "file",
          of: (error) =>
            error.line === null
              ? error.file
              : `${error.file}:${error.line}${error.column === null ? "" : `:${error.column}`}`,
        },
        { name: "message", of: (error) => error.message },
        { name: "since", of: (error) => when(error.createdAt) },
      ],
      "Every DAG file loads.",
    );
  });
}
