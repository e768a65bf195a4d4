import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Json, JsonObject } from "../core/json.ts";
import type { TaskError, TaskOutcome } from "../core/run.ts";
import type { AttemptId } from "../store/rows.ts";
import { BundleCache } from "./bundle-cache.ts";
import type { AttemptWork, Executor, ExecutorListener, Reservation, SlotRequest } from "./executor.ts";
import { type AttemptEnd, attemptKey, HostAttempt } from "./local/attempt.ts";
import { classifyExit, type RunnerExit } from "./local/exit.ts";
import { DEFAULT_LIMITS, defaultSlots, type LocalExecutorOptions, type LocalLimits } from "./local/options.ts";
import { ProcessPool } from "./local/process-pool.ts";
import { RunnerProcess } from "./local/runner-process.ts";
import { SharedPool } from "./local/shared-pool.ts";
import { Slots } from "./local/slots.ts";
import { StopLadder } from "./local/stop-ladder.ts";
import { Watchdog } from "./local/watchdog.ts";
import { WorkerLease } from "./local/worker-lease.ts";
import type { RunnerOptions, ToHost } from "./protocol.ts";

/**
 * Runs tasks in child processes of this machine. It lives in the process of the scheduler, hands out slots without I/O, and
 * gives each attempt to a warm runner. Every attempt that `run` took ends in exactly one outcome, whatever becomes of its process.
 */
export class LocalExecutor implements Executor {
  readonly name = "local";
  readonly slots: number;
  readonly #options: LocalExecutorOptions;
  readonly #limits: LocalLimits;
  readonly #slots: Slots;
  readonly #ladder: StopLadder;
  readonly #bootId = randomUUID();
  readonly #bundles: BundleCache;
  readonly #processes: ProcessPool;
  readonly #shared: SharedPool;
  readonly #lease: WorkerLease;
  readonly #watchdog = new Watchdog();
  readonly #attempts = new Map<number, HostAttempt>();
  readonly #byKey = new Map<string, HostAttempt>();
  #serial = 0;
  /** Attempts that have ended and whose log is being stored. */
  #unreported = 0;
  #listener: ExecutorListener | undefined;
  #isStopping = false;
  #whenIdle: (() => void) | undefined;
  #whenAllExited: (() => void) | undefined;

  constructor(options: LocalExecutorOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.slots = options.slots ?? defaultSlots();
    const { store, clock, logger, workerId, queues = ["*"], version = "0", workerKind: kind = "up" } = options;
    const sizes = { process: this.slots, shared: options.sharedSlots ?? 16 * this.slots };
    this.#slots = new Slots({ workerId, sizes, queues });
    this.#bundles = new BundleCache(join(options.home, "bundles"), options.store.dags);
    const { idleMs, growAfterMs, memoryLimitMb, pingMs, pongTimeoutMs, leaseMs } = this.#limits;
    this.#processes = new ProcessPool({
      size: this.slots,
      idleMs,
      growAfterMs,
      memoryLimitMb,
      startRunner: (limitMb) => this.#startRunner("process", limitMb),
      onAssigned: (attempt, runner) => this.#begin(attempt, runner),
      onRefused: (attempt, error) => this.#settle(attempt, failed(error)),
    });
    this.#shared = new SharedPool({
      idleMs,
      pingMs,
      pongTimeoutMs,
      startRunner: () => this.#startRunner("shared", memoryLimitMb),
      onAssigned: (attempt, runner) => this.#begin(attempt, runner),
      onBlocked: (runner, reason) =>
        runner.kill(`${reason}: a task in it blocks its event loop. Give that task isolation "process"`),
    });
    this.#ladder = new StopLadder({
      clock,
      bootId: this.#bootId,
      termMs: this.#limits.termMs,
      shared: this.#shared,
      onGivenUp: (attempt, { outcome }) => this.#giveUp(attempt, outcome),
    });
    const worker = { workerId, kind, version, slots: this.slots, queues };
    this.#lease = new WorkerLease({ store, clock, logger, leaseMs, ...worker });
  }

  get freeSlots(): number {
    return this.#slots.free("process");
  }

  /** Mark of every process of this start of the host, in its environment as `SLUICE_BOOT_ID`. */
  get bootId(): string {
    return this.#bootId;
  }

  freeSlotsFor(isolation: SlotRequest["isolation"]): number {
    return this.#slots.free(isolation);
  }

  async start(listener: ExecutorListener): Promise<void> {
    this.#listener = listener;
    await this.#lease.start();
    // The first runner boots beside whatever else starts now.
    setImmediate(() => {
      if (this.#isStopping) return;
      this.#watchdog.start(this.#bootId);
      this.#processes.prefork();
    });
  }

  reserve(request: SlotRequest): Reservation | undefined {
    return this.#slots.reserve(request);
  }

  release(reservation: Reservation): void {
    this.#slots.release(reservation);
  }

  run(reservation: Reservation, work: AttemptWork): void {
    const { logBytes, logLines } = this.#limits;
    const attempt = new HostAttempt(++this.#serial, work, reservation, { bytes: logBytes, lines: logLines });
    this.#attempts.set(attempt.id, attempt);
    this.#byKey.set(attemptKey(work.attempt), attempt);
    if (this.#bundles.has(work.bundleHash)) this.#assign(attempt);
    else this.#fetchThenAssign(attempt);
  }

  cancel(attemptId: AttemptId, reason: string, graceMs = this.#limits.graceMs): void {
    const attempt = this.#byKey.get(attemptKey(attemptId));
    if (attempt === undefined) return;
    this.#ladder.stop(attempt, {
      message: reason,
      signalName: "AbortError",
      outcome: { kind: "cancelled", message: reason },
      graceMs,
    });
  }

  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#slots.close();
    await this.#idleWithin(graceMs);
    const error = {
      name: "Interrupted",
      message: "Sluice was stopped while the task ran. It runs again after the next start.",
    };
    const order = {
      message: "Sluice is stopping",
      signalName: "AbortError",
      outcome: { kind: "lost", error },
      graceMs: Math.min(1_000, this.#limits.graceMs),
    } as const;
    for (const attempt of [...this.#attempts.values()]) this.#ladder.stop(attempt, order);
    await this.#idleWithin(Infinity);
    this.#processes.stop();
    this.#shared.stop();
    if (this.#runnerCount > 0) await new Promise<void>((resolve) => (this.#whenAllExited = resolve));
    this.#watchdog.stop();
    await this.#lease.stop();
  }

  // --- the life of an attempt --------------------------------------------------------------------------------

  #fetchThenAssign(attempt: HostAttempt): void {
    this.#bundles.ensure(attempt.work.bundleHash).then(
      () => this.#assign(attempt),
      (error: Error) => this.#settle(attempt, failed({ name: error.name, message: error.message })),
    );
  }

  #assign(attempt: HostAttempt): void {
    if (attempt.hasSettled) return; // Cancelled while its bundle was fetched.
    if (attempt.work.isolation === "shared") this.#shared.assign(attempt);
    else this.#processes.assign(attempt);
  }

  #begin(attempt: HostAttempt, runner: RunnerProcess): void {
    const { work } = attempt;
    attempt.runner = runner;
    runner.attempts.add(attempt.id);
    runner.bundles.add(work.bundleHash);
    if (runner.isolation === "process") runner.forgetOutput();
    runner.send(["run", attempt.id, work]);
    const limit = work.executionTimeoutMs;
    if (limit !== undefined) this.#ladder.after(attempt, limit, () => this.#timeOut(attempt, limit));
  }

  #done(attempt: HostAttempt, end: AttemptEnd, wasAborted: boolean): void {
    const { runner, stop } = attempt;
    if (runner === undefined || attempt.hasSettled) return;
    // A task that ended before its signal fired has won the race; its result counts.
    const own = stop !== undefined && wasAborted ? { outcome: stop.outcome } : end;
    // Code of the attempt may still run: what a fault or an abort left behind. It counts as ended when the process has.
    if (runner.isolation === "process" && (runner.isRetiring || wasAborted)) {
      attempt.held = own;
      runner.leave();
      return;
    }
    const finish = () => {
      this.#leaveRunner(attempt, runner);
      this.#settle(attempt, own.outcome, own.returnValueJson);
    };
    if (!attempt.hadChildren && !attempt.hasNativeOutput) {
      finish();
      return;
    }
    // What was written past the task's own output is in the pipes; two turns of the event loop read it before the next task's follows.
    attempt.held = own;
    setImmediate(() => setImmediate(finish));
  }

  #leaveRunner(attempt: HostAttempt, runner: RunnerProcess): void {
    if (!runner.attempts.delete(attempt.id)) return;
    if (runner.isolation === "shared") this.#shared.released(runner);
    else this.#processes.ready(runner);
  }

  /** The one place where an attempt ends: its log is stored, its slot is free, the listener hears of it. */
  #settle(attempt: HostAttempt, outcome: TaskOutcome, returnValueJson?: string): void {
    if (attempt.hasSettled) return;
    attempt.hasSettled = true;
    attempt.cancelTimers();
    this.#attempts.delete(attempt.id);
    this.#byKey.delete(attemptKey(attempt.work.attempt));
    const { logs, clock, logger } = this.#options;
    const { attempt: id } = attempt.work;
    const rest = attempt.lastNativeLines(clock.now());
    if (rest.length > 0) logs.append(id, rest);
    this.#unreported++;
    const report = () => {
      this.#unreported--;
      this.release(attempt.reservation);
      this.#listener?.onOutcome({
        attempt: id,
        outcome: this.#masked(outcome),
        returnValueJson,
        pid: attempt.runner?.pid,
      });
      if (this.#attempts.size + this.#unreported === 0) this.#whenIdle?.();
    };
    const storing = logs.flush?.(id);
    if (storing === undefined) report();
    else
      storing.catch((error: unknown) => logger.warn({ err: error }, "A task's log could not be stored")).then(report);
  }

  #masked(outcome: TaskOutcome): TaskOutcome {
    const { mask } = this.#options;
    if (mask === undefined || (outcome.kind !== "failed" && outcome.kind !== "lost")) return outcome;
    const { name, message, stack } = outcome.error;
    return {
      ...outcome,
      error: { name: mask(name), message: mask(message), stack: stack === undefined ? undefined : mask(stack) },
    };
  }

  // --- stopping ----------------------------------------------------------------------------------------------

  #timeOut(attempt: HostAttempt, limitMs: number): void {
    const message = `The task ran longer than its executionTimeout of ${limitMs / 1_000} s.`;
    const outcome = failed({ name: "TaskTimeout", message });
    this.#ladder.stop(attempt, { message, signalName: "TimeoutError", outcome, graceMs: this.#limits.graceMs });
  }

  #giveUp(attempt: HostAttempt, outcome: TaskOutcome): void {
    if (attempt.runner === undefined) this.#processes.withdraw(attempt);
    else this.#leaveRunner(attempt, attempt.runner);
    this.#settle(attempt, outcome);
  }

  /** Resolves when no attempt is left, or after `ms`. */
  async #idleWithin(ms: number): Promise<void> {
    if (this.#attempts.size + this.#unreported === 0) return;
    const { clock } = this.#options;
    await new Promise<void>((resolve) => {
      const timer = ms === Infinity ? undefined : clock.setTimer(clock.now() + ms, resolve);
      this.#whenIdle = () => {
        timer?.cancel();
        resolve();
      };
    });
    this.#whenIdle = undefined;
  }

  // --- runners -----------------------------------------------------------------------------------------------

  get #runnerCount(): number {
    return this.#processes.runners.size + this.#shared.runners.size;
  }

  #startRunner(isolation: RunnerOptions["isolation"], memoryLimitMb: number): RunnerProcess {
    const { home, env = process.env } = this.#options;
    const { logBytes, logLines, xcomMaxBytes, retireRssMb } = this.#limits;
    const bundles = this.#bundles.folder;
    const dags = this.#options.dagsFolder;
    const options = { isolation, bundles, dags, bootId: this.#bootId, logBytes, logLines, xcomMaxBytes, retireRssMb };
    return new RunnerProcess(
      { options, home, memoryLimitMb, env },
      {
        onReady: (runner) => this.#ready(runner),
        onMessages: (runner, messages) => this.#receive(runner, messages),
        onOutput: (runner, source, chunk) => this.#output(runner, source, chunk),
        onExit: (runner, exit) => this.#exited(runner, exit),
      },
    );
  }

  #ready(runner: RunnerProcess): void {
    if (runner.isolation === "shared") this.#shared.alive(runner);
    else this.#processes.ready(runner);
  }

  #receive(runner: RunnerProcess, messages: readonly ToHost[]): void {
    if (runner.isolation === "shared") this.#shared.alive(runner);
    for (const message of messages) {
      if (message[0] === "retire") this.#retire(runner, message[1]);
      if (message[0] === "retire" || message[0] === "pong" || message[0] === "ready") continue;
      const attempt = this.#attempts.get(message[1]);
      // Only the runner that has an attempt may speak for it.
      if (attempt === undefined || attempt.runner !== runner) continue;
      switch (message[0]) {
        case "done":
          this.#done(attempt, { outcome: message[2], returnValueJson: message[3] ?? undefined }, message[4]);
          break;
        case "log":
          this.#options.logs.append(attempt.work.attempt, message[2]);
          break;
        case "call":
          void this.#answer(attempt, runner, message[2], message[3], message[4]);
          break;
        case "spawned":
          attempt.hadChildren = true;
          attempt.children.add(message[2]);
          break;
        case "exited":
          attempt.children.delete(message[2]);
          break;
      }
    }
  }

  #retire(runner: RunnerProcess, reason: string): void {
    this.#options.logger.info({ pid: runner.pid, reason }, "A runner is replaced");
    if (runner.isolation === "shared") this.#shared.retire(runner);
    else this.#processes.retire(runner);
  }

  async #answer(
    attempt: HostAttempt,
    runner: RunnerProcess,
    callId: number,
    method: string,
    args: JsonObject,
  ): Promise<void> {
    try {
      const value = (await this.#options.calls.call(attempt.work.attempt, method, args)) as Json | undefined;
      runner.send(["reply", attempt.id, callId, true, value ?? null, ""]);
    } catch (error) {
      const { message, code } = error as Error & { code?: unknown };
      runner.send(["reply", attempt.id, callId, false, message, typeof code === "string" ? code : "error"]);
    }
  }

  #output(runner: RunnerProcess, source: "stdout" | "stderr", chunk: Buffer): void {
    const [id] = runner.attempts;
    const attempt = runner.isolation === "process" && id !== undefined ? this.#attempts.get(id) : undefined;
    if (attempt === undefined) {
      this.#options.logger.debug(
        { pid: runner.pid, source, text: chunk.toString("utf8", 0, 2_000) },
        "A runner printed",
      );
      return;
    }
    const { logs, clock } = this.#options;
    const lines = attempt.nativeLines(clock.now(), source, chunk);
    if (lines.length === 0) return;
    logs.append(attempt.work.attempt, lines);
    const storing = logs.flush?.(attempt.work.attempt);
    if (storing === undefined) return;
    runner.pauseOutput(true);
    void storing.finally(() => runner.pauseOutput(false));
  }

  #exited(runner: RunnerProcess, exit: RunnerExit): void {
    if (runner.isolation === "shared") this.#shared.exited(runner);
    else this.#processes.exited(runner, exit);
    const error = classifyExit(exit);
    for (const id of runner.attempts) {
      const attempt = this.#attempts.get(id);
      if (attempt === undefined) continue;
      const end = attempt.held ?? { outcome: attempt.stop?.outcome ?? failed(error) };
      this.#settle(attempt, end.outcome, end.returnValueJson);
    }
    runner.attempts.clear();
    if (this.#isStopping && this.#runnerCount === 0) this.#whenAllExited?.();
  }
}

function failed(error: TaskError): TaskOutcome {
  return { kind: "failed", error, retryable: true };
}
