import type { Dag } from "./dag.ts";

/**
 * The DAGs of the module that is being evaluated. They find their way here through `globalThis`, so that a bundle which
 * brings a copy of the SDK along still reports to the process that loads it. Evaluations do not nest: load one bundle
 * after the other (`collectDags` sees to it).
 */
const KEY: unique symbol = Symbol.for("sluice.registry");

interface RegistryHolder {
  [KEY]?: Dag<unknown>[] | undefined;
}

const holder = globalThis as RegistryHolder;

/** From here on every constructed `Dag` is noted. @throws Error when a collection is already under way. */
export function beginCollection(): void {
  if (holder[KEY] !== undefined)
    throw new Error("A DAG module is already being evaluated in this process; use collectDags");
  holder[KEY] = [];
}

/** Ends the collection and gives its DAGs in the order of their construction. */
export function endCollection(): Dag<unknown>[] {
  const dags = holder[KEY] ?? [];
  holder[KEY] = undefined;
  return dags;
}

/** Called by the constructor of `Dag`. Outside a collection (a test, a script) it does nothing. */
export function register(dag: Dag<unknown>): void {
  holder[KEY]?.push(dag);
}

let lastCollection: Promise<unknown> = Promise.resolve();

/**
 * Evaluates one module (`evaluate` imports it) and gives the DAGs that it constructed. Calls wait for each other.
 * @throws what the evaluation throws.
 */
export function collectDags(evaluate: () => unknown): Promise<Dag<unknown>[]> {
  const collection = lastCollection.then(async () => {
    beginCollection();
    try {
      await evaluate();
    } finally {
      dags = endCollection();
    }
    return dags;
  });
  let dags: Dag<unknown>[] = [];
  lastCollection = collection.catch(() => undefined);
  return collection;
}
