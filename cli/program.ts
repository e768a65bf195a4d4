import { Command, Option } from "commander";
import { dateArgument, jsonArgument, numberArgument, repeatable } from "./input.ts";
import type { Parts } from "./up.ts";
import { VERSION } from "./version.ts";

/** Exit code of a command line that cannot be understood. */
export const USAGE_EXIT_CODE = 2;

/**
 * The command tree. Modules behind the commands are loaded only when they run, so that `--help` and light commands start fast;
 * `docs/cli.md` is generated from this tree.
 */
export function createProgram(): Command {
  const program = new Command("sluice")
    .description("A pipeline scheduler for TypeScript teams.")
    .version(VERSION, "-V, --version")
    .option("--json", "print one JSON value on stdout")
    .showHelpAfterError("(--help shows how it is used)")
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  addParts(program);
  addDags(program);
  addRuns(program);
  addTasks(program);
  addBackfills(program);
  addAdmin(program);
  addSystem(program);
  return program;
}

function addParts(program: Command): void {
  const part = (name: string, description: string, parts: Parts) =>
    program
      .command(name)
      .description(description)
      .action(async (_options, command: Command) => {
        const { runInstallation } = await import("./commands/up.ts");
        await runInstallation(parts, command.optsWithGlobals<{ json?: boolean }>());
      });
  part("up", "start everything in one process tree: database, scheduler, executor, web", {
    scheduler: true,
    web: true,
  });
  part("scheduler", "start scheduler, loader and executor without the web server", { scheduler: true, web: false });
  part("webserver", "start only the web server, beside a scheduler on the same database", {
    scheduler: false,
    web: true,
  });
  program
    .command("worker")
    .description("run tasks for a scheduler on another machine (needs a database server and Redis)")
    .action(async () => (await import("./commands/up.ts")).refuseWorker());
}

function addDags(program: Command): void {
  const load = () => import("./commands/dags.ts");
  const dags = program.command("dags").description("look at, trigger and pause DAGs");
  dags
    .command("list")
    .description("list DAGs")
    .option("--tag <tag>", "with this tag (repeatable)", repeatable)
    .option("--search <text>", "whose id contains this")
    .option("--paused", "only paused ones")
    .action(async (options, command) => (await load()).listDags(options, command));
  dags
    .command("show")
    .description("one DAG with its tasks")
    .argument("<dag>")
    .action(async (dag, options, command) => (await load()).showDag(dag, options, command));
  dags
    .command("trigger")
    .description("create a run")
    .argument("<dag>")
    .option("--conf <json>", "params and other values: JSON, @file or - for stdin", jsonArgument)
    .option("--run-id <id>", "default manual__<now>")
    .option("--logical-date <date>", "default now", dateArgument)
    .option("--note <text>", "note on the run")
    .option("--unpause", "unpause the DAG as well")
    .action(async (dag, options, command) => (await load()).triggerDag(dag, options, command));
  dags
    .command("pause")
    .description("no new runs; running tasks finish")
    .argument("<dag>")
    .action(async (dag, _options, command) => (await load()).pauseDag(dag, true, command));
  dags
    .command("unpause")
    .description("go on")
    .argument("<dag>")
    .action(async (dag, _options, command) => (await load()).pauseDag(dag, false, command));
  dags
    .command("next-runs")
    .description("the next dates of the schedule")
    .argument("<dag>")
    .option("--count <n>", "how many", numberArgument(1), 5)
    .action(async (dag, options, command) => (await load()).nextRuns(dag, options, command));
  dags
    .command("delete")
    .description("delete a DAG with its history")
    .argument("<dag>")
    .option("--yes", "really")
    .action(async (dag, options, command) => (await load()).deleteDag(dag, options, command));
  dags
    .command("test")
    .description("run a DAG in this process without storing anything")
    .argument("<dag>", "id of the DAG, or path of its file")
    .option("--conf <json>", "params: JSON, @file or - for stdin", jsonArgument)
    .option("--date <date>", "logical date; default now", dateArgument)
    .action(async (dag, options, command) =>
      (await import("./commands/test-run.ts")).testDagCommand(dag, options, command),
    );
  program
    .command("import-errors")
    .description("DAG files that could not be loaded")
    .command("list", { isDefault: true })
    .action(async (options, command) => (await load()).listImportErrors(options, command));
}

function addRuns(program: Command): void {
  const load = () => import("./commands/runs.ts");
  const runs = program.command("runs").description("look at and repair runs");
  runs
    .command("list")
    .description("newest runs")
    .argument("[dag]")
    .option("--state <state>", "with this state (repeatable)", repeatable)
    .option("--limit <n>", "how many", numberArgument(1), 25)
    .action(async (dag, options, command) => (await load()).listRuns(dag, options, command));
  runs
    .command("show")
    .description("one run with its tasks")
    .argument("<dag>")
    .argument("<run>")
    .action(async (dag, run, options, command) => (await load()).showRun(dag, run, options, command));
  withClearOptions(
    runs
      .command("clear")
      .description("run tasks again")
      .argument("<dag>")
      .argument("<run>")
      .option("--task <task>", "only this task (repeatable)", repeatable),
  ).action(async (dag, run, options, command) => (await load()).clearRun(dag, run, options, command));
  runs
    .command("retry")
    .description("run again what failed")
    .argument("<dag>")
    .argument("<run>")
    .action(async (dag, run, _options, command) => (await load()).clearRun(dag, run, { onlyFailed: true }, command));
  runs
    .command("cancel")
    .description("stop a run: running tasks fail, the rest is skipped")
    .argument("<dag>")
    .argument("<run>")
    .action(async (dag, run, options, command) => (await load()).stopRun(dag, run, options, command));
  runs
    .command("mark")
    .description("end a run with a state, or queue it again")
    .argument("<dag>")
    .argument("<run>")
    .addArgument(stateArgument(["success", "failed", "queued"]))
    .action(async (dag, run, state, _options, command) => (await load()).setRunState(dag, run, state, command));
  runs
    .command("delete")
    .description("delete a run that is not running")
    .argument("<dag>")
    .argument("<run>")
    .option("--yes", "really")
    .action(async (dag, run, options, command) => (await load()).deleteRun(dag, run, options, command));
}

function addTasks(program: Command): void {
  const load = () => import("./commands/tasks.ts");
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
      (await import("./commands/test-run.ts")).testTaskCommand(dag, task, options, command),
    );
}

function addBackfills(program: Command): void {
  const load = () => import("./commands/backfill.ts");
  const backfill = program.command("backfill").description("run past dates of a schedule");
  backfill
    .command("create")
    .description("create the runs of a range of dates")
    .argument("<dag>")
    .requiredOption("--from <date>", "first logical date", dateArgument)
    .requiredOption("--to <date>", "last logical date", dateArgument)
    .addOption(
      new Option("--reprocess <what>", "which existing runs to run again")
        .choices(["none", "failed", "completed"])
        .default("none"),
    )
    .option("--max-active-runs <n>", "runs at once", numberArgument(1), 10)
    .option("--reverse", "newest date first")
    .option("--conf <json>", "params of the runs", jsonArgument)
    .option("--original-version", "runs that are run again keep their version of the DAG")
    .option("--dry-run", "only list the dates")
    .action(async (dag, options, command) => (await load()).createBackfillCommand(dag, options, command));
  backfill
    .command("list")
    .description("list backfills")
    .argument("[dag]")
    .action(async (dag, options, command) => (await load()).listBackfills(dag, options, command));
  const id = numberArgument(1);
  backfill
    .command("show")
    .description("dates and states of a backfill")
    .argument("<id>", "its number", id)
    .action(async (number, options, command) => (await load()).showBackfill(number, options, command));
  backfill
    .command("pause")
    .description("create no further runs for now")
    .argument("<id>", "its number", id)
    .action(async (number, _options, command) => (await load()).pauseBackfill(number, true, command));
  backfill
    .command("resume")
    .description("go on")
    .argument("<id>", "its number", id)
    .action(async (number, _options, command) => (await load()).pauseBackfill(number, false, command));
  backfill
    .command("cancel")
    .description("end it: queued runs fail, running ones finish")
    .argument("<id>", "its number", id)
    .action(async (number, _options, command) => (await load()).cancelBackfillCommand(number, command));
}

function addAdmin(program: Command): void {
  const load = () => import("./commands/admin.ts");
  const conflict = () =>
    new Option("--on-conflict <what>", "what to do with names that exist")
      .choices(["fail", "skip", "overwrite"])
      .default("fail");
  const variables = program.command("variables").description("values that tasks read by name");
  variables
    .command("list")
    .description("names of all variables")
    .action(async (options, command) => (await load()).listVariables(options, command));
  variables
    .command("get")
    .description("one value")
    .argument("<key>")
    .action(async (key, options, command) => (await load()).getVariable(key, options, command));
  variables
    .command("set")
    .description("create or change one")
    .argument("<key>")
    .argument("<value>", "- reads it from stdin")
    .option("--description <text>")
    .action(async (key, value, options, command) => (await load()).setVariable(key, value, options, command));
  variables
    .command("delete")
    .description("delete one")
    .argument("<key>")
    .action(async (key, options, command) => (await load()).deleteVariable(key, options, command));
  variables
    .command("export")
    .description("print all as JSON")
    .action(async (options, command) => (await load()).exportVariables(options, command));
  variables
    .command("import")
    .description("read a JSON object of names and values")
    .argument("<file>", "- for stdin")
    .addOption(conflict())
    .action(async (file, options, command) => (await load()).importVariables(file, options, command));
  const connections = program.command("connections").description("addresses and credentials of other systems");
  connections
    .command("list")
    .description("all connections, without secrets")
    .action(async (options, command) => (await load()).listConnections(options, command));
  connections
    .command("get")
    .description("one connection, secrets masked")
    .argument("<id>")
    .action(async (id, options, command) => (await load()).getConnection(id, options, command));
  connections
    .command("add")
    .description("store one")
    .argument("<id>")
    .requiredOption(
      "--uri <uri>",
      "URI or JSON; - reads it from stdin, so that no secret stands in the shell's history",
    )
    .option("--description <text>")
    .option("--replace", "overwrite an existing one")
    .action(async (id, options, command) => (await load()).addConnection(id, options, command));
  connections
    .command("delete")
    .description("delete one")
    .argument("<id>")
    .action(async (id, options, command) => (await load()).deleteConnection(id, options, command));
  connections
    .command("export")
    .description("print all as JSON")
    .option("--secrets", "with passwords in clear")
    .action(async (options, command) => (await load()).exportConnections(options, command));
  connections
    .command("import")
    .description("read a JSON object of ids and URIs or objects")
    .argument("<file>", "- for stdin")
    .addOption(conflict())
    .action(async (file, options, command) => (await load()).importConnections(file, options, command));
  const pools = program.command("pools").description("limits that tasks of all DAGs share");
  pools
    .command("list")
    .description("all pools with their use")
    .action(async (options, command) => (await load()).listPools(options, command));
  pools
    .command("get")
    .description("one pool")
    .argument("<name>")
    .action(async (name, options, command) => (await load()).getPool(name, options, command));
  pools
    .command("set")
    .description("create or change one")
    .argument("<name>")
    .argument("<slots>", "-1 = unlimited", numberArgument(-1))
    .option("--description <text>")
    .option("--include-deferred", "deferred tasks keep their slots")
    .action(async (name, slots, options, command) => (await load()).setPool(name, slots, options, command));
  pools
    .command("delete")
    .description("delete one")
    .argument("<name>")
    .action(async (name, options, command) => (await load()).deletePool(name, options, command));
  const tokens = program.command("tokens").description("access for programs");
  tokens
    .command("create")
    .description("create a token; it is shown once")
    .requiredOption("--name <name>", "what it is for")
    .addOption(new Option("--role <role>", "what it may do").choices(["viewer", "user", "op", "admin"]).default("user"))
    .action(async (options, command) => (await load()).createToken(options, command));
  tokens
    .command("list")
    .description("all tokens")
    .action(async (options, command) => (await load()).listTokens(options, command));
  tokens
    .command("revoke")
    .description("end a token")
    .argument("<id>", "its number", numberArgument(1))
    .action(async (id, options, command) => (await load()).revokeToken(id, options, command));
}

function addSystem(program: Command): void {
  const load = () => import("./commands/system.ts");
  program
    .command("login")
    .description("print a new one-time login link of the running installation")
    .option("--user <name>", "who logs in", "admin")
    .action(async (options, command) => (await load()).login(options, command));
  program
    .command("db")
    .description("the database")
    .command("migrate")
    .description("create or upgrade the schema")
    .action(async (options, command) => (await load()).migrate(options, command));
  program
    .command("verify")
    .description("check every invariant against the recorded events")
    .action(async (options, command) => (await load()).verifyDatabase(options, command));
  const config = program.command("config").description("settings in force");
  config
    .command("list")
    .description("all settings with their origin")
    .action(async (options, command) => (await load()).listConfig(options, command));
  config
    .command("get")
    .description("one setting")
    .argument("<name>")
    .action(async (name, options, command) => (await load()).getConfig(name, options, command));
  program
    .command("doctor")
    .description("check this installation")
    .action(async (options, command) => (await load()).doctor(options, command));
  program
    .command("version")
    .description("version of Sluice")
    .action(async (options, command) => (await load()).version(options, command));
}

function stateArgument(states: readonly string[]) {
  return new Command().createArgument("<state>", states.join(" | ")).choices([...states]);
}

function withDirections(command: Command): Command {
  return command
    .option("--upstream", "and everything above")
    .option("--downstream", "and everything below")
    .option("--past", "and the same tasks of earlier runs")
    .option("--future", "and the same tasks of later runs")
    .option("--dry-run", "only list what would be touched");
}

function withClearOptions(command: Command): Command {
  return withDirections(command)
    .option("--only-failed", "only what failed")
    .option("--latest", "go over to the newest version of the DAG");
}
