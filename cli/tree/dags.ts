import type { Command } from "commander";
import { dateArgument, jsonArgument, numberArgument, repeatable } from "../input.ts";

/** `dags …` and `import-errors`. */
export function addDags(program: Command): void {
  const load = () => import("../commands/dags.ts");
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
    .command("reparse")
    .description("let the running installation read DAG files again, changed or not")
    .argument("[what]", "id of a DAG, or path of its file; default all")
    .action(async (dag, options, command) =>
      (await import("../commands/reparse.ts")).reparseDags(dag, options, command),
    );
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
      (await import("../commands/test-run.ts")).testDagCommand(dag, options, command),
    );
  program
    .command("import-errors")
    .description("DAG files that could not be loaded")
    .command("list", { isDefault: true })
    .action(async (options, command) => (await load()).listImportErrors(options, command));
}
