import type { CompiledGraph } from "../graph.ts";

/** A set of tasks that gives them back upstream first, so that each is looked at once, after all that can change it. */
export class TaskHeap {
  readonly #graph: CompiledGraph;
  /** Binary heap of positions in the topological order. */
  readonly #heap: number[] = [];
  readonly #isIn: Uint8Array;

  constructor(graph: CompiledGraph) {
    this.#graph = graph;
    this.#isIn = new Uint8Array(graph.size);
  }

  /** Adds a task; a second time changes nothing. */
  add(task: number): void {
    if (this.#isIn[task] === 1) return;
    this.#isIn[task] = 1;
    const heap = this.#heap;
    const position = this.#graph.position[task] as number;
    let at = heap.length;
    heap.push(position);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as number;
      if (above <= position) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = position;
  }

  /** The task that comes first in the topological order; undefined when empty. */
  take(): number | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return undefined;
    if (heap.length > 0) this.#sink(last);
    const task = this.#graph.order[first] as number;
    this.#isIn[task] = 0;
    return task;
  }

  #sink(position: number): void {
    const heap = this.#heap;
    const size = heap.length;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && (heap[child + 1] as number) < (heap[child] as number)) child++;
      if ((heap[child] as number) >= position) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = position;
  }
}
