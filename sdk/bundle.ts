import { type Dag, internalsOf } from "./dag.ts";
import { DagDefinitionError } from "./errors.ts";

/** The author's function behind a task. */
export type TaskHandler = (inputs: never) => unknown;

/**
 * Collects DAGs, as Airflow's SDK asks of a bundle's entry file. Sluice finds every `Dag` by itself, so nothing
 * depends on it; it is here so that such files run unchanged.
 *
 * @example
 * ```ts
 * import { Bundle, Dag } from "sluice";
 * const dag = new Dag("hello");
 * dag.task("greet", async () => "hello")();
 * await new Bundle(dag).serve();
 * ```
 */
export class Bundle {
  readonly #dags = new Map<string, Dag<unknown>>();
  #isServed = false;

  /** @throws DagDefinitionError as `register`. */
  constructor(...items: readonly Dag<unknown>[]) {
    this.register(...items);
  }

  /**
   * Adds DAGs: all of them, or none when one is refused.
   * @throws DagDefinitionError for a second DAG of one id, and for anything but a Dag of this copy of the package.
   */
  register(...items: readonly Dag<unknown>[]): this {
    const added = new Map<string, Dag<unknown>>();
    for (const dag of items) {
      const { dagId } = internalsOf(dag).blueprint;
      if (this.#dags.has(dagId) || added.has(dagId)) {
        throw new DagDefinitionError(`The bundle has two Dags with the id "${dagId}". Rename one of them.`);
      }
      added.set(dagId, dag);
    }
    for (const [dagId, dag] of added) this.#dags.set(dagId, dag);
    return this;
  }

  /** The handler of a task; undefined when there is no such task, or it has no handler of the author's. */
  getTaskHandler(dagId: string, taskId: string): TaskHandler | undefined {
    const dag = this.#dags.get(dagId);
    const found = dag === undefined ? undefined : internalsOf(dag).blueprint.find(taskId);
    return found?.type === "task" ? found.body.handler : undefined;
  }

  /** Nothing is left to do. @throws DagDefinitionError when called twice. */
  async serve(): Promise<void> {
    if (this.#isServed) throw new DagDefinitionError("The bundle is served already. Call serve() once.");
    this.#isServed = true;
  }
}
