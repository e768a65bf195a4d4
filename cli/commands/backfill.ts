import type { Command } from "commander";
import { NotFoundError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { cancelBackfill, createBackfill, previewBackfill, setBackfillPaused } from "../../store/commands/index.ts";
import type { BackfillRow, Reprocess } from "../../store/rows.ts";
import { when } from "../output.ts";
import { withStore } from "../session.ts";

interface CreateOptions {
  readonly from: number;
  readonly to: number;
  readonly reprocess: Reprocess;
  readonly maxActiveRuns: number;
  readonly reverse?: boolean;
  readonly conf?: JsonObject;
  readonly originalVersion?: boolean;
  readonly dryRun?: boolean;
}

export async function createBackfillCommand(dagId: string, options: CreateOptions, command: Command): Promise<void> {
  await withStore(command, async ({ commands, out }) => {
    const input = {
      dagId,
      fromDate: options.from,
      toDate: options.to,
      reprocess: options.reprocess,
      maxActiveRuns: options.maxActiveRuns,
      isReverse: options.reverse,
      conf: options.conf,
      runOnLatestVersion: !options.originalVersion,
    };
    if (options.dryRun) {
      const dates = await previewBackfill(commands, input);
      out.table(
        dates.map((date) => ({
          logical_date: new Date(date.logicalDate).toISOString(),
          action: date.action,
          reason: date.reason,
        })),
        [
          { name: "date", of: (row) => row.logical_date },
          { name: "action", of: (row) => row.action },
          { name: "why", of: (row) => row.reason },
        ],
        "No dates of the schedule lie in this range.",
      );
      return;
    }
    const backfill = await createBackfill(commands, input);
    out.done(
      shown(backfill),
      `Created backfill ${backfill.id} of ${dagId}. \`sluice backfill show ${backfill.id}\` follows it.`,
    );
  });
}

export async function listBackfills(dagId: string | undefined, _options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const { rows } = await store.admin.backfills({ dagId, limit: 200 });
    out.table(
      rows.map(shown),
      [
        { name: "id", of: (row) => row.id, isNumber: true },
        { name: "dag", of: (row) => row.dag_id },
        { name: "from", of: (row) => row.from_date },
        { name: "to", of: (row) => row.to_date },
        { name: "state", of: (row) => row.state },
      ],
      "No backfills.",
    );
  });
}

export async function showBackfill(id: number, _options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const backfill = await store.admin.backfill(id);
    if (!backfill) throw new NotFoundError(`There is no backfill ${id}.`);
    const dates = await store.admin.backfillDates(id);
    const runs = new Map(
      (await store.runs.list({ backfillId: id, limit: 1_000 })).rows.map((run) => [run.runKey, run.state]),
    );
    const rows = dates.map((date) => ({
      logical_date: new Date(date.logicalDate).toISOString(),
      state: date.runKey !== null && date.state === "created" ? (runs.get(date.runKey) ?? "created") : date.state,
      reason: date.reason,
    }));
    if (out.isJson) out.done({ ...shown(backfill), dates: rows }, "");
    else {
      out.facts({}, [
        ["backfill", `${backfill.id} of ${backfill.dagId}`],
        ["state", shown(backfill).state],
        ["created", `${when(backfill.createdAt)} by ${backfill.createdBy}`],
        ["at once", backfill.maxActiveRuns],
      ]);
      out.table(
        rows,
        [
          { name: "date", of: (row) => row.logical_date },
          { name: "state", of: (row) => row.state },
          { name: "why", of: (row) => row.reason },
        ],
        "No dates.",
      );
    }
  });
}

export async function cancelBackfillCommand(id: number, command: Command): Promise<void> {
  await withStore(command, async ({ commands, out }) =>
    out.done(
      shown(await cancelBackfill(commands, id)),
      `Cancelled backfill ${id}: no further runs; running ones finish.`,
    ),
  );
}

export async function pauseBackfill(id: number, isPaused: boolean, command: Command): Promise<void> {
  await withStore(command, async ({ commands, out }) =>
    out.done(
      shown(await setBackfillPaused(commands, id, isPaused)),
      `Backfill ${id} ${isPaused ? "is paused" : "goes on"}.`,
    ),
  );
}

function shown(row: BackfillRow) {
  const state =
    row.cancelledAt !== null
      ? "cancelled"
      : row.completedAt !== null
        ? "completed"
        : row.isPaused
          ? "paused"
          : "active";
  return {
    id: row.id,
    dag_id: row.dagId,
    from_date: new Date(row.fromDate).toISOString(),
    to_date: new Date(row.toDate).toISOString(),
    state,
    reprocess_behavior: row.reprocess,
    max_active_runs: row.maxActiveRuns,
    run_backwards: row.isReverse,
  };
}
