import type { TaskOutcome } from "../../core/run.ts";
import type {
  AttemptWork,
  Executor,
  ExecutorListener,
  OutcomeReport,
  Reservation,
  SlotRequest,
} from "../../executor/executor.ts";
import type { AttemptId } from "../../store/rows.ts";

/** What a scripted task does: an outcome, an outcome with a value, or "hold" until the test ends it. */
export type Act = "hold" | TaskOutcome | { readonly outcome: TaskOutcome; readonly returnValueJson?: string };
/** Asked at every start; `nth` counts the starts of this task in all runs, from 1. */
export type Script = (work: AttemptWork, nth: number) => Act;

export const success: TaskOutcome = { kind: "success" };
export const failure: TaskOutcome = {
  kind: "failed",
  error: { name: "Error", message: "as scripted" },
  retryable: true,
};

/**
 * An executor without processes: what tasks do is a script, their ends arrive in a later turn of the event loop (all that
 * started in one turn end in one turn), or when the test says so.
 */
export class ScriptedExecutor implements Executor {
  readonly name = "local";
  slots: number;
  readonly workerId: string;
  /** Every start in order. */
  readonly started: AttemptWork[] = [];
  /** Attempts that were told to stop, in order. */
  readonly cancelled: AttemptId[] = [];
  /** Starts of instances of which another attempt was still running: must stay empty. */
  readonly doubled: AttemptWork[] = [];
  /** Most attempts at once so far. */
  peak = 0;
  script: Script = () => success;
  /** False: a cancelled attempt goes on until the test ends it. */
  obeysCancel = true;
  #listener: ExecutorListener | undefined;
  #reserved = 0;
  #token = 0;
  #isStopped = false;
  readonly #running = new Map<number, { readonly work: AttemptWork; readonly reservation: Reservation }>();
  readonly #counts = new Map<string, number>();
  readonly #watchers = new Set<() => void>();

  constructor(slots = 16, workerId = "worker-1") {
    this.slots = slots;
    this.workerId = workerId;
  }

  get freeSlots(): number {
    return Math.max(0, this.slots - this.#reserved);
  }

  /** Attempts that run now. */
  get running(): readonly AttemptWork[] {
    return [...this.#running.values()].map(({ work }) => work);
  }

  /** Ids of the tasks that run now, sorted. */
  get runningTaskIds(): readonly string[] {
    return this.running.map(({ taskId }) => taskId).sort();
  }

  async start(listener: ExecutorListener): Promise<void> {
    this.#listener = listener;
  }

  reserve(_request: SlotRequest): Reservation | undefined {
    if (this.freeSlots === 0 || this.#isStopped) return undefined;
    this.#reserved++;
    return { workerId: this.workerId, token: ++this.#token };
  }

  release(_reservation: Reservation): void {
    this.#reserved--;
  }

  run(reservation: Reservation, work: AttemptWork): void {
    for (const { attempt } of this.running) {
      if (attempt.runKey !== work.attempt.runKey || attempt.tiNo !== work.attempt.tiNo) continue;
      this.doubled.push(work);
    }
    this.started.push(work);
    this.#running.set(reservation.token, { work, reservation });
    this.peak = Math.max(this.peak, this.#running.size);
    const nth = (this.#counts.get(work.taskId) ?? 0) + 1;
    this.#counts.set(work.taskId, nth);
    const act = this.script(work, nth);
    for (const wake of [...this.#watchers]) wake();
    if (act === "hold") return;
    const { outcome, returnValueJson } = "outcome" in act ? act : { outcome: act, returnValueJson: undefined };
    setImmediate(() => this.#end(reservation.token, outcome, returnValueJson));
  }

  cancel(attempt: AttemptId, _reason: string): void {
    this.cancelled.push(attempt);
    for (const wake of [...this.#watchers]) wake();
    if (!this.obeysCancel) return;
    for (const [token, { work }] of this.#running) {
      if (isSame(work.attempt, attempt)) setImmediate(() => this.#end(token, { kind: "cancelled" }));
    }
  }

  async stop(_graceMs: number): Promise<void> {
    this.#isStopped = true;
    for (const token of [...this.#running.keys()]) this.#end(token, { kind: "cancelled", message: "shutdown" });
  }

  /** Ends the only running attempt of this task (in the run, when given). */
  finish(taskId: string, outcome: TaskOutcome = success, returnValueJson?: string, runId?: string): void {
    const found = [...this.#running].filter(
      ([, { work }]) => work.taskId === taskId && (runId === undefined || work.runId === runId),
    );
    const [first] = found;
    if (first === undefined || found.length > 1) throw new Error(`${found.length} attempts of ${taskId} are running`);
    this.#end(first[0], outcome, returnValueJson);
  }

  /** Ends this very attempt. */
  end(work: AttemptWork, outcome: TaskOutcome): void {
    for (const [token, entry] of this.#running) if (entry.work === work) this.#end(token, outcome);
  }

  /** Ends every running attempt in this turn. */
  finishAll(outcome: TaskOutcome = success): void {
    for (const token of [...this.#running.keys()]) this.#end(token, outcome);
  }

  /** Reports an outcome that no slot belongs to, as a late or doubled message does. */
  report(report: OutcomeReport): void {
    this.#listener?.onOutcome(report);
  }

  /** All attempts die and nobody hears of it, as with the machine. */
  vanish(): void {
    this.#running.clear();
    this.#listener = undefined;
  }

  /** Tells of slots that came back without an outcome. */
  raiseSlots(slots: number): void {
    this.slots = slots;
    this.#listener?.onSlotsFree();
  }

  /** Resolves once the condition holds; looked at after each start and cancel. */
  async until(condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        if (!condition()) return;
        this.#watchers.delete(wake);
        resolve();
      };
      this.#watchers.add(wake);
    });
  }

  #end(token: number, outcome: TaskOutcome, returnValueJson?: string): void {
    const entry = this.#running.get(token);
    if (entry === undefined) return;
    this.#running.delete(token);
    this.#reserved--;
    this.#listener?.onOutcome({
      attempt: entry.work.attempt,
      outcome,
      ...(returnValueJson === undefined ? {} : { returnValueJson }),
    });
  }
}

function isSame(a: AttemptId, b: AttemptId): boolean {
  return a.runKey === b.runKey && a.tiNo === b.tiNo && a.epoch === b.epoch;
}
