import type { Json } from "../../core/json.ts";
import { FailFast, Skip } from "../errors.ts";
import { asText, renderText, valueOfExpression } from "../render.ts";
import type { TaskResult, TaskRun } from "../task-run.ts";
import type { AnyText } from "../text.ts";
import type { CommandPlan } from "./bash.ts";
import { CommandError, runProcess } from "./process.ts";

/** A program to run as a task. */
export interface CommandTask {
  readonly command: CommandPlan;
  readonly shell: string;
  readonly env?: { readonly [name: string]: AnyText };
  readonly cwd?: AnyText;
  readonly skipOnExitCode?: number | null;
  readonly output?: "text" | "json";
}

/** Fills in the templates, runs the program, and reads its end. */
export async function runCommandTask(run: TaskRun, task: CommandTask): Promise<TaskResult> {
  const { argv, variables } = await commandLine(run, task);
  const env = { ...baseEnvironment(run), ...(await renderMap(task.env ?? {}, run)), ...variables };
  const cwd = task.cwd === undefined ? undefined : await renderText(task.cwd, run);
  checkNoZeros([...argv, ...Object.values(env)]);
  const end = await runProcess({ argv, env, cwd }, run.host);
  if (end.code === 0) return { kind: "value", value: valueOfLine(end.lastLine, task.output) };
  if (end.code !== null && end.code === (task.skipOnExitCode === undefined ? 99 : task.skipOnExitCode)) {
    throw new Skip(`the command ended with exit code ${end.code}`);
  }
  throw new CommandError(end.code, end.signal);
}

interface CommandLine {
  readonly argv: readonly string[];
  readonly variables: { readonly [name: string]: string };
}

async function commandLine(run: TaskRun, { command, shell }: CommandTask): Promise<CommandLine> {
  switch (command.kind) {
    case "script": {
      const values = Object.entries(command.variables).map(
        async ([name, expression]): Promise<[string, string]> => [
          name,
          asText(await valueOfExpression(expression, run)),
        ],
      );
      return { argv: [shell, "-c", command.script], variables: Object.fromEntries(await Promise.all(values)) };
    }
    case "list":
      return { argv: await Promise.all(command.argv.map((part) => renderText(part, run))), variables: {} };
    case "function":
      return { argv: checkArgv(await command.argv({ ...run.context, inputs: run.inputs } as never)), variables: {} };
  }
}

function checkArgv(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.length > 0 && value.every((part) => typeof part === "string")) return value;
  throw new FailFast(
    'A command that is computed at run time must be a list of a program and its arguments; a script put together from values could run them as code. Return ["program", …], or use env.',
  );
}

async function renderMap(
  texts: { readonly [name: string]: AnyText },
  run: TaskRun,
): Promise<{ [name: string]: string }> {
  const entries = Object.entries(texts).map(
    async ([name, text]): Promise<[string, string]> => [name, await renderText(text, run)],
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** The worker's environment without Sluice's own settings, among which are secrets, plus what names this try. */
function baseEnvironment({ context }: TaskRun): { [name: string]: string } {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("SLUICE_") && !name.startsWith("NODE_CHANNEL_"),
  );
  return {
    ...(Object.fromEntries(inherited) as { [name: string]: string }),
    SLUICE_DAG_ID: context.dagId,
    SLUICE_RUN_ID: context.runId,
    SLUICE_TASK_ID: context.taskId,
    SLUICE_TRY_NUMBER: String(context.tryNumber),
    SLUICE_MAP_INDEX: String(context.mapIndex),
    SLUICE_LOGICAL_DATE: context.logicalDate?.toISOString() ?? "",
  };
}

function checkNoZeros(texts: readonly string[]): void {
  if (texts.some((text) => text.includes("\0"))) {
    throw new FailFast("A value contains a NUL character, which no program can be given.");
  }
}

function valueOfLine(line: string, output: "text" | "json" | undefined): Json {
  if (output !== "json") return line;
  try {
    return JSON.parse(line) as Json;
  } catch {
    throw new FailFast(`The last line of the output should be JSON, but it is ${JSON.stringify(line.slice(0, 200))}.`);
  }
}
