import { type Decision, decide, openRun, type RunEvent, type RunMemory } from "../../core/decide.ts";
import { type DagDefinition, RETURN_VALUE_KEY, type TaskDefinition } from "../../core/definition.ts";
import { compileGraph, materializeGraph } from "../../core/graph.ts";
import type { TaskError } from "../../core/run.ts";
import type { RunState } from "../../core/states.ts";
import type { RuntimeHost, TaskLogLine } from "../host.ts";
import type { TaskEnd, TaskWork } from "../runtime.ts";
import type { TestedTask } from "./index.ts";
import type { TestWorld } from "./world.ts";

/** More tries and pokes than a test can mean to have. */
const MOST_ATTEMPTS = 100_000;

/** One run in this process, decided by the core. */
export class TestRun {
  readonly #definition: DagDefinition;
  readonly #world: TestWorld;
  readonly #execute: (work: TaskWork, host: RuntimeHost) => Promise<TaskEnd>;
  readonly #memory: RunMemory;
  readonly #ready: number[] = [];
  readonly #due = new Map<number, number>();
  readonly #logs = new Map<number, TaskLogLine[]>();
  readonly #errors = new Map<number, TaskError>();
  state: RunState = "running";

  constructor(
    definition: DagDefinition,
    world: TestWorld,
    execute: (work: TaskWork, host: RuntimeHost) => Promise<TaskEnd>,
  ) {
    this.#definition = definition;
    this.#world = world;
    this.#execute = execute;
    const graph = compileGraph(definition);
    const { dagId } = definition;
    const { runId, runType, logicalDate } = world;
    const facts = { dagId, runId, runType, state: "running", logicalDate, past: { kind: "none" } } as const;
    const fresh = { state: "none", tryNumber: 0, epoch: 0, lostCount: 0 } as const;
    this.#memory = openRun(
      graph,
      facts,
      materializeGraph(graph).map((instance) => ({ ...fresh, ...instance })),
    );
  }

  /** Runs everything that can run. @throws Error when the run does not come to an end. */
  async toEnd(): Promise<void> {
    this.#decide({ kind: "begin" });
    for (let attempts = 0; attempts < MOST_ATTEMPTS; attempts++) {
      const tiNo = this.#ready.shift();
      if (tiNo !== undefined) await this.#attempt(tiNo);
      else if (!this.#moveOn()) return;
    }
    throw new Error(`The run of Dag "${this.#definition.dagId}" did not end after ${MOST_ATTEMPTS} tries and pokes.`);
  }

  tasks(): { readonly [taskId: string]: TestedTask } {
    const entries = this.#definition.tasks.map(({ taskId }, tiNo): [string, TestedTask] => {
      const { state, tryNumber } = this.#memory.instance(tiNo);
      const text = state === "success" ? this.#world.xcomText(taskId, RETURN_VALUE_KEY) : undefined;
      const error = state === "failed" ? this.#errors.get(tiNo) : undefined;
      const task = {
        state,
        value: text === undefined ? undefined : JSON.parse(text),
        tries: tryNumber,
        log: this.#logs.get(tiNo) ?? [],
      };
      return [taskId, error === undefined ? task : { ...task, error }];
    });
    return Object.fromEntries(entries);
  }

  async #attempt(tiNo: number): Promise<void> {
    const task = this.#definition.tasks[tiNo];
    if (task === undefined || this.#memory.stateOf(tiNo) !== "scheduled") return;
    this.#decide({ kind: "queued", tiNo });
    this.#decide({ kind: "started", tiNo });
    const { tryNumber, maxTries, firstPokeAt } = this.#memory.instance(tiNo);
    if (firstPokeAt === undefined) this.#world.clearXComs(task.taskId);
    const log = this.#logs.get(tiNo) ?? [];
    this.#logs.set(tiNo, log);
    const work = this.#world.work(task.taskId, this.#inputs(task), tryNumber, maxTries, firstPokeAt);
    const end = await this.#execute(
      work,
      this.#world.host(this.#world.logTo(log, task.taskId), new AbortController().signal),
    );
    if (end.returnValueJson !== undefined) this.#world.setXcomText(task.taskId, RETURN_VALUE_KEY, end.returnValueJson);
    if (end.outcome.kind === "failed") this.#errors.set(tiNo, end.outcome.error);
    this.#decide({ kind: "finished", tiNo, outcome: end.outcome });
  }

  #inputs(task: TaskDefinition): { readonly [name: string]: string } {
    const entries = Object.entries(task.inputs).flatMap(([name, input]): [string, string][] => {
      const text =
        input.kind === "literal" ? JSON.stringify(input.value) : this.#world.xcomText(input.taskId, input.key);
      return text === undefined ? [] : [[name, text]];
    });
    return Object.fromEntries(entries);
  }

  /** Moves the clock to the next retry or poke; false when none is waiting. */
  #moveOn(): boolean {
    const [next] = [...this.#due].sort(([, a], [, b]) => a - b);
    if (next === undefined) return false;
    const [tiNo, at] = next;
    this.#due.delete(tiNo);
    this.#world.now = Math.max(this.#world.now, at);
    this.#decide({ kind: "due", tiNo });
    return true;
  }

  #decide(event: RunEvent): void {
    const decision: Decision = decide(this.#memory, event, { now: this.#world.now });
    this.#ready.push(...decision.newlyReady);
    for (const { tiNo, to, dueAt } of decision.transitions) {
      const isWaiting = to === "up_for_retry" || to === "up_for_reschedule";
      if (isWaiting && typeof dueAt === "number") this.#due.set(tiNo, dueAt);
      else this.#due.delete(tiNo);
    }
    if (decision.runState !== undefined) this.state = decision.runState.to;
  }
}
