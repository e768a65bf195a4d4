import type { Knex } from "knex";
import type { DagDefinition } from "../../core/definition.ts";
import type { RunState } from "../../core/states.ts";
import { contains, pagedList, type QueryBuilder } from "../knex/queries.ts";
import type { BundleRow, DagRow, DagSummary, DagVersionRow, ImportErrorRow, RunKey } from "../rows.ts";
import { marks, type SqlRow } from "../statements.ts";
import type { DagFilter, DagReads } from "../store.ts";
import {
  columnsOf,
  count,
  firstOf,
  firstRow,
  json,
  listOf,
  numberOrNull,
  type Reader,
  text,
  textOrNull,
} from "./reader.ts";

const COLUMNS = [
  "dag_id",
  "file",
  "is_paused",
  "paused_by",
  "paused_at",
  "is_active",
  "current_version_id",
  "display_name",
  "description",
  "tags",
  "owners",
  "schedule_summary",
  "timezone",
  "max_active_runs",
  "next_run_at",
  "next_logical_date",
  "last_logical_date",
  "consecutive_failures",
  "last_parsed_at",
  "parse_ms",
  "created_at",
];
const SELECT = `select ${COLUMNS.join(", ")} from dag`;

const VERSION_COLUMNS = "id, dag_id, version_number, definition_hash, bundle_hash, created_at";
const SELECT_VERSION = `select ${VERSION_COLUMNS}, definition from dag_version`;

/** The newest runs of each of some DAGs; reads only those, through the index on (dag_id, run_after, id). */
const RECENT_RUNS = (dags: number) =>
  "select r.dag_id, r.id, r.run_id, r.state, r.run_after, r.start_date, r.end_date from dag d join dag_run r on r.id in " +
  "(select id from dag_run where dag_id = d.dag_id order by run_after desc, id desc limit ?) " +
  `where d.dag_id in (${marks(dags)}) order by r.dag_id, r.run_after desc, r.id desc`;

/** Definitions that are kept decoded; versions never change. */
const MAX_VERSIONS = 200;

/** Reads of DAGs, their versions and bundles. */
export function dagReads(reader: Reader, builder: QueryBuilder): DagReads {
  const versions = new Map<number, DagVersionRow>();

  async function version(versionId: number): Promise<DagVersionRow | undefined> {
    const known = versions.get(versionId);
    if (known !== undefined) return known;
    const row = await firstOf(reader, decodeVersion, `${SELECT_VERSION} where id = ?`, [versionId]);
    if (row !== undefined) {
      const oldest = versions.keys().next().value;
      if (versions.size >= MAX_VERSIONS && oldest !== undefined) versions.delete(oldest);
      versions.set(versionId, row);
    }
    return row;
  }

  async function list(filter: DagFilter) {
    const knex = await builder();
    return pagedList(reader, matching(knex, filter), filter, decodeDag, (page) =>
      page.select(knex.raw(columnsOf(COLUMNS, "d"))).orderBy(order(filter)),
    );
  }

  return {
    get: (dagId) => firstOf(reader, decodeDag, `${SELECT} where dag_id = ?`, [dagId]),
    list,
    summaries: async (filter, recent = 14) => {
      const { rows, total } = await list(filter);
      const runs = await recentRuns(reader, rows, recent);
      const broken = await filesWithErrors(reader);
      return {
        rows: rows.map(
          (dag): DagSummary => ({
            ...dag,
            recentRuns: runs.get(dag.dagId) ?? [],
            hasImportError: broken.has(dag.file),
          }),
        ),
        total,
      };
    },
    all: () => listOf(reader, decodeDag, `${SELECT} where is_active = ? order by dag_id`, [true]),
    tags: async () => {
      const rows = await reader.all(
        "select distinct t.tag from dag_tag t join dag d on d.dag_id = t.dag_id where d.is_active = ? order by t.tag",
        [true],
      );
      return rows.map((row) => text(row[0]));
    },
    version,
    versionOf: async (dagId, versionNumber) => {
      const row =
        versionNumber === undefined
          ? await firstRow(reader, "select id from dag_version where dag_id = ? order by version_number desc limit 1", [
              dagId,
            ])
          : await firstRow(reader, "select id from dag_version where dag_id = ? and version_number = ?", [
              dagId,
              versionNumber,
            ]);
      return row === undefined ? undefined : version(row[0] as number);
    },
    versions: (dagId) =>
      listOf(
        reader,
        decodeVersionHead,
        `select ${VERSION_COLUMNS} from dag_version where dag_id = ? order by version_number desc`,
        [dagId],
      ),
    bundle: (hash) =>
      firstOf(
        reader,
        decodeBundle,
        "select hash, file, created_at, code, source_map, sources from bundle where hash = ?",
        [hash],
      ),
    hasBundle: async (hash) => (await firstRow(reader, "select 1 from bundle where hash = ?", [hash])) !== undefined,
    files: () =>
      listOf(
        reader,
        (row) => ({
          file: text(row[0]),
          dagId: text(row[1]),
          definitionHash: text(row[2]),
          bundleHash: text(row[3]),
        }),
        "select d.file, d.dag_id, v.definition_hash, v.bundle_hash from dag d join dag_version v on v.id = d.current_version_id where d.is_active = ? order by d.file, d.dag_id",
        [true],
      ),
    importErrors: () =>
      listOf(
        reader,
        decodeImportError,
        "select id, file, message, stack, line_no, column_no, created_at from import_error order by file",
      ),
  };
}

function matching(knex: Knex, filter: DagFilter): Knex.QueryBuilder {
  const query = knex("dag as d");
  if (filter.isActive !== undefined || !(filter.hasImportErrors || filter.includeInactive))
    query.where("d.is_active", filter.isActive ?? true);
  if (filter.isPaused !== undefined) query.where("d.is_paused", filter.isPaused);
  if (filter.search !== undefined && filter.search !== "")
    contains(query, ["d.dag_id", "d.display_name"], filter.search);
  if (filter.tags !== undefined && filter.tags.length > 0)
    query.whereIn(
      "d.dag_id",
      knex("dag_tag")
        .select("dag_id")
        .whereIn("tag", [...filter.tags]),
    );
  if (filter.lastRunState !== undefined)
    query.whereRaw(
      "(select r.state from dag_run r where r.dag_id = d.dag_id order by r.run_after desc, r.id desc limit 1) = ?",
      [filter.lastRunState],
    );
  if (filter.hasImportErrors !== undefined) {
    const files = knex("import_error").select("file");
    if (filter.hasImportErrors) query.whereIn("d.file", files);
    else query.whereNotIn("d.file", files);
  }
  return query;
}

/** A DAG that will never run by itself stands behind those that will, in either direction. */
function order({ orderBy = "dag_id", isDescending }: DagFilter) {
  const columns = orderBy === "dag_id" ? ["d.dag_id"] : [`d.${orderBy}`, "d.dag_id"];
  const direction = isDescending ? "desc" : "asc";
  return columns.map((column) =>
    column === "d.next_run_at" ? { column, order: direction, nulls: "last" as const } : { column, order: direction },
  );
}

async function recentRuns(
  reader: Reader,
  dags: readonly DagRow[],
  limit: number,
): Promise<ReadonlyMap<string, DagSummary["recentRuns"]>> {
  const byDag = new Map<string, DagSummary["recentRuns"][number][]>();
  if (dags.length === 0) return byDag;
  const ids = dags.map((dag) => dag.dagId);
  for (const row of await reader.all(RECENT_RUNS(ids.length), [limit, ...ids])) {
    const dagId = text(row[0]);
    const runs = byDag.get(dagId) ?? [];
    byDag.set(dagId, runs);
    runs.push({
      runKey: row[1] as RunKey,
      runId: text(row[2]),
      state: row[3] as RunState,
      runAfter: count(row[4]),
      startDate: numberOrNull(row[5]),
      endDate: numberOrNull(row[6]),
    });
  }
  return byDag;
}

async function filesWithErrors(reader: Reader): Promise<ReadonlySet<string>> {
  return new Set((await reader.all("select file from import_error")).map((row) => text(row[0])));
}

function decodeDag(row: SqlRow): DagRow {
  return {
    dagId: text(row[0]),
    file: text(row[1]),
    isPaused: Boolean(row[2]),
    pausedBy: textOrNull(row[3]),
    pausedAt: numberOrNull(row[4]),
    isActive: Boolean(row[5]),
    currentVersionId: count(row[6]),
    displayName: textOrNull(row[7]),
    description: textOrNull(row[8]),
    tags: json(row[9]),
    owners: json(row[10]),
    scheduleSummary: text(row[11]),
    timezone: text(row[12]),
    maxActiveRuns: count(row[13]),
    nextRunAt: numberOrNull(row[14]),
    nextLogicalDate: numberOrNull(row[15]),
    lastLogicalDate: numberOrNull(row[16]),
    consecutiveFailures: count(row[17]),
    lastParsedAt: count(row[18]),
    parseMs: count(row[19]),
    createdAt: count(row[20]),
  };
}

function decodeVersionHead(row: SqlRow): Omit<DagVersionRow, "definition"> {
  return {
    id: count(row[0]),
    dagId: text(row[1]),
    versionNumber: count(row[2]),
    definitionHash: text(row[3]),
    bundleHash: text(row[4]),
    createdAt: count(row[5]),
  };
}

function decodeVersion(row: SqlRow): DagVersionRow {
  return { ...decodeVersionHead(row), definition: json<DagDefinition>(row[6]) };
}

function decodeBundle(row: SqlRow): BundleRow {
  return {
    hash: text(row[0]),
    file: text(row[1]),
    createdAt: count(row[2]),
    code: text(row[3]),
    sourceMap: text(row[4]),
    sources: json(row[5]),
  };
}

function decodeImportError(row: SqlRow): ImportErrorRow {
  return {
    id: count(row[0]),
    file: text(row[1]),
    message: text(row[2]),
    stack: textOrNull(row[3]),
    line: numberOrNull(row[4]),
    column: numberOrNull(row[5]),
    createdAt: count(row[6]),
  };
}
