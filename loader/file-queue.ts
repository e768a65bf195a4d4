import type { Clock, TimerHandle } from "../core/clock.ts";
import { Pace } from "./pace.ts";

/** What the queue asks its worker to do with a file. */
export interface FileTask {
  readonly path: string;
  /** Somebody has just saved it, or waits for it. */
  readonly isUrgent: boolean;
  /** Do the work even when it looks superfluous. */
  readonly isForced: boolean;
  /** Aborted when the file changes meanwhile, and when the queue stops; the result is then of no use. */
  readonly signal: AbortSignal;
}

interface Entry {
  readonly path: string;
  readonly pace: Pace;
  isUrgent: boolean;
  isForced: boolean;
  /** Changed again while being worked on. */
  isDirty: boolean;
  job: AbortController | undefined;
  done: Promise<void> | undefined;
  held: TimerHandle | undefined;
  retry: TimerHandle | undefined;
}

const MAX_URGENT_JOBS = 16;
const MAX_PATIENT_JOBS = 4;

/**
 * Which file is loaded when: each file once at a time, those that somebody has just saved before those of the first
 * look, one that changes all the time at its `Pace`, and again from the start when it changes under way.
 */
export class FileQueue {
  readonly #clock: Clock;
  readonly #work: (task: FileTask) => Promise<void>;
  readonly #entries = new Map<string, Entry>();
  readonly #urgent = new Set<Entry>();
  readonly #patient = new Set<Entry>();
  readonly #jobs = new Set<Promise<void>>();
  readonly #waiters = new Set<() => void>();
  #urgentJobs = 0;
  #patientJobs = 0;
  #isStopped = false;

  /** `work` must not reject. */
  constructor(clock: Clock, work: (task: FileTask) => Promise<void>) {
    this.#clock = clock;
    this.#work = work;
  }

  /** Loads a file; `isPaced` when it was changed on disk. */
  add(path: string, options: { isUrgent: boolean; isForced?: boolean; isPaced?: boolean }): void {
    if (this.#isStopped) return;
    const entry = this.#entry(path);
    entry.isUrgent ||= options.isUrgent;
    entry.isForced ||= options.isForced ?? false;
    const now = this.#clock.now();
    const at = options.isPaced ? entry.pace.changed(now) : now;
    entry.held?.cancel();
    entry.held = undefined;
    if (at <= now) this.#ready(entry);
    else entry.held = this.#clock.setTimer(at, () => this.#ready(entry));
  }

  /** Loads a file once more after a while, unless it is loaded before; does not count as pending. */
  retryLater(path: string, inMs: number, isForced: boolean): void {
    if (this.#isStopped) return;
    const entry = this.#entry(path);
    entry.retry?.cancel();
    entry.retry = this.#clock.setTimer(this.#clock.now() + inMs, () => {
      this.add(path, { isUrgent: false, isForced });
    });
  }

  /** The file is gone: nothing is to be done for it any more. Resolves when what was under way has ended. */
  async forget(path: string): Promise<void> {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    entry.held?.cancel();
    entry.retry?.cancel();
    this.#urgent.delete(entry);
    this.#patient.delete(entry);
    this.#entries.delete(path);
    entry.job?.abort(superseded());
    await entry.done;
    this.#wake();
  }

  /** Whether a file, or any, is waiting for its load or being loaded. */
  isPending(path?: string): boolean {
    const isBusy = (entry: Entry) =>
      entry.job !== undefined || entry.held !== undefined || this.#urgent.has(entry) || this.#patient.has(entry);
    if (path === undefined) return this.#jobs.size > 0 || [...this.#entries.values()].some(isBusy);
    const entry = this.#entries.get(path);
    return entry !== undefined && isBusy(entry);
  }

  /** Resolves when the condition holds; it is looked at whenever a file is done, on `recheck`, and at the stop. */
  until(condition: () => boolean): Promise<void> {
    if (condition() || this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      const check = () => {
        if (!condition() && !this.#isStopped) return;
        this.#waiters.delete(check);
        resolve();
      };
      this.#waiters.add(check);
    });
  }

  /** Something that an `until` may wait for has changed. */
  recheck(): void {
    this.#wake();
  }

  /** Aborts what is under way and waits for its end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#urgent.clear();
    this.#patient.clear();
    for (const entry of this.#entries.values()) {
      entry.held?.cancel();
      entry.retry?.cancel();
      entry.job?.abort(superseded());
    }
    await Promise.all(this.#jobs);
    this.#wake();
  }

  #entry(path: string): Entry {
    let entry = this.#entries.get(path);
    if (entry === undefined) {
      entry = {
        path,
        pace: new Pace(),
        isUrgent: false,
        isForced: false,
        isDirty: false,
        job: undefined,
        done: undefined,
        held: undefined,
        retry: undefined,
      };
      this.#entries.set(path, entry);
    }
    return entry;
  }

  #ready(entry: Entry): void {
    entry.held = undefined;
    if (entry.job !== undefined) {
      entry.isDirty = true;
      entry.job.abort(superseded());
      return;
    }
    if (entry.isUrgent) this.#patient.delete(entry);
    (entry.isUrgent ? this.#urgent : this.#patient).add(entry);
    this.#pump();
  }

  #pump(): void {
    while (this.#urgentJobs < MAX_URGENT_JOBS && this.#begin(this.#urgent)) this.#urgentJobs++;
    while (this.#patientJobs < MAX_PATIENT_JOBS && this.#begin(this.#patient)) this.#patientJobs++;
  }

  #begin(queue: Set<Entry>): boolean {
    const [entry] = queue;
    if (entry === undefined) return false;
    queue.delete(entry);
    const isUrgent = queue === this.#urgent;
    const job = this.#run(entry, isUrgent).finally(() => {
      this.#jobs.delete(job);
      if (isUrgent) this.#urgentJobs--;
      else this.#patientJobs--;
      if (entry.isDirty && this.#entries.has(entry.path) && !this.#isStopped) {
        entry.isUrgent = true;
        this.#ready(entry);
      }
      this.#pump();
      this.#wake();
    });
    this.#jobs.add(job);
    entry.done = job;
    return true;
  }

  async #run(entry: Entry, isUrgent: boolean): Promise<void> {
    const { path, isForced } = entry;
    const job = new AbortController();
    entry.job = job;
    entry.isUrgent = false;
    entry.isForced = false;
    entry.isDirty = false;
    entry.retry?.cancel();
    entry.pace.loaded();
    try {
      await this.#work({ path, isUrgent, isForced, signal: job.signal });
    } finally {
      entry.job = undefined;
      // An aborted force is still owed.
      if (entry.isDirty) entry.isForced ||= isForced;
    }
  }

  #wake(): void {
    for (const check of [...this.#waiters]) check();
  }
}

function superseded(): DOMException {
  return new DOMException("The file has changed meanwhile", "AbortError");
}
