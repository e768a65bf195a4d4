import type { JsonObject } from "../core/json.ts";
import { Blueprint } from "./blueprint.ts";
import { deepFreeze } from "./deep-freeze.ts";
import { DagDefinitionError } from "./errors.ts";
import { checkDagId } from "./ids.ts";
import { captureSite, type Site } from "./location.ts";
import { register } from "./registry.ts";
import { resolveSchedule } from "./schedule.ts";
import { type Scope, scopeOf } from "./scope.ts";
import { type DagSettings, type DagSpec, readDagSpec } from "./spec.ts";

/** What stands behind a `Dag`; for the SDK's own modules. */
export interface DagInternals {
  readonly blueprint: Blueprint;
  readonly settings: DagSettings;
  readonly site: Site;
}

const internals = new WeakMap<object, DagInternals>();

/** @throws DagDefinitionError for anything but a Dag of this copy of the package. */
export function internalsOf(dag: unknown): DagInternals {
  const found = typeof dag === "object" && dag !== null ? internals.get(dag) : undefined;
  if (found === undefined) throw new DagDefinitionError("This is not a Dag of this copy of the package.");
  return found;
}

/**
 * A pipeline: tasks, and what must be done before what. Constructing one is enough for Sluice to find it in a DAG file.
 *
 * `P` is what the run's params look like to handlers, known from `spec.params`.
 *
 * @example
 * ```ts
 * import { Dag } from "sluice";
 *
 * const dag = new Dag("sales_daily", { schedule: "@daily" });
 * const extract = dag.task("extract", async () => [3, 5, 8]);
 * const report = dag.task("report", async ({ rows }: { rows: number[] }) => console.log(rows.length));
 * report({ rows: extract() });
 * ```
 */
export interface Dag<P = JsonObject> extends Scope {
  readonly dagId: string;
  /** The spec as given: a deep, frozen copy. */
  readonly spec: DagSpec<P>;
  /** Ids of the placed tasks, in the order in which their factories were called. */
  readonly taskIds: readonly string[];
}

type AnyDag = Dag<unknown>;

// Named as authors know it, for the messages of the language.
const DagImplementation = class Dag {
  readonly dagId: string;
  readonly spec: DagSpec;

  constructor(dagId: unknown, spec?: unknown) {
    this.dagId = checkDagId(dagId);
    const settings = readSettings(this.dagId, spec);
    this.spec = deepFreeze(spec ?? {}, `The spec of Dag "${this.dagId}"`) as DagSpec;
    const blueprint = new Blueprint(this.dagId);
    internals.set(this, { blueprint, settings, site: captureSite(DagImplementation as never) });
    Object.freeze(Object.assign(this, scopeOf(blueprint, undefined)));
    register(this as unknown as AnyDag);
  }

  get taskIds(): readonly string[] {
    return internalsOf(this).blueprint.placed.map((task) => task.taskId);
  }
};

function readSettings(dagId: string, spec: unknown): DagSettings {
  try {
    const settings = readDagSpec(spec);
    const timezone = settings.timezone ?? "UTC";
    resolveSchedule(settings.schedule, timezone);
    return settings;
  } catch (error) {
    throw new DagDefinitionError(`Dag "${dagId}": ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Constructs a DAG.
 * @throws DagDefinitionError for a bad id, an unknown key in the spec, or a value that does not fit its key.
 */
// The class knows nothing of the overloads that `Scope` declares for authors.
export const Dag = DagImplementation as unknown as new <P = JsonObject>(dagId: string, spec?: DagSpec<P>) => Dag<P>;
