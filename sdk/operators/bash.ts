import type { Json } from "../../core/json.ts";
import { type Check, describe, oneOf, whole } from "../checks.ts";
import { DagDefinitionError } from "../errors.ts";
import { type NoInputs, type Operator, operator } from "../operator.ts";
import type { Expression } from "../template.ts";
import { type AnyText, checkText, checkTextMap, type Text, type TextContext, type TextMap } from "../text.ts";
import { checkOptions, requireOption, summarize } from "./options.ts";
import { shellTemplate } from "./shell-template.ts";

/** What `bash` runs, and how. */
export interface BashOptions<I extends object = NoInputs> {
  /**
   * A shell script, or a program with its arguments (run without a shell), or a function that gives the latter.
   *
   * Values never become code: each `{{ … }}` in a script is handed over as an environment variable and quoted as its
   * place asks for; in a list it is a part of its argument. Where a script would run the value as code nevertheless
   * (`eval`, `sh -c`, `ssh`, here-documents, backticks, arithmetic) the DAG file is refused.
   */
  readonly command:
    | string
    | readonly Text<I>[]
    | ((context: TextContext<I>) => readonly string[] | Promise<readonly string[]>);
  /** Environment variables besides those of the worker. */
  readonly env?: TextMap<I>;
  /** Working directory. Default: that of Sluice. */
  readonly cwd?: Text<I>;
  /** This exit code skips the task; null = none. Default 99. */
  readonly skipOnExitCode?: number | null;
  /** What the last line of the output is. "json" returns what it holds. Default "text". */
  readonly output?: "text" | "json";
}

/** How a command is written down. */
export type CommandPlan =
  | { readonly kind: "script"; readonly script: string; readonly variables: { readonly [name: string]: Expression } }
  | { readonly kind: "list"; readonly argv: readonly AnyText[] }
  | { readonly kind: "function"; readonly argv: (context: never) => unknown };

const skipOnExitCode: Check<number | null> = (value) => (value === null ? null : whole(1, 255)(value));

/** Checks shared by operators that start a program. */
export const commandChecks = {
  env: (value: unknown) => checkTextMap("env", value),
  cwd: (value: unknown) => checkText("cwd", value),
  skipOnExitCode,
  output: oneOf(["text", "json"]),
};

/**
 * Runs a shell script or a program, in a process group of its own. Its output is the task's log, the last line of it the
 * task's XCom. Exit code 0 is success, 99 skips the task, any other fails it. On cancel and timeout the whole group
 * gets SIGTERM, and SIGKILL 5 s later.
 *
 * @example
 * ```ts
 * import { bash, Dag } from "sluice";
 *
 * const dag = new Dag("backup", { schedule: "@daily" });
 * const dump = dag.task("dump", bash({ command: "pg_dump shop > /backup/shop-{{ ds }}.sql && echo /backup/shop-{{ ds }}.sql" }));
 * const count = dag.task("count", bash<{ file: string }>({ command: ["wc", "-l", "{{ inputs.file }}"] }));
 * count({ file: dump() });
 * ```
 * @throws DagDefinitionError for options that are not valid.
 */
export function bash<I extends object = NoInputs>(
  options: BashOptions<I> & { readonly output: "json" },
): Operator<I, Json>;
export function bash<I extends object = NoInputs>(options: BashOptions<I>): Operator<I, string>;
export function bash(options: BashOptions<never>): Operator<never, Json> {
  const checked = checkOptions("bash", options, { command: readCommand, ...commandChecks });
  const command = requireOption("bash", "command", checked.command);
  return operator({
    kind: "bash",
    summary: summaryOf(options.command),
    execute: async (run) => {
      const { runCommandTask } = await import("./command-task.ts");
      return runCommandTask(run, { ...checked, command, shell: "bash" });
    },
  });
}

const readCommand: Check<CommandPlan> = (value) => {
  if (typeof value === "function") return { kind: "function", argv: value as (context: never) => unknown };
  if (Array.isArray(value) && value.length > 0) {
    return { kind: "list", argv: value.map((part, index) => checkText(`command[${index}]`, part)) };
  }
  if (typeof value !== "string" || value.trim() === "") {
    throw new TypeError("must be a script, or a list of a program and its arguments");
  }
  try {
    return { kind: "script", ...shellTemplate(value) };
  } catch (error) {
    throw new DagDefinitionError(`command ${error instanceof Error ? error.message : describe(error)}`);
  }
};

function summaryOf(command: unknown): string | undefined {
  if (typeof command === "string") return summarize(command);
  if (!Array.isArray(command)) return undefined;
  return summarize(command.map((part) => (typeof part === "string" ? part : "…")).join(" "));
}
