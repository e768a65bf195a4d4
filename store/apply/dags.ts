import type { Change, ChangeResult } from "../changes.ts";
import type { RunKey } from "../rows.ts";
import { all, first, insertSql, run, type Step } from "../statements.ts";
import { deleteRunRows } from "./runs.ts";
import { GuardFailure, type Scope } from "./scope.ts";

type Of<K extends Change["kind"]> = Extract<Change, { readonly kind: K }>;

/** Stores a bundle once; the same hash is the same content. */
export function* putBundle(scope: Scope, change: Of<"bundle.put">): Step<ChangeResult> {
  if ((yield* first("select 1 from bundle where hash = ?", change.hash)) !== undefined) return { isNew: false };
  yield* run(
    insertSql("bundle", ["hash", "file", "created_at", "code", "source_map", "sources"]),
    change.hash,
    change.file,
    scope.now,
    change.code,
    change.sourceMap,
    JSON.stringify(change.sources),
  );
  scope.event({ kind: "bundle.stored", detail: { hash: change.hash, file: change.file } });
  return { isNew: true };
}

/** A DAG as its file defines it now; a new version only when the hash differs from the present one's. */
export function* putDag(scope: Scope, change: Of<"dag.put">): Step<ChangeResult> {
  const { dagId } = change.definition;
  const present = yield* first(
    "select d.is_active, d.file, d.current_version_id, v.definition_hash, v.version_number from dag d join dag_version v on v.id = d.current_version_id where d.dag_id = ?",
    dagId,
  );
  if (present === undefined) return yield* insertDag(scope, change);
  const [isActive, file, versionId, hash, versionNumber] = present as [unknown, string, number, string, number];
  const isNew = hash !== change.definitionHash;
  const currentId = isNew ? yield* insertVersion(scope, change, versionNumber + 1) : versionId;
  if (isNew || !isActive || file !== change.file) {
    yield* updateDag(scope, change, currentId);
    scope.dagIds.add(dagId);
    scope.event({
      kind: isNew ? "dag.versioned" : "dag.activated",
      dagId,
      detail: { versionId: currentId, file: change.file, ...(isNew ? { versionNumber: versionNumber + 1 } : {}) },
    });
  } else {
    yield* run(
      "update dag set last_parsed_at = ?, parse_ms = ? where dag_id = ?",
      scope.now,
      Math.round(change.parseMs),
      dagId,
    );
  }
  return { versionId: currentId, isNew };
}

function* insertDag(scope: Scope, change: Of<"dag.put">): Step<ChangeResult> {
  const { definition } = change;
  const { dagId } = definition;
  // History of a DAG whose row was deleted is deleted with it, so that numbers begin at 1.
  const versionId = yield* insertVersion(scope, change, 1);
  yield* run(
    insertSql("dag", [
      "dag_id",
      "file",
      "is_paused",
      "is_active",
      "current_version_id",
      "tags",
      "owners",
      "schedule_summary",
      "timezone",
      "max_active_runs",
      "consecutive_failures",
      "last_parsed_at",
      "parse_ms",
      "created_at",
    ]),
    dagId,
    change.file,
    definition.isPausedUponCreation ?? change.isPausedByDefault,
    true,
    versionId,
    "[]",
    "[]",
    "",
    definition.timezone,
    definition.maxActiveRuns,
    0,
    scope.now,
    Math.round(change.parseMs),
    scope.now,
  );
  yield* updateDag(scope, change, versionId);
  scope.dagIds.add(dagId);
  scope.event({ kind: "dag.created", dagId, detail: { versionId, file: change.file, versionNumber: 1 } });
  return { versionId, isNew: true };
}

function* insertVersion(scope: Scope, change: Of<"dag.put">, versionNumber: number): Step<number> {
  const { insertId } = yield* run(
    insertSql("dag_version", [
      "dag_id",
      "version_number",
      "definition_hash",
      "bundle_hash",
      "definition",
      "created_at",
    ]),
    change.definition.dagId,
    versionNumber,
    change.definitionHash,
    change.bundleHash,
    JSON.stringify(change.definition),
    scope.now,
  );
  return insertId;
}

function* updateDag(scope: Scope, change: Of<"dag.put">, versionId: number): Step<void> {
  const { definition } = change;
  yield* run(
    "update dag set file = ?, is_active = ?, current_version_id = ?, display_name = ?, description = ?, tags = ?, owners = ?, schedule_summary = ?, timezone = ?, max_active_runs = ?, last_parsed_at = ?, parse_ms = ? where dag_id = ?",
    change.file,
    true,
    versionId,
    definition.displayName ?? null,
    definition.description ?? null,
    JSON.stringify(definition.tags),
    JSON.stringify(definition.owners),
    change.scheduleSummary,
    definition.timezone,
    definition.maxActiveRuns,
    scope.now,
    Math.round(change.parseMs),
    definition.dagId,
  );
  yield* run("delete from dag_tag where dag_id = ?", definition.dagId);
  for (const tag of new Set(definition.tags))
    yield* run("insert into dag_tag (dag_id, tag) values (?, ?)", definition.dagId, tag);
}

/** The DAG's file is gone; its history stays. */
export function* deactivateDag(scope: Scope, change: Of<"dag.deactivate">): Step<ChangeResult> {
  const { dagId } = change;
  const { changes } = yield* run(
    "update dag set is_active = ?, next_run_at = null, next_logical_date = null where dag_id = ? and is_active = ?",
    false,
    dagId,
    true,
  );
  if (changes === 0) yield* requireDag(dagId);
  else {
    scope.dagIds.add(dagId);
    scope.event({ kind: "dag.deactivated", dagId });
  }
  return {};
}

/** Pauses or resumes; doing so twice is one event. */
export function* pauseDag(scope: Scope, change: Of<"dag.pause">): Step<ChangeResult> {
  const { dagId, isPaused, reason } = change;
  const { changes } = yield* run(
    "update dag set is_paused = ?, paused_by = ?, paused_at = ? where dag_id = ? and is_paused = ?",
    isPaused,
    isPaused ? scope.actor : null,
    isPaused ? scope.now : null,
    dagId,
    !isPaused,
  );
  if (changes === 0) yield* requireDag(dagId);
  else {
    scope.dagIds.add(dagId);
    const detail = reason === undefined ? undefined : { reason };
    scope.event({ kind: isPaused ? "dag.paused" : "dag.unpaused", dagId, detail });
  }
  return {};
}

/** Moves the schedule on; a logical date that somebody else has taken makes it stale. */
export function* scheduleDag(scope: Scope, change: Of<"dag.schedule">): Step<ChangeResult> {
  const { dagId, expectedLastLogicalDate: expected } = change;
  const guard = expected === null ? "last_logical_date is null" : "last_logical_date = ?";
  const { changes } = yield* run(
    `update dag set last_logical_date = ?, next_run_at = ?, next_logical_date = ? where dag_id = ? and ${guard}`,
    change.lastLogicalDate,
    change.nextRunAt,
    change.nextLogicalDate,
    dagId,
    ...(expected === null ? [] : [expected]),
  );
  if (changes === 0) {
    yield* requireDag(dagId);
    throw new GuardFailure("stale", `The schedule of DAG "${dagId}" has moved on from what the scheduler saw.`);
  }
  scope.dagIds.add(dagId);
  scope.event({
    kind: "dag.scheduled",
    dagId,
    detail: { lastLogicalDate: change.lastLogicalDate, nextRunAt: change.nextRunAt },
  });
  return {};
}

/** Failed runs in a row. */
export function* setDagFailures(scope: Scope, change: Of<"dag.failures">): Step<ChangeResult> {
  const { dagId, consecutiveFailures } = change;
  const { changes } = yield* run(
    "update dag set consecutive_failures = ? where dag_id = ? and consecutive_failures <> ?",
    consecutiveFailures,
    dagId,
    consecutiveFailures,
  );
  if (changes === 0) yield* requireDag(dagId);
  else scope.event({ kind: "dag.failures", dagId, detail: { consecutiveFailures } });
  return {};
}

/** A DAG with its versions, runs and backfills. Guard: no run of it is unfinished. */
export function* deleteDag(scope: Scope, change: Of<"dag.delete">): Step<ChangeResult> {
  const { dagId } = change;
  yield* requireDag(dagId);
  const active = yield* first(
    "select run_id from dag_run where dag_id = ? and state in ('queued', 'running') limit 1",
    dagId,
  );
  if (active !== undefined)
    throw new GuardFailure("stale", `Run "${active[0]}" of DAG "${dagId}" is not finished; cancel it first.`);
  for (const [runKey] of yield* all("select id from dag_run where dag_id = ?", dagId)) {
    yield* deleteRunRows(runKey as RunKey);
    scope.forgetRun(runKey as RunKey);
  }
  yield* run("delete from backfill_date where backfill_id in (select id from backfill where dag_id = ?)", dagId);
  for (const table of ["event", "backfill", "dag_tag", "dag_version", "dag"])
    yield* run(`delete from ${table} where dag_id = ?`, dagId);
  scope.dagIds.add(dagId);
  scope.event({ kind: "dag.deleted", dagId });
  return {};
}

/** Fails with `missing` unless the DAG exists. */
export function* requireDag(dagId: string): Step<void> {
  if ((yield* first("select 1 from dag where dag_id = ?", dagId)) === undefined)
    throw new GuardFailure("missing", `There is no DAG "${dagId}".`);
}

/** The newest error of a file replaces its older one; the same error again leaves no event. */
export function* putImportError(scope: Scope, change: Of<"importError.put">): Step<ChangeResult> {
  const { file, message, stack, line, column } = change;
  const present = yield* first("select message, stack from import_error where file = ?", file);
  if (present !== undefined && present[0] === message && present[1] === stack) return {};
  yield* run("delete from import_error where file = ?", file);
  yield* run(
    insertSql("import_error", ["file", "message", "stack", "line_no", "column_no", "created_at"]),
    file,
    message,
    stack,
    line,
    column,
    scope.now,
  );
  scope.event({ kind: "import_error.set", detail: { file, message, line, column } });
  return {};
}

/** The file loads again, or is gone. */
export function* clearImportError(scope: Scope, change: Of<"importError.clear">): Step<ChangeResult> {
  const { changes } = yield* run("delete from import_error where file = ?", change.file);
  if (changes > 0) scope.event({ kind: "import_error.cleared", detail: { file: change.file } });
  return {};
}
