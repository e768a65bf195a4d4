import type { Json } from "../core/json.ts";
import { describe } from "./checks.ts";
import { FailFast } from "./errors.ts";
import type { HostConnection } from "./host.ts";
import type { TaskRun } from "./task-run.ts";
import { type Expression, hasTemplate, parseTemplate, type Step } from "./template.ts";
import type { AnyText } from "./text.ts";

/** The text of a text: its function called, or its templates filled in. @throws FailFast for a name without a value. */
export async function renderText(text: AnyText, run: TaskRun): Promise<string> {
  if (typeof text === "function") {
    const value = await text({ ...run.context, inputs: run.inputs } as never);
    if (typeof value === "string") return value;
    throw new FailFast(
      `A function (ctx) => text of task "${run.context.taskId}" returned ${describe(value)}, not a text.`,
    );
  }
  if (!hasTemplate(text)) return text;
  const parts = await Promise.all(
    parseTemplate(text).map((part) => (typeof part === "string" ? part : valueOfExpression(part, run))),
  );
  return parts.map(asText).join("");
}

/** A JSON value with the templates in its texts filled in. A lone `{{ … }}` gives the value itself where the DAG wants it. */
export async function renderJson(value: unknown, run: TaskRun): Promise<Json> {
  if (typeof value === "string") return run.nativeTemplates ? nativeValue(value, run) : renderText(value, run);
  if (Array.isArray(value)) return Promise.all(value.map((entry) => renderJson(entry, run)));
  if (typeof value !== "object" || value === null) return value as Json;
  const entries = Object.entries(value).map(
    async ([key, entry]): Promise<[string, Json]> => [key, await renderJson(entry, run)],
  );
  return Object.fromEntries(await Promise.all(entries));
}

async function nativeValue(text: string, run: TaskRun): Promise<Json> {
  const parts = hasTemplate(text) ? parseTemplate(text) : [];
  const [only] = parts;
  return parts.length === 1 && typeof only === "object"
    ? ((await valueOfExpression(only, run)) as Json)
    : renderText(text, run);
}

/** How a value looks inside a text. */
export function asText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The value of an expression. @throws FailFast when there is none. */
export async function valueOfExpression(expression: Expression, run: TaskRun): Promise<unknown> {
  if (expression.kind === "text") return expression.text;
  const { source, root, steps } = expression;
  const keys = steps.map((step) => (step.kind === "key" ? step.key : ""));
  const [first] = keys;
  switch (root) {
    case "params":
      return follow(run.rawParams, keys, source);
    case "conf":
      return follow(run.context.conf, keys, source);
    case "inputs":
      return follow(run.inputs, keys, source);
    case "xcom":
      return xcom(run, String(first), keys.slice(1), source);
    case "var":
      return variable(run, first === "json", keys.slice(1), source);
    case "conn":
      return connection(run, keys, source);
    case "ti":
      if (first === "xcom") return xcom(run, String(keys[1]), keys.slice(2), source);
      if (first === "xcom_pull") return pulledXcom(run, steps, source);
      return field(run, String(first), source);
    case "dag_run":
      return first === "conf" ? follow(run.context.conf, keys.slice(1), source) : field(run, String(first), source);
    case "dag":
    case "task":
      return field(run, String(first), source);
    default:
      return field(run, root, source);
  }
}

/** The values that every run has by name. */
function field(run: TaskRun, name: string, source: string): string | number {
  const { context } = run;
  switch (name) {
    case "run_id":
      return context.runId;
    case "run_type":
      return context.runType;
    case "dag_id":
      return context.dagId;
    case "task_id":
      return context.taskId;
    case "try_number":
      return context.tryNumber;
    case "map_index":
      return context.mapIndex;
    case "run_after":
      return isoText(context.runAfter);
    case "data_interval_start":
      return isoText(requireDate(run, context.dataInterval?.start, source));
    case "data_interval_end":
      return isoText(requireDate(run, context.dataInterval?.end, source));
    default:
      return dateText(name, requireDate(run, context.logicalDate, source));
  }
}

function dateText(name: string, date: Date): string {
  const iso = isoText(date);
  switch (name) {
    case "ds":
      return iso.slice(0, 10);
    case "ds_nodash":
      return iso.slice(0, 10).replaceAll("-", "");
    case "ts_nodash":
      return iso.slice(0, 19).replaceAll(/[-:]/g, "");
    default:
      return iso;
  }
}

/** As Airflow writes it: "2026-01-31T06:00:00+00:00", milliseconds only when there are any. */
function isoText(date: Date): string {
  return date.toISOString().replace(/(?:\.000)?Z$/, "+00:00");
}

function requireDate(run: TaskRun, date: Date | null | undefined, source: string): Date {
  if (date !== null && date !== undefined) return date;
  throw new FailFast(
    `{{ ${source} }} has no value: run ${run.context.runId} was started without a logical date. Use {{ run_after }}, or trigger the run with a logical date.`,
  );
}

async function variable(
  run: TaskRun,
  isJson: boolean,
  keys: readonly (string | number)[],
  source: string,
): Promise<unknown> {
  const [key, ...rest] = keys;
  const value = await run.host.call("getVariable", { key: String(key) });
  if (typeof value !== "string") throw missing(source, `there is no variable "${key}"`);
  if (!isJson) return rest.length === 0 ? value : fail(source, "a variable's text has no fields; use var.json");
  try {
    return follow(JSON.parse(value), rest, source);
  } catch (error) {
    if (error instanceof FailFast) throw error;
    return fail(source, `the variable "${key}" holds no JSON`);
  }
}

async function connection(run: TaskRun, keys: readonly (string | number)[], source: string): Promise<unknown> {
  const [connId, ...rest] = keys;
  const found = (await run.host.call("getConnection", { connId: String(connId) })) as HostConnection | null;
  if (found === null) throw missing(source, `there is no connection "${connId}"`);
  if (rest[0] !== "extra" || rest.length === 1) return follow(found, rest, source);
  return follow(JSON.parse(found.extra ?? "{}"), rest.slice(1), source);
}

async function pulledXcom(run: TaskRun, steps: readonly Step[], source: string): Promise<unknown> {
  const call = steps[1];
  const args = call?.kind === "call" ? call.args : {};
  const rest = steps.slice(2).map((step) => (step.kind === "key" ? step.key : ""));
  return xcom(run, args.task_ids ?? run.context.taskId, rest, source, args.key);
}

async function xcom(
  run: TaskRun,
  taskId: string,
  keys: readonly (string | number)[],
  source: string,
  key = "return_value",
): Promise<unknown> {
  const { dagId, runId } = run.context;
  const value = await run.host.call("getXCom", { dagId, runId, taskId, mapIndex: -1, key, includePriorDates: false });
  if (value === null || value === undefined) throw missing(source, `task "${taskId}" has left no XCom "${key}"`);
  return follow(value, keys, source);
}

/** Own properties only: a path never leads into prototypes. */
function follow(value: unknown, keys: readonly (string | number)[], source: string): unknown {
  let current = value;
  for (const key of keys) {
    const index = Array.isArray(current) && Number(key) < 0 ? current.length + Number(key) : key;
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, index)) {
      throw missing(source, `there is no "${key}"`);
    }
    current = (current as { readonly [name: string | number]: unknown })[index];
  }
  return current;
}

function missing(source: string, problem: string): FailFast {
  return new FailFast(`{{ ${source} }} has no value: ${problem}.`);
}

function fail(source: string, problem: string): never {
  throw new FailFast(`{{ ${source} }}: ${problem}.`);
}
