import { type Command, Option } from "commander";
import { dateArgument, jsonArgument, numberArgument } from "../input.ts";
import { stateArgument, withClearOptions, withDirections } from "./shared.ts";

/** `tasks …`. */
export function addTasks(program: Command): void {
  const load = () => import("../commands/tasks.ts");
  const tasks = program.command("tasks").description("look at and repair task instances");
  const one = (name: string, description: string) =>
    tasks.command(name).description(description).argument("<dag>").argument("<run>").argument("<task>");
  const mapIndex = new Option("--map-index <n>", "of a mapped task").argParser(numberArgument(0));
  tasks
    .command("list")
    .description("task instances of a run")
    .argument("<dag>")
    .argument("<run>")
    .action(async (dag, run, options, command) => (await load()).listTasks(dag, run, options, command));
  one("logs", "the log of a try")
    .option("--try <n>", "default the newest", numberArgument(1))
    .addOption(mapIndex)
    .option("-f, --follow", "go on until the task ends")
    .action(async (dag, run, task, options, command) => (await load()).showLogs(dag, run, task, options, command));
  withClearOptions(one("clear", "run a task again")).action(async (dag, run, task, options, command) =>
    (await load()).clearTask(dag, run, task, options, command),
  );
  withDirections(
    one("mark", "set a final state")
      .addArgument(stateArgument(["success", "failed", "skipped"]))
      .addOption(mapIndex),
  ).action(async (dag, run, task, state, options, command) =>
    (await load()).markTaskCommand(dag, run, task, state, options, command),
  );
  one("why", "why it does not run")
    .addOption(mapIndex)
    .action(async (dag, run, task, options, command) => (await load()).whyTask(dag, run, task, options, command));
  tasks
    .command("test")
    .description("run one task in this process without storing anything")
    .argument("<dag>", "id of the DAG, or path of its file")
    .argument("<task>")
    .option("--inputs <json>", "its inputs by argument name", jsonArgument)
    .option("--conf <json>", "params", jsonArgument)
    .option("--date <date>", "logical date; default now", dateArgument)
    .action(async (dag, task, options, command) =>
      (await import("../commands/test-run.ts")).testTaskCommand(dag, task, options, command),
    );
}
