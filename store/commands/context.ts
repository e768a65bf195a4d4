import type { Clock } from "../../core/clock.ts";
import { ConflictError, InvalidInputError, NotFoundError, SluiceError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
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

/** The DAG, or `NotFoundError`, or `ConflictError` when no file defines it any more: nothing new can be started of it. */
export async function activeDagOf(store: Store, dagId: string): Promise<DagRow> {
  const dag = await dagOf(store, dagId);
  if (!dag.isActive)
    throw new ConflictError(
      `DAG "${dag.dagId}" is no longer defined by any file in the DAG folder. Put its file back to run it.`,
    );
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

/** What a command does to one run. */
export interface RunPlan {
  readonly run: DagRunRow;
  /** One atom; empty = nothing to do. */
  readonly changes: readonly Change[];
}

/**
 * Carries out the plans of several runs, one atom each. A plan that somebody was faster than is made again for its run alone: what
 * is done already must not be done a second time. Gives the plans as they were carried out.
 */
export async function carryOut<Plan extends RunPlan>(
  context: CommandContext,
  plans: readonly Plan[],
  planAgain: (run: DagRunRow) => Promise<Plan>,
): Promise<readonly Plan[]> {
  const done: Plan[] = [];
  for (const first of plans) {
    let plan: Plan | undefined = first;
    await retryWhenStale(async () => {
      if (plan === undefined) {
        const run = await context.store.runs.get(first.run.runKey);
        // Deleted meanwhile: nothing is left to do.
        if (run === undefined) return;
        plan = await planAgain(run);
      }
      const { changes } = plan;
      const present = plan;
      plan = undefined;
      if (changes.length > 0) await commitOrThrow(context, changes);
      done.push(present);
    });
  }
  return done;
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

/** Largest `conf`, bytes of JSON. */
const CONF_LIMIT = 65_536;

/** The conf as it came, or `InvalidInputError` when it is too large to be kept with a run. */
export function checkedConf(conf: JsonObject): JsonObject {
  if (Buffer.byteLength(JSON.stringify(conf)) > CONF_LIMIT)
    throw new InvalidInputError(
      `conf is larger than ${CONF_LIMIT} bytes. Put large data where tasks can read it and pass its address.`,
      [{ path: "conf", message: "too large" }],
    );
  return conf;
}

/** Years 0001 to 9999: what ISO 8601 writes with four digits, and every database stores. */
const FIRST_INSTANT = Date.parse("0001-01-01T00:00:00Z");
const LAST_INSTANT = Date.parse("9999-12-31T23:59:59.999Z");

/** Whether a number is an instant (epoch ms) that can be stored and shown. */
export function isInstant(value: number): boolean {
  return Number.isInteger(value) && value >= FIRST_INSTANT && value <= LAST_INSTANT;
}
