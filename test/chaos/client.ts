import type { Clock } from "../../core/clock.ts";
import type { DagRunRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { type Command, carryOut } from "./commands.ts";
import type { Random } from "./random.ts";

/** What became of a command: `ok` it was acknowledged, `fail` it was refused, `info` nobody knows (the engine died, or the disk was busy). */
export interface Issued {
  readonly command: Command;
  outcome: "info" | "ok" | "fail";
  /** Rows that the acknowledgement named. */
  affected: number;
  /** Places in the order of all that the client said and heard. */
  readonly givenAt: number;
  answeredAt: number;
  message?: string;
}

export interface ClientOptions {
  /** A connection of its own, as a command line has one. */
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Gives the command to the engine; undefined when there is none, otherwise the promise of its answer. */
  readonly send: (command: Command) => Promise<number> | undefined;
}

/** Runs that wait or run at once at most: beyond it nothing is triggered. */
const ENOUGH_RUNS = 24;
const DAG_IDS = ["chain", "fan", "shared", "fork", "wait", "slow", "caller", "client"] as const;
const DAY_MS = 86_400_000;
const FIRST_DAY = Date.UTC(2020, 0, 1);

/** Refusals that say that nothing was done; anything else may have been done or not. */
const REFUSALS: ReadonlySet<string> = new Set(["conflict", "not_found", "invalid_input"]);

/** Somebody who uses Sluice, and remembers what was promised. */
export class Client {
  readonly issued: Issued[] = [];
  readonly #o: ClientOptions;
  #number = 0;
  #said = 0;
  #nextDay = 0;

  constructor(options: ClientOptions) {
    this.#o = options;
  }

  /** Gives one random command; resolves when it is answered, or at once when it went to the engine. */
  async act(): Promise<void> {
    const command = await this.#choose();
    if (command === undefined) return;
    const issued: Issued = { command, outcome: "info", affected: 0, givenAt: ++this.#said, answeredAt: Infinity };
    this.issued.push(issued);
    const { store, clock, random, send } = this.#o;
    const sent = random.chance(0.5) ? send(command) : undefined;
    const answered = (sent ?? carryOut({ store, clock, actor: command.actor, triggeredBy: "cli" }, command)).then(
      (affected) => Object.assign(issued, { outcome: "ok", affected, answeredAt: ++this.#said }),
      (error: Error & { code?: string }) => {
        issued.message = error.message;
        if (REFUSALS.has(error.code ?? "")) issued.outcome = "fail";
      },
    );
    if (sent === undefined) await answered;
  }

  async #choose(): Promise<Command | undefined> {
    const { store, random } = this.#o;
    const actor = `chaos:${++this.#number}.`;
    const choice = random.below(100);
    if (choice < 45) {
      const { queued = 0, running = 0 } = await store.runs.countByState();
      if (queued + running >= ENOUGH_RUNS) return undefined;
      return {
        actor,
        kind: "trigger",
        dagId: random.pick(DAG_IDS),
        runId: `c${this.#number}${"x".repeat(random.below(4))}`,
      };
    }
    if (choice < 50) return { actor, kind: "variable", key: `v${random.below(4)}`, value: `${this.#number}` };
    if (choice < 54) return { actor, kind: "pause", dagId: "fan", isPaused: random.chance(0.5) };
    if (choice < 58) return this.#backfill(actor);
    const run = await this.#someRun();
    if (run === undefined) return undefined;
    const { dagId, runId } = run;
    if (choice < 64) return { actor, kind: "note", dagId, runId, note: `${this.#number}` };
    if (choice < 68) return { actor, kind: "cancel", dagId, runId };
    if (choice < 71) return { actor, kind: "markRun", dagId, runId, newState: random.pick(["success", "failed"]) };
    const tasks = await store.tasks.ofRun(run.runKey);
    if (tasks.length === 0) return undefined;
    const { taskId } = random.pick(tasks);
    if (choice < 78)
      return { actor, kind: "markTask", dagId, runId, taskId, newState: random.pick(["success", "failed", "skipped"]) };
    const taskIds = random.chance(0.3) ? undefined : [taskId];
    return { actor, kind: "clear", dagId, runId, taskIds, downstream: random.chance(0.5) };
  }

  async #backfill(actor: string): Promise<Command | undefined> {
    const { store, random } = this.#o;
    const [active] = (await store.admin.backfills({ isActive: true })).rows;
    if (active !== undefined)
      return random.chance(0.3) ? { actor, kind: "cancelBackfill", backfillId: active.id } : undefined;
    const first = this.#nextDay;
    this.#nextDay += 5;
    if (first > 350) return undefined;
    const fromDate = FIRST_DAY + first * DAY_MS;
    return { actor, kind: "backfill", dagId: "daily", fromDate, toDate: fromDate + 5 * DAY_MS };
  }

  /** One of the newest runs, most of them unfinished. */
  async #someRun(): Promise<DagRunRow | undefined> {
    const { store, random } = this.#o;
    const dagId = random.pick([...DAG_IDS, "called", "daily"]);
    const { rows } = await store.runs.list({ dagId, limit: 6, orderBy: "id", isDescending: true });
    return rows.length === 0 ? undefined : random.pick(rows);
  }
}
