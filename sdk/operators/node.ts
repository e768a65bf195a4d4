import type { Json } from "../../core/json.ts";
import { names } from "../checks.ts";
import { type NoInputs, type Operator, operator } from "../operator.ts";
import { checkText, type Text, type TextMap } from "../text.ts";
import { commandChecks } from "./bash.ts";
import { checkOptions, requireOption, summarize } from "./options.ts";

/** What `node` runs, and how. */
export interface NodeOptions<I extends object = NoInputs> {
  /** A `.js`, `.mjs` or `.ts` file (types are stripped), relative to `cwd`. */
  readonly script: Text<I>;
  readonly args?: readonly Text<I>[];
  /** Options of Node itself, such as "--max-old-space-size=512". */
  readonly nodeArgs?: readonly string[];
  readonly env?: TextMap<I>;
  /** Working directory. Default: that of Sluice. */
  readonly cwd?: Text<I>;
  /** This exit code skips the task; null = none. Default 99. */
  readonly skipOnExitCode?: number | null;
  /** What the last line of the output is. "json" returns what it holds. Default "text". */
  readonly output?: "text" | "json";
}

/**
 * Runs a script with the Node that Sluice runs on, in a process of its own. Otherwise like `bash`.
 *
 * @example
 * ```ts
 * import { Dag, node } from "sluice";
 * const dag = new Dag("report");
 * dag.task("build", node({ script: "scripts/report.ts", args: ["--day", "{{ ds }}"], output: "json" }))();
 * ```
 * @throws DagDefinitionError for options that are not valid.
 */
export function node<I extends object = NoInputs>(
  options: NodeOptions<I> & { readonly output: "json" },
): Operator<I, Json>;
export function node<I extends object = NoInputs>(options: NodeOptions<I>): Operator<I, string>;
export function node(options: NodeOptions<never>): Operator<never, Json> {
  const { script, args, nodeArgs, ...rest } = checkOptions("node", options, {
    script: (value: unknown) => checkText("script", value),
    args: readArgs,
    nodeArgs: names,
    ...commandChecks,
  });
  const argv = [process.execPath, ...(nodeArgs ?? []), requireOption("node", "script", script), ...(args ?? [])];
  return operator({
    kind: "node",
    summary: typeof script === "string" ? summarize(script) : undefined,
    execute: async (run) => {
      const { runCommandTask } = await import("./command-task.ts");
      return runCommandTask(run, { ...rest, command: { kind: "list", argv }, shell: "bash" });
    },
  });
}

function readArgs(value: unknown) {
  if (!Array.isArray(value)) throw new TypeError("must be a list of texts");
  return value.map((part, index) => checkText(`args[${index}]`, part));
}
