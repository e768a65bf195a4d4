import type { EventRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { verify } from "../../store/verify.ts";
import type { Issued } from "./client.ts";
import { checkLedger, type EffectRecord, readLedger, type TryRecord } from "./ledger.ts";

/** What a settled database shows. */
export interface Findings {
  readonly problems: readonly string[];
  readonly runs: number;
  /** Runs that nobody cancelled or marked, and how many of those succeeded. */
  readonly leftAlone: number;
  readonly succeeded: number;
  readonly attempts: number;
  readonly lostAttempts: number;
  readonly effects: number;
  /** Effects that are there again, each explained. */
  readonly repeated: number;
}

const PAGE = 1_000;

/** Looks at a database in which everything has ended, at the ledger beside it and at what the client was promised. */
export async function check(store: Store, ledgerFile: string, issued: readonly Issued[]): Promise<Findings> {
  const problems = (await verify(store)).map((violation) => JSON.stringify(violation));
  const events = await allEvents(store);
  const touched = new Set(events.filter(isDecision).map(({ runKey }) => runKey));
  const clears = countClears(events);
  const records = new Map<string, EffectRecord>();
  const count = { runs: 0, leftAlone: 0, succeeded: 0, attempts: 0, lostAttempts: 0 };
  for (let offset = 0; ; offset += PAGE) {
    const { rows } = await store.runs.list({ orderBy: "id", limit: PAGE, offset });
    for (const run of rows) {
      count.runs++;
      if (!touched.has(run.runKey)) {
        count.leftAlone++;
        if (run.state === "success") count.succeeded++;
      }
      const attempts = await store.tasks.attemptsOfRun(run.runKey);
      for (const task of await store.tasks.ofRun(run.runKey)) {
        const tries = new Map<number, TryRecord>();
        for (const attempt of attempts) {
          if (attempt.tiNo !== task.tiNo) continue;
          count.attempts++;
          if (attempt.state === "lost") count.lostAttempts++;
          // A task that somebody marks or clears leaves no value behind.
          if (attempt.error?.name === "ChaosInvariant" && !touched.has(run.runKey))
            problems.push(`${run.dagId}: ${attempt.error.message}`);
          tries.set(attempt.tryNumber, { state: attempt.state, isSensor: task.operator === "sensor" });
        }
        const cleared = clears.get(`${run.runKey} ${task.tiNo}`) ?? 0;
        const leavesLines = task.operator !== "empty" && task.operator !== "triggerDagRun";
        records.set(`${run.dagId}/${run.runId}/${task.taskId}`, { tries, cleared, leavesLines });
      }
    }
    if (rows.length < PAGE) break;
  }
  const ledger = readLedger(ledgerFile);
  problems.push(...checkLedger(ledger, records), ...checkPromises(events, issued));
  problems.push(
    ...(await checkVariables(store, issued)),
    ...(await checkTicks(store)),
    ...(await checkBackfills(store)),
  );
  const begins = ledger.lines.filter(({ mark }) => mark === "begin");
  const effects = new Set(begins.map(({ key }) => key)).size;
  return { problems, ...count, effects, repeated: begins.length - effects };
}

async function allEvents(store: Store): Promise<readonly EventRow[]> {
  const events: EventRow[] = [];
  for (let after = 0; ; ) {
    const page = await store.events.after(after, PAGE);
    events.push(...page);
    const last = page.at(-1);
    if (last === undefined) return events;
    after = last.id;
  }
}

/** A person decided the state of a run or of its tasks. */
function isDecision({ kind, actor, fromState }: EventRow): boolean {
  return actor.startsWith("chaos:") && (kind === "task.state" || (kind === "run.state" && fromState !== null));
}

function countClears(events: readonly EventRow[]): ReadonlyMap<string, number> {
  const clears = new Map<string, number>();
  for (const { kind, actor, dagId, toState, runKey, tiNo } of events) {
    if (kind !== "task.state" || (toState !== "none" && toState !== "restarting")) continue;
    // Besides the client, only a backfill clears: the runs of its DAG that it repeats.
    if (!actor.startsWith("chaos:") && dagId !== "daily") continue;
    clears.set(`${runKey} ${tiNo}`, (clears.get(`${runKey} ${tiNo}`) ?? 0) + 1);
  }
  return clears;
}

/** I1, I2: what was acknowledged is there, what was refused is not. */
function checkPromises(events: readonly EventRow[], issued: readonly Issued[]): readonly string[] {
  const byActor = Map.groupBy(events, ({ actor }) => actor);
  const problems: string[] = [];
  for (const { command, outcome, affected } of issued) {
    const found = byActor.get(command.actor)?.length ?? 0;
    if (outcome === "ok" && found < affected)
      problems.push(`Acknowledged and lost (${found} of ${affected} events): ${JSON.stringify(command)}`);
    // Cancelling a backfill is one atom for the backfill and one for each of its queued runs.
    if (outcome === "fail" && found > 0 && command.kind !== "cancelBackfill")
      problems.push(`Refused and done all the same (${found} events): ${JSON.stringify(command)}`);
  }
  return problems;
}

/** A variable holds a value that no later command, given after this one was answered, has replaced. */
async function checkVariables(store: Store, issued: readonly Issued[]): Promise<readonly string[]> {
  const problems: string[] = [];
  const puts = issued.flatMap((one) => (one.command.kind === "variable" ? [{ ...one, ...one.command }] : []));
  for (const [key, own] of Map.groupBy(puts, (put) => put.key)) {
    const done = own.filter(({ outcome }) => outcome === "ok");
    const possible = own.filter(
      ({ outcome, answeredAt }) => outcome !== "fail" && !done.some(({ givenAt }) => givenAt > answeredAt),
    );
    const present = await store.admin.variable(key);
    if (done.length > 0 && !possible.some(({ value }) => value === present?.value))
      problems.push(
        `Variable ${key} is ${present?.value}; it can be ${possible.map(({ value }) => value).join(" or ")}.`,
      );
  }
  return problems;
}

/** I12: of the schedule that makes up for everything, each date between the first and the last has its run. */
async function checkTicks(store: Store): Promise<readonly string[]> {
  const dates: number[] = [];
  for (let offset = 0; ; offset += PAGE) {
    const { rows } = await store.runs.list({
      dagId: "tick",
      runTypes: ["scheduled"],
      limit: PAGE,
      offset,
      orderBy: "id",
    });
    for (const { logicalDate } of rows) dates.push(logicalDate ?? Number.NaN);
    if (rows.length < PAGE) break;
  }
  dates.sort((left, right) => left - right);
  return dates.flatMap((date, at) => {
    const before = dates[at - 1];
    return before === undefined || date - before === 2_000
      ? []
      : [`The schedule has a run for ${before} and the next for ${date}; it is due every 2,000 ms.`];
  });
}

/** A backfill that has ended has decided each of its dates. */
async function checkBackfills(store: Store): Promise<readonly string[]> {
  const problems: string[] = [];
  for (let offset = 0; ; offset += PAGE) {
    const { rows } = await store.admin.backfills({ limit: PAGE, offset });
    for (const { id, completedAt, cancelledAt } of rows) {
      if (completedAt === null && cancelledAt === null) problems.push(`Backfill ${id} has not ended.`);
      const dates = await store.admin.backfillDates(id);
      const open = dates.filter(({ state }) => state === "pending").length;
      if (cancelledAt === null && open > 0) problems.push(`Backfill ${id} has ended with ${open} dates undecided.`);
    }
    if (rows.length < PAGE) return problems;
  }
}
