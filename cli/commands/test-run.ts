import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";
import { systemClock } from "../../core/clock.ts";
import { NotFoundError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { silentLogger } from "../../core/logger.ts";
import type { Dag } from "../../sdk/dag.ts";
import type { TaskLogLine } from "../../sdk/host.ts";
import { readConfig } from "../config.ts";
import { createOutput, type Output } from "../output.ts";
import { isJson } from "../session.ts";

interface TestOptions {
  readonly conf?: JsonObject;
  readonly date?: number;
}

/** `dags test`: one run in this process, by the scheduler's rules, without storing anything. Retries and pokes do not wait. */
export async function testDagCommand(target: string, options: TestOptions, command: Command): Promise<void> {
  const out = createOutput(isJson(command));
  await withDag(target, async (dag) => {
    const { testDag } = await import("../../sdk/testing/index.ts");
    const run = await testDag(dag, {
      conf: options.conf,
      params: options.conf,
      logicalDate: new Date(options.date ?? Date.now()),
      onLog: (id, line) => printLine(out, id, line),
    });
    const tasks = Object.entries(run.tasks).map(([task_id, task]) => ({
      task_id,
      state: task.state,
      tries: task.tries,
      value: task.value ?? null,
      error: task.error?.message ?? null,
    }));
    if (out.isJson) out.done({ dag_id: dag.dagId, state: run.state, tasks, triggered: run.triggered }, "");
    else {
      out.table(
        tasks,
        [
          { name: "task", of: (task) => task.task_id },
          { name: "state", of: (task) => task.state },
          { name: "tries", of: (task) => task.tries, isNumber: true },
          { name: "value", of: (task) => (task.value === null ? null : JSON.stringify(task.value)) },
          { name: "error", of: (task) => task.error },
        ],
        "",
      );
      out.done({}, `The run is ${run.state}.`);
    }
    if (run.state !== "success") process.exitCode = 1;
  });
}

/** `tasks test`: one try of one task in this process. */
export async function testTaskCommand(
  target: string,
  taskId: string,
  options: TestOptions & { readonly inputs?: JsonObject },
  command: Command,
): Promise<void> {
  const out = createOutput(isJson(command));
  await withDag(target, async (dag) => {
    const { testTask } = await import("../../sdk/testing/index.ts");
    const tried = await testTask(dag, taskId, {
      conf: options.conf,
      params: options.conf,
      inputs: options.inputs,
      logicalDate: new Date(options.date ?? Date.now()),
      onLog: (id, line) => printLine(out, id, line),
    });
    const error = "error" in tried.outcome ? tried.outcome.error : undefined;
    out.done(
      { task_id: taskId, outcome: tried.outcome, value: tried.value ?? null },
      error
        ? `${taskId} failed: ${error.stack ?? error.message}`
        : `${taskId}: ${tried.outcome.kind}${tried.value === undefined ? "" : `, value ${JSON.stringify(tried.value)}`}`,
    );
    if (tried.outcome.kind === "failed") process.exitCode = 1;
  });
}

/** Logs are no part of the answer: they go to stderr, as they come. */
function printLine(out: Output, taskId: string, line: TaskLogLine): void {
  out.remark(`${taskId} ${line.level} ${line.message}${line.fields ? ` ${JSON.stringify(line.fields)}` : ""}`);
}

/** Finds the DAG by file or id, bundles and evaluates it as the loader would, and loads it into this process. */
async function withDag(target: string, work: (dag: Dag<unknown>) => Promise<void>): Promise<void> {
  const config = readConfig();
  const folder = mkdtempSync(join(tmpdir(), "sluice-test-"));
  const [{ openStore }, { Loader }, { registerSdkResolution }, { collectDags }] = await Promise.all([
    import("../../store/open.ts"),
    import("../../loader/loader.ts"),
    import("../../sdk/resolve-hook.ts"),
    import("../../sdk/registry.ts"),
  ]);
  const store = await openStore({ url: `sqlite:${join(folder, "test.db")}`, secretKey: randomBytes(32) });
  const loader = new Loader({
    store,
    dagsFolder: config.dags,
    home: folder,
    clock: systemClock,
    logger: silentLogger,
    isPausedByDefault: true,
  });
  try {
    const { file, dagId } = await locate(loader, target, config.dags);
    const { bundle } = await loader.parseFile(file);
    registerSdkResolution();
    const path = join(folder, "bundle.mjs");
    writeFileSync(
      path,
      `${bundle.code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(bundle.sourceMap).toString("base64")}\n`,
    );
    process.setSourceMapsEnabled(true);
    const dags = await collectDags(() => import(pathToFileURL(path).href));
    const dag = dagId === undefined ? dags[0] : dags.find((each) => each.dagId === dagId);
    if (!dag) throw new NotFoundError(`${file} defines no ${dagId === undefined ? "DAG" : `DAG "${dagId}"`}.`);
    await work(dag);
  } finally {
    await loader.stop();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A path of a file, or the id of a DAG that some file of the DAG folder defines. */
async function locate(
  loader: import("../../loader/loader.ts").Loader,
  target: string,
  dagsFolder: string,
): Promise<{ file: string; dagId?: string }> {
  if (/\.[mc]?[jt]s$/.test(target)) {
    const file = [resolve(target), join(dagsFolder, target)].find((path) => existsSync(path));
    if (file === undefined) throw new NotFoundError(`There is no file ${target}, here or in ${dagsFolder}.`);
    return { file };
  }
  const { globSync } = await import("node:fs");
  for (const name of globSync("**/*.{ts,mts,js,mjs}", {
    cwd: dagsFolder,
    exclude: (entry) => entry === "node_modules",
  })) {
    const file = join(dagsFolder, name);
    const parsed = await loader.parseFile(file).catch(() => undefined);
    if (parsed?.definitions.some((definition) => definition.dagId === target)) return { file, dagId: target };
  }
  throw new NotFoundError(
    `No file in ${dagsFolder} defines the DAG "${target}". Give the path of its file to see what is wrong with it.`,
  );
}
