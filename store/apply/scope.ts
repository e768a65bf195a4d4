import type { TaskState } from "../../core/states.ts";
import { TASK_STATES, taskStateCode } from "../../core/states.ts";
import type { Change } from "../changes.ts";
import type { RunKey } from "../rows.ts";
import type { Secrets } from "../secrets.ts";
import { run, type SqlValue, type Step } from "../statements.ts";

/** The guard of a change did not hold; the commit queue turns it into `{ ok: false }`. */
export class GuardFailure extends Error {
  readonly reason: "stale" | "duplicate" | "missing";
  /** Position of the refused change in its list. */
  index = 0;

  constructor(reason: GuardFailure["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** The statements in which databases differ. */
export interface DialectSql {
  /** Inserts the attempt of a task instance, or re-opens it (another poke of the same try). Parameters: see `apply/attempts.ts`. */
  readonly openAttempt: string;
  /** Inserts or replaces an XCom. Parameters: see `apply/xcoms.ts`. */
  readonly putXCom: string;
}

/** An event on its way to the table. */
export interface NewEvent {
  readonly kind: string;
  readonly dagId?: string | null;
  readonly runKey?: RunKey | null;
  readonly tiNo?: number | null;
  readonly tryNumber?: number | null;
  readonly epoch?: number | null;
  readonly from?: string | null;
  readonly to?: string | null;
  readonly detail?: { readonly [key: string]: unknown } | undefined;
}

/** The columns of an event row as `Scope` collects them, without the id. */
export const EVENT_COLUMNS = [
  "at",
  "kind",
  "dag_id",
  "run_key",
  "ti_no",
  "try_number",
  "epoch",
  "from_state",
  "to_state",
  "actor",
  "detail",
] as const;

const RUN_KEY = EVENT_COLUMNS.indexOf("run_key");
const TI_NO = EVENT_COLUMNS.indexOf("ti_no");

/** What stays the same over all transactions of one store. */
export interface StoreContext {
  readonly dialect: DialectSql;
  readonly secrets: Secrets;
  readonly hostname: string;
  /** DAG of a run; runs never change their DAG. Bounded. */
  readonly dagOfRun: Map<RunKey, string>;
}

/**
 * What a transaction (or one list, when each runs under a savepoint) gathers while its changes are applied: events and
 * counters are written together at its end, the notice is sent after the commit.
 */
export class Scope {
  readonly context: StoreContext;
  /** Epoch ms; the same for everything in one transaction. */
  readonly now: number;
  readonly eventRows: SqlValue[][] = [];
  readonly counts = new Map<RunKey, Int32Array>();
  readonly commandedRuns = new Set<RunKey>();
  readonly dagIds = new Set<string>();
  readonly kinds = new Set<Change["kind"]>();
  /** Who commits the present list. */
  actor = "";
  /** Key of the last run created by the present list, for changes beside it that mean that run. */
  createdRun: RunKey | undefined;
  /** Attempts that the present list has finished: their last XComs are still theirs. */
  readonly finished = new Set<string>();

  constructor(context: StoreContext, now: number) {
    this.context = context;
    this.now = now;
  }

  /** Begins the list of `actor`. */
  begin(actor: string): void {
    this.actor = actor;
    this.createdRun = undefined;
    if (this.finished.size > 0) this.finished.clear();
  }

  event(event: NewEvent): void {
    this.eventRows.push([
      this.now,
      event.kind,
      event.dagId ?? null,
      event.runKey ?? null,
      event.tiNo ?? null,
      event.tryNumber ?? null,
      event.epoch ?? null,
      event.from ?? null,
      event.to ?? null,
      this.actor,
      event.detail === undefined ? null : JSON.stringify(event.detail),
    ]);
  }

  /** Moves `by` task instances of a run from one state's counter to another's; null = they did not exist or cease to. */
  count(runKey: RunKey, from: TaskState | null, to: TaskState | null, by = 1): void {
    let deltas = this.counts.get(runKey);
    if (deltas === undefined) {
      deltas = new Int32Array(TASK_STATES.length);
      this.counts.set(runKey, deltas);
    }
    if (from !== null) deltas[taskStateCode(from)] = (deltas[taskStateCode(from)] ?? 0) - by;
    if (to !== null) deltas[taskStateCode(to)] = (deltas[taskStateCode(to)] ?? 0) + by;
  }

  /** The run is deleted: what was gathered for it must not outlive it. Its events of this transaction keep only the DAG. */
  forgetRun(runKey: RunKey): void {
    this.context.dagOfRun.delete(runKey);
    this.counts.delete(runKey);
    for (const row of this.eventRows) {
      if (row[RUN_KEY] !== runKey) continue;
      row[RUN_KEY] = null;
      row[TI_NO] = null;
    }
  }

  /** The DAG of a run, or a `missing` failure. */
  *dagOf(runKey: RunKey): Step<string> {
    const { dagOfRun } = this.context;
    const known = dagOfRun.get(runKey);
    if (known !== undefined) return known;
    const rows = (yield { kind: "all", sql: "select dag_id from dag_run where id = ?", params: [runKey] }) as [
      string,
    ][];
    const row = rows[0];
    if (row === undefined) throw new GuardFailure("missing", `Run ${runKey} does not exist (any more).`);
    if (dagOfRun.size >= MAX_REMEMBERED_RUNS) dagOfRun.clear();
    dagOfRun.set(runKey, row[0]);
    return row[0];
  }
}

const MAX_REMEMBERED_RUNS = 20_000;

/** The columns of `run_count`, by state code. */
export const COUNT_COLUMNS: readonly string[] = TASK_STATES.map((state) => `n_${state}`);

const ADD_COUNTS = `update run_count set ${COUNT_COLUMNS.map((column) => `${column} = ${column} + ?`).join(", ")} where run_key = ?`;

/** Writes the counters that a scope has gathered. */
export function* writeCounts(counts: Scope["counts"]): Step<void> {
  for (const [runKey, deltas] of counts) {
    if (deltas.some((delta) => delta !== 0)) yield* run(ADD_COUNTS, ...deltas, runKey);
  }
}
