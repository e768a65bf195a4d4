import type { TaskDefinition } from "../definition.ts";
import type { CompiledGraph } from "../graph.ts";
import type { TaskInstanceFacts } from "../run.ts";
import type { RunState, TaskState } from "../states.ts";
import type { RunFacts } from "./types.ts";

/** The states of one run, kept so that an event costs only what it changes. Made by `openRun`; only `decide` writes. */
export class RunMemory {
  readonly graph: CompiledGraph;
  readonly facts: RunFacts;
  /** Number of task instances. */
  readonly size: number;
  /** State of the run as decided so far. */
  runState: RunState;

  constructor(graph: CompiledGraph, facts: RunFacts, tasks: readonly TaskInstanceFacts[]) {
    this.graph = graph;
    this.facts = facts;
    this.size = tasks.length;
    this.runState = facts.state;
  }

  stateOf(_tiNo: number): TaskState {
    throw new Error("not there yet");
  }

  /** The instance as it stands. */
  instance(_tiNo: number): TaskInstanceFacts {
    throw new Error("not there yet");
  }

  /** Its task; undefined when the graph no longer has it. */
  taskOf(_tiNo: number): TaskDefinition | undefined {
    throw new Error("not there yet");
  }

  /** How many instances are in this state. */
  count(_state: TaskState): number {
    throw new Error("not there yet");
  }
}
