import type { DagDefinition, TaskDefinition } from "../../core/definition.ts";
import type { SkipDecision, TaskOutcome } from "../../core/run.ts";
import type { RunState, TaskState } from "../../core/states.ts";
import { oracle } from "./table-oracle.ts";

/** A task instance of the naive model. */
export interface NaiveTask {
  state: TaskState;
  tryNumber: number;
  maxTries: number;
  lostCount: number;
  branch?: SkipDecision | undefined;
}

const DONE: readonly TaskState[] = ["success", "failed", "upstream_failed", "skipped", "removed"];

/**
 * The same decisions, slowly: after every event it looks at every task, from nothing but the present states. No
 * tallies, no heaps, no memory of what was looked at before. The incremental core must agree with it at every step.
 */
export class NaiveRun {
  readonly definition: DagDefinition;
  readonly tasks = new Map<string, NaiveTask>();
  readonly #relatives = new Map<string, string[]>();
  runState: RunState = "running";
  /** States of the previous run's tasks; null = there is no previous run; undefined = not known. */
  past: ReadonlyMap<string, TaskState> | null | undefined;

  constructor(definition: DagDefinition) {
    this.definition = definition;
    for (const task of definition.tasks) {
      this.tasks.set(task.taskId, { state: "none", tryNumber: 0, maxTries: task.retries + 1, lostCount: 0 });
    }
    this.past = definition.tasks.some((task) => task.dependsOnPast) ? undefined : null;
  }

  get(taskId: string): NaiveTask {
    return this.tasks.get(taskId)!;
  }

  state(taskId: string): TaskState {
    return this.get(taskId).state;
  }

  start(taskId: string): void {
    const task = this.get(taskId);
    task.state = "running";
    task.tryNumber++;
  }

  finish(taskId: string, outcome: TaskOutcome): void {
    const task = this.get(taskId);
    if (task.state === "restarting") {
      task.state = "none";
      task.lostCount = 0;
      task.branch = undefined;
      task.maxTries = Math.max(task.maxTries, task.tryNumber + this.#def(taskId).retries + 1);
      this.settle();
      return;
    }
    if (outcome.kind === "lost") {
      task.lostCount++;
      if (task.lostCount > 3) this.#fail(taskId);
      else {
        task.maxTries++;
        task.state = "none";
      }
      this.settle();
      return;
    }
    task.lostCount = 0;
    if (outcome.kind === "success") {
      task.state = "success";
      task.branch = outcome.branch;
    } else if (outcome.kind === "skipped") {
      task.state = "skipped";
    } else if (outcome.kind === "failed") {
      if (outcome.retryable && task.tryNumber < task.maxTries) task.state = "up_for_retry";
      else this.#fail(taskId);
    }
    this.settle();
  }

  due(taskId: string): void {
    this.get(taskId).state = "none";
    this.settle();
  }

  /** Looks at every task, upstream first, until a whole round changes nothing. */
  settle(): void {
    if (this.runState !== "running") return;
    for (const task of this.#inOrder()) {
      const instance = this.get(task.taskId);
      if (instance.state !== "none" && instance.state !== "scheduled") continue;
      const verdict = this.#verdict(task);
      if (verdict === "run") instance.state = task.isNoop ? "success" : "scheduled";
      else if (verdict === "wait") instance.state = "none";
      else instance.state = verdict;
    }
    this.#complete();
  }

  #fail(taskId: string): void {
    this.get(taskId).state = "failed";
    if (this.definition.failFast) {
      for (const task of this.definition.tasks) {
        const instance = this.get(task.taskId);
        if (DONE.includes(instance.state) || task.isTeardown) continue;
        instance.state = instance.state === "running" || instance.state === "restarting" ? "failed" : "skipped";
      }
    }
  }

  #verdict(task: TaskDefinition): TaskState | "run" | "wait" {
    let verdict = this.#upstreamVerdict(task);
    const waitsForPast = task.dependsOnPast && !this.#isPastMet(task.taskId);
    if (waitsForPast && verdict === "run") verdict = "wait";
    if (waitsForPast && verdict === "skipped" && task.waitForPastDependsBeforeSkipping) verdict = "wait";
    return verdict;
  }

  #upstreamVerdict(task: TaskDefinition): TaskState | "run" | "wait" {
    if (this.#skippedByBranch().has(task.taskId)) return "skipped";
    if (task.upstream.length === 0 || task.triggerRule === "always") return "run";
    const setups = this.#indirectSetups(task).map((id) => this.state(id));
    if (setups.some((state) => state === "failed" || state === "upstream_failed")) return "upstream_failed";
    if (setups.includes("skipped")) return "skipped";
    if (setups.some((state) => state !== "success")) return "wait";
    const upstream = task.upstream.map((id) => ({ state: this.state(id), isSetup: this.#def(id).isSetup ?? false }));
    return oracle(task.triggerRule, upstream);
  }

  #isPastMet(taskId: string): boolean {
    if (this.past === null) return true;
    const state = this.past?.get(taskId);
    return state === "success" || state === "skipped";
  }

  #skippedByBranch(): Set<string> {
    const skipped = new Set<string>();
    for (const task of this.definition.tasks) {
      const { state, branch } = this.get(task.taskId);
      if (state !== "success" || branch === undefined) continue;
      const direct = this.#downstream(task.taskId);
      if ("followed" in branch) {
        const reached = new Set(branch.followed.flatMap((id) => [id, ...this.#below(id)]));
        for (const id of direct) if (!reached.has(id)) skipped.add(id);
      } else {
        const named = branch.skipped.filter((id) => direct.includes(id));
        for (const id of named) {
          if (!branch.transitive) skipped.add(id);
          else for (const one of [id, ...this.#below(id)]) if (!this.#def(one).isTeardown) skipped.add(one);
        }
      }
    }
    return skipped;
  }

  #indirectSetups(task: TaskDefinition): string[] {
    if (task.isTeardown) return [];
    const below = this.#below(task.taskId);
    return this.#above(task.taskId).filter((id) => {
      if (!this.#def(id).isSetup || task.upstream.includes(id)) return false;
      const teardowns = this.#downstream(id).filter((next) => this.#def(next).isTeardown);
      return teardowns.length === 0 || teardowns.some((next) => below.includes(next));
    });
  }

  #complete(): void {
    const all = [...this.tasks.values()];
    if (all.every(({ state }) => DONE.includes(state))) {
      const counted = this.definition.tasks.filter((task) => {
        if (task.isTeardown) return false;
        return this.#downstream(task.taskId).every((id) => this.#def(id).isTeardown);
      });
      const leaves =
        counted.length > 0
          ? counted
          : this.definition.tasks.filter((task) => this.#downstream(task.taskId).length === 0);
      const failed = leaves.some(({ taskId }) => ["failed", "upstream_failed"].includes(this.state(taskId)));
      const failedFast =
        this.definition.failFast &&
        this.definition.tasks.some(({ taskId, isTeardown }) => !isTeardown && this.state(taskId) === "failed");
      this.runState = failed || failedFast ? "failed" : "success";
      return;
    }
    const open = this.definition.tasks.filter((task) => !DONE.includes(this.state(task.taskId)));
    if (open.some((task) => this.state(task.taskId) !== "none")) return;
    if (open.some((task) => task.dependsOnPast && this.#upstreamVerdict(task) !== "wait")) return;
    for (const task of open) this.get(task.taskId).state = "upstream_failed";
    this.runState = "failed";
  }

  #inOrder(): TaskDefinition[] {
    const done = new Set<string>();
    const order: TaskDefinition[] = [];
    while (order.length < this.definition.tasks.length) {
      for (const task of this.definition.tasks) {
        if (done.has(task.taskId) || !task.upstream.every((id) => done.has(id))) continue;
        done.add(task.taskId);
        order.push(task);
      }
    }
    return order;
  }

  #def(taskId: string): TaskDefinition {
    return this.definition.tasks.find((task) => task.taskId === taskId)!;
  }

  #downstream(taskId: string): string[] {
    return this.#remember(`downstream ${taskId}`, () =>
      this.definition.tasks.filter((task) => task.upstream.includes(taskId)).map((task) => task.taskId),
    );
  }

  #below(taskId: string): string[] {
    return this.#remember(`below ${taskId}`, () => [
      ...new Set(this.#downstream(taskId).flatMap((id) => [id, ...this.#below(id)])),
    ]);
  }

  #above(taskId: string): string[] {
    return this.#remember(`above ${taskId}`, () => [
      ...new Set(this.#def(taskId).upstream.flatMap((id) => [id, ...this.#above(id)])),
    ]);
  }

  /** Only what depends on the definition alone: without it the suite takes a minute. */
  #remember(key: string, find: () => string[]): string[] {
    const known = this.#relatives.get(key) ?? find();
    this.#relatives.set(key, known);
    return known;
  }
}
