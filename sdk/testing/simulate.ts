import { timetableFromSpec } from "../../core/timetable.ts";
import type { Dag } from "../dag.ts";
import { serializeDag } from "../serialize.ts";

/** The time to look at. */
export interface SimulateOptions {
  readonly from: string | Date;
  readonly to: string | Date;
  /** Default 10,000. */
  readonly limit?: number;
}

/** A run that the schedule asks for. */
export interface SimulatedRun {
  readonly logicalDate: Date;
  readonly dataInterval: { readonly start: Date; readonly end: Date };
  /** When it would start. */
  readonly runAfter: Date;
}

/**
 * The runs that a DAG's schedule asks for, by logical date, both ends included.
 *
 * @example
 * ```ts
 * import { Dag } from "sluice";
 * import { simulate } from "sluice/testing";
 *
 * const dag = new Dag("early", { schedule: "30 2 * * *", timezone: "Europe/Berlin" });
 * const runs = simulate(dag, { from: "2026-03-01", to: "2026-04-01" });
 * console.assert(runs.length === 31);
 * ```
 * @throws DagDefinitionError for a DAG that cannot be.
 */
export function simulate(dag: Dag<unknown>, { from, to, limit = 10_000 }: SimulateOptions): SimulatedRun[] {
  const { timetable, startDate, endDate } = serializeDag(dag);
  const start = startDate === undefined ? undefined : Date.parse(startDate);
  const first = Math.max(new Date(from).getTime(), start ?? Number.NEGATIVE_INFINITY);
  const last = Math.min(new Date(to).getTime(), endDate === undefined ? Number.POSITIVE_INFINITY : Date.parse(endDate));
  const slots = timetableFromSpec(timetable, { startDate: start }).between(first, last, limit);
  return slots.map(({ logicalDate, dataInterval, runAfter }) => ({
    logicalDate: new Date(logicalDate),
    dataInterval: { start: new Date(dataInterval.start), end: new Date(dataInterval.end) },
    runAfter: new Date(runAfter),
  }));
}
