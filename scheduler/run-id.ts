/**
 * The id of an automated run as Airflow writes it: `scheduled__2026-11-22T06:00:00+00:00`; milliseconds only when there are any.
 * `instant` is epoch ms.
 */
export function runIdAt(type: "scheduled" | "backfill", instant: number): string {
  return `${type}__${new Date(instant).toISOString().replace(/(\.000)?Z$/, "+00:00")}`;
}
