import type { DagDefinition } from "../../core/definition.ts";
import type { RunSummary } from "../../store/rows.ts";
import { withQuery } from "./paths.ts";
import { causeText } from "./run-context.ts";
import { absoluteTime, durationText } from "./time.ts";

/** A name and what stands behind it; `code` = shown as preformatted text. */
export interface Fact {
  readonly name: string;
  readonly value: string;
  readonly href: string;
  readonly isCode: boolean;
}

/** One fact; empty values become "–". */
export function fact(name: string, value: string | number | null | undefined, more: Partial<Fact> = {}): Fact {
  const text = value === null || value === undefined || value === "" ? "–" : String(value);
  return { name, value: text, href: "", isCode: false, ...more };
}

/** Everything stored of a run. */
export function runDetails(
  run: RunSummary,
  definition: DagDefinition,
  now: number,
): { readonly facts: readonly Fact[] } {
  const at = (instant: number | null) => (instant === null ? null : absoluteTime(instant, definition.timezone));
  return {
    facts: [
      fact("Run id", run.runId),
      fact("State", run.state),
      fact("Type", run.runType),
      fact("Began by", causeText(run)),
      fact("Logical date", at(run.logicalDate)),
      fact("Data interval start", at(run.dataIntervalStart)),
      fact("Data interval end", at(run.dataIntervalEnd)),
      fact("Not before", at(run.runAfter)),
      fact("Queued", at(run.queuedAt)),
      fact("Started", at(run.startDate)),
      fact("Ended", at(run.endDate)),
      fact("Duration", run.startDate === null ? null : durationText((run.endDate ?? now) - run.startDate)),
      fact("Version", `v${run.versionNumber}`, {
        href: withQuery(`/dags/${encodeURIComponent(run.dagId)}/code`, { v: run.versionNumber }),
      }),
      fact("Times cleared", run.clearNumber),
      fact("Backfill", run.backfillId, run.backfillId === null ? {} : { href: `/backfills/${run.backfillId}` }),
      fact("Scheduler", run.ownerId),
      fact("Conf", JSON.stringify(run.conf, null, 2), { isCode: true }),
      fact("Params", JSON.stringify(run.params, null, 2), { isCode: true }),
    ],
  };
}
