import { timetableFromSpec } from "../../core/timetable.ts";
import { resolveInstant, resolveSchedule } from "../schedule.ts";
import type { TaskRun } from "../task-run.ts";

/** Whether no later run of the schedule is due yet. Manual runs, and DAGs without a schedule, count as newest. */
export function isNewestRun(run: TaskRun): boolean {
  const { runType, logicalDate } = run.context;
  if (runType === "manual" || logicalDate === null) return true;
  const { settings } = run.dag;
  const timezone = settings.timezone ?? "UTC";
  const instant = (date: string | Date | undefined) =>
    date === undefined ? undefined : Date.parse(resolveInstant(date, timezone));
  const startDate = instant(settings.startDate);
  const now = run.now();
  const next = timetableFromSpec(resolveSchedule(settings.schedule, timezone), { startDate }).next({
    startDate,
    endDate: instant(settings.endDate),
    // Asks for the very next one, not for the newest.
    catchup: true,
    now,
    lastLogicalDate: logicalDate.getTime(),
  });
  return next === undefined || next.runAfter > now;
}
