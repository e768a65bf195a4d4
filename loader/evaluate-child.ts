import { readSync, writeSync } from "node:fs";
import { registerHooks } from "node:module";
import "../sdk/index.ts";
import "../sdk/operators/index.ts";
import { collectDags } from "../sdk/registry.ts";
import { registerSdkResolution } from "../sdk/resolve-hook.ts";
import { serializeDag } from "../sdk/serialize.ts";
import type { EvaluateAnswer, EvaluateRequest } from "./evaluate-protocol.ts";
import { rememberProcess } from "./process-state.ts";

/**
 * The throw-away process that evaluates one DAG file: it loads the SDK, waits for the bundle on descriptor 3, imports
 * it, and answers there with the definitions of the DAGs that were constructed. Whatever the file does — loop, exit,
 * print, patch globals — happens to this process only. The parent kills it after the answer, or when time is up; in a
 * bulk load (the first look at a large folder) it goes on with the next file as long as none leaves anything behind.
 */

const CHANNEL = 3;
const LOOK_FOR_PARENT_MS = 1_000;

// Kept before any author code runs, which may replace them.
const { stringify } = JSON;
const { setImmediate: whenIdle, setInterval: repeat } = globalThis;
const parent = process.ppid;
const exit = process.exit.bind(process);
// Runs no "exit" listeners, the author's included.
const exitNow = (process as unknown as { reallyExit(code: number): never }).reallyExit.bind(process);

let isAnswered = false;

function respond(answer: EvaluateAnswer): void {
  if (isAnswered) return;
  isAnswered = true;
  writeAll(`${stringify({ id: request.id, answer })}\n`);
}

function writeAll(text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(CHANNEL, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** Blocks until the parent has sent the bundle; a parent that is gone ends this process. */
function readRequest(): EvaluateRequest {
  const chunks: Buffer[] = [];
  const chunk = Buffer.allocUnsafe(65_536);
  for (;;) {
    const length = readSync(CHANNEL, chunk);
    if (length === 0) exitNow(0);
    chunks.push(Buffer.from(chunk.subarray(0, length)));
    if (chunk[length - 1] === 10) return JSON.parse(Buffer.concat(chunks).toString("utf8")) as EvaluateRequest;
  }
}

function describeError(error: unknown): EvaluateAnswer {
  const read = (key: string): string | undefined => {
    try {
      const value: unknown = (error as Record<string, unknown>)[key];
      return typeof value === "string" ? value.slice(0, 20_000) : undefined;
    } catch {
      return undefined;
    }
  };
  if (error === null || (typeof error !== "object" && typeof error !== "function")) {
    return { kind: "error", name: "Error", message: `It threw ${String(error).slice(0, 1_000)}, not an Error` };
  }
  const location = locationOf(error);
  return {
    kind: "error",
    name: read("name") ?? "Error",
    message: read("message") ?? "It threw something that is not an Error",
    ...(read("stack") === undefined ? {} : { stack: read("stack") }),
    ...(location === undefined ? {} : { location }),
    isDefinition: read("code") === "dag_definition",
  };
}

/** The SDK's errors carry the author's line. */
function locationOf(error: object): { file: string; line: number; column: number } | undefined {
  try {
    const { location } = error as { location?: { file?: unknown; line?: unknown; column?: unknown } };
    const { file, line, column } = location ?? {};
    if (typeof file !== "string" || typeof line !== "number" || typeof column !== "number") return undefined;
    return { file, line, column };
  } catch {
    return undefined;
  }
}

function provideBundles(): void {
  registerSdkResolution();
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === request.url ? { url: request.url, format: "module", shortCircuit: true } : next(specifier, context),
    load: (url, context, next) =>
      url === request.url ? { format: "module", source: request.code, shortCircuit: true } : next(url, context),
  });
}

async function evaluate(): Promise<EvaluateAnswer> {
  try {
    const dags = await collectDags(() => import(request.url));
    const definitions = dags.map((dag) => serializeDag(dag));
    // A promise that was rejected and that nobody awaits shows itself only now.
    await new Promise((resolve) => whenIdle(resolve));
    return { kind: "dags", definitions, isClean: request.mayFollow && isAsBefore() };
  } catch (error) {
    return describeError(error);
  }
}

function watchForEnds(): void {
  process.exit = (code) => {
    const { stack } = new Error("process.exit");
    respond({ kind: "exit", code: String(code ?? process.exitCode ?? 0), ...(stack === undefined ? {} : { stack }) });
    exitNow(0);
    return exit(0);
  };
  process.on("uncaughtException", (error) => {
    respond(describeError(error));
    exitNow(1);
  });
  process.on("unhandledRejection", (reason) => {
    respond(describeError(reason));
    exitNow(1);
  });
  // Nothing left to do and still not evaluated.
  process.on("exit", () => respond({ kind: "stalled" }));
  // The parent ends this process, unless it was killed itself. (One that loops is ended by its CPU limit.)
  repeat(() => process.ppid !== parent && exitNow(1), LOOK_FOR_PARENT_MS).unref();
}

Error.stackTraceLimit = 50;
let request = readRequest();
process.setSourceMapsEnabled(true);
provideBundles();
watchForEnds();
await collectDags(() => undefined);
const isAsBefore = request.mayFollow ? rememberProcess() : () => false;
for (;;) {
  const result = await evaluate();
  respond(result);
  if (result.kind !== "dags" || !result.isClean) break;
  request = readRequest();
  isAnswered = false;
}
exitNow(0);
