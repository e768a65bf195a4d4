import type { Clock } from "../../core/clock.ts";
import { NotFoundError, SluiceError } from "../../core/errors.ts";
import type { RunState, TriggeredBy } from "../../core/states.ts";
import type { Change, CommitResult } from "../changes.ts";
import type { DagRow, DagRunRow, DagVersionRow, RunKey } from "../rows.ts";
import type { Store } from "../store.ts";

/** Who gives a command, and the means to carry it out. */
export interface CommandContext {
  readonly store: Store;
  readonly clock: Clock;
  /** "user:ann", "token:ci", "cli", "scheduler"; stands in every event of the command. */
  readonly actor: string;
  readonly triggeredBy: TriggeredBy;
}

/** States of a run in which its owner still looks at its task instances. */
export const UNFINISHED_RUN_STATES: readonly RunState[] = ["queued", "running"];

/** Somebody else changed the same rows first; reading again and repeating is safe (HTTP 409). */
export class StaleCommandError extends SluiceError {
  constructor(message: string) {
    super("conflict", message);
  }
}

/** The DAG, or `NotFoundError`. */
export async function dagOf(store: Store, dagId: string): Promise<DagRow> {
  const dag = await store.dags.get(dagId);
  if (!dag) throw new NotFoundError(`There is no DAG "${dagId}". \`sluice dags list\` shows all.`);
  return dag;
}

/** The run, or `NotFoundError`. */
export async function runOf(store: Store, dagId: string, runId: string): Promise<DagRunRow> {
  const run = await store.runs.find(dagId, runId);
  if (!run) throw new NotFoundError(`DAG "${dagId}" has no run "${runId}".`);
  return run;
}

/** The version a run is pinned to. */
export async function versionOf(store: Store, versionId: number): Promise<DagVersionRow> {
  const version = await store.dags.version(versionId);
  if (!version) throw new NotFoundError(`DAG version ${versionId} is gone from the database. Run \`sluice verify\`.`);
  return version;
}

/** Commits or throws `StaleCommandError` with the store's explanation. */
export async function commitOrThrow(
  context: CommandContext,
  changes: readonly Change[],
): Promise<Extract<CommitResult, { ok: true }>> {
  const result = await context.store.commit(changes, context.actor);
  if (!result.ok)
    throw new StaleCommandError(`Nothing was changed: ${result.message}. Look at the present state and try again.`);
  return result;
}

/** How often a command reads again and repeats when the scheduler changed the same rows in between. */
const ATTEMPTS = 5;

/** Repeats a read-decide-commit while it is stale, so that an operator's command does not lose against a busy run. */
export async function retryWhenStale<T>(command: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await command();
    } catch (error) {
      if (!(error instanceof StaleCommandError) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Runs of a DAG before and/or after one run by logical date, the run itself included: what "past" and "future" mean. */
export async function runsAround(
  store: Store,
  run: DagRunRow,
  past: boolean,
  future: boolean,
): Promise<readonly DagRunRow[]> {
  if (run.logicalDate === null || (!past && !future)) return [run];
  const from = past ? Number.MIN_SAFE_INTEGER : run.logicalDate;
  const to = future ? Number.MAX_SAFE_INTEGER : run.logicalDate;
  const rows = await store.runs.inRange(run.dagId, from, to);
  return rows.some((row: DagRunRow) => row.runKey === (run.runKey as RunKey)) ? rows : [...rows, run];
}
