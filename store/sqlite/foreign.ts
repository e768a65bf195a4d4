import type { Change } from "../changes.ts";
import type { RunKey } from "../rows.ts";
import type { CommitNotice } from "../store.ts";
import type { Connection } from "./connection.ts";

/** Foreign events that one notice is computed from, at most; more of them are several notices. */
const MAX_EVENTS = 5000;

/** What other processes wrote after event `afterId` and before event `beforeId`, as notices. */
export function* foreignNotices(reader: Connection, afterId: number, beforeId: number): Generator<CommitNotice> {
  for (let seen = afterId; ; ) {
    const rows = reader.all(
      "select id, kind, dag_id, run_key, detail from event where id > ? and id < ? order by id limit ?",
      [seen, beforeId, MAX_EVENTS],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    seen = last[0] as number;
    const runs = new Set<RunKey>();
    const dagIds = new Set<string>();
    const kinds = new Set<Change["kind"]>();
    for (const [, kind, dagId, runKey, detail] of rows) {
      const change = changeOf(kind as string);
      kinds.add(change);
      if (runKey !== null) runs.add(runKey as RunKey);
      if (change === "run.delete") runs.add((JSON.parse(detail as string) as { runKey: RunKey }).runKey);
      if (change.startsWith("dag.")) dagIds.add(dagId as string);
    }
    yield { lastEventId: seen, commandedRuns: [...runs], dagIds: [...dagIds], changedKinds: kinds };
  }
}

/** The change that writes each kind of event; kinds not named here are audit lines. */
const CHANGES: { readonly [eventKind: string]: Change["kind"] } = {
  "run.created": "run.create",
  "run.state": "run.state",
  "run.noted": "run.note",
  "run.deleted": "run.delete",
  "run.claimed": "run.claim",
  "task.state": "task.transitions",
  "task.appended": "task.append",
  "task.noted": "task.note",
  "attempt.started": "attempt.start",
  "attempt.finished": "attempt.finish",
  "xcom.set": "xcom.set",
  "xcom.deleted": "xcom.delete",
  "bundle.stored": "bundle.put",
  "dag.created": "dag.put",
  "dag.versioned": "dag.put",
  "dag.activated": "dag.put",
  "dag.deactivated": "dag.deactivate",
  "dag.paused": "dag.pause",
  "dag.unpaused": "dag.pause",
  "dag.scheduled": "dag.schedule",
  "dag.failures": "dag.failures",
  "dag.deleted": "dag.delete",
  "import_error.set": "importError.put",
  "import_error.cleared": "importError.clear",
  "backfill.created": "backfill.create",
  "backfill.paused": "backfill.pause",
  "backfill.unpaused": "backfill.pause",
  "backfill.cancelled": "backfill.cancel",
  "backfill.completed": "backfill.complete",
  "backfill.date": "backfill.date",
  "pool.created": "pool.put",
  "pool.updated": "pool.put",
  "pool.deleted": "pool.delete",
  "variable.created": "variable.put",
  "variable.updated": "variable.put",
  "variable.deleted": "variable.delete",
  "connection.created": "connection.put",
  "connection.updated": "connection.put",
  "connection.deleted": "connection.delete",
  "worker.started": "worker.put",
  "worker.state": "worker.state",
};

function changeOf(eventKind: string): Change["kind"] {
  return CHANGES[eventKind] ?? "event";
}
