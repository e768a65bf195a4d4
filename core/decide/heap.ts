import type { CompiledGraph } from "../graph.ts";
import { Heap } from "../heap.ts";

/** A set of tasks that gives them back upstream first, so that each is looked at once, after all that can change it. */
export class TaskHeap {
  readonly #graph: CompiledGraph;
  /** Positions in the topological order. */
  readonly #heap = new Heap<number>((a, b) => a < b);
  readonly #isIn: Uint8Array;

  constructor(graph: CompiledGraph) {
    this.#graph = graph;
    this.#isIn = new Uint8Array(graph.size);
  }

  /** Adds a task; a second time changes nothing. */
  add(task: number): void {
    if (this.#isIn[task] === 1) return;
    this.#isIn[task] = 1;
    this.#heap.push(this.#graph.position[task] as number);
  }

  /** The task that comes first in the topological order; undefined when empty. */
  take(): number | undefined {
    const position = this.#heap.pop();
    if (position === undefined) return undefined;
    const task = this.#graph.order[position] as number;
    this.#isIn[task] = 0;
    return task;
  }
}
