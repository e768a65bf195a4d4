import { type Command, Option } from "commander";
import { dateArgument, jsonArgument, lastDateArgument, numberArgument } from "../input.ts";

/** `backfill …`. */
export function addBackfills(program: Command): void {
  const load = () => import("../commands/backfill.ts");
  const backfill = program.command("backfill").description("run past dates of a schedule");
  withRange(backfill.command("create").description("create the runs of a range of dates"))
    .option("--max-active-runs <n>", "runs at once", numberArgument(1), 10)
    .option("--original-version", "runs that are run again keep their version of the DAG")
    .option("--dry-run", "only list the dates, as preview does")
    .action(async (dag, options, command) => (await load()).createBackfillCommand(dag, options, command));
  withRange(
    backfill.command("preview").description("list the dates that a backfill would cover, and what becomes of each"),
  ).action(async (dag, options, command) =>
    (await load()).createBackfillCommand(dag, { ...options, dryRun: true }, command),
  );
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

/** Which dates, in which order, with which params. */
function withRange(command: Command): Command {
  return command
    .argument("<dag>")
    .requiredOption("--from <date>", "first logical date", dateArgument)
    .requiredOption("--to <date>", "last logical date; without a time, all of that day", lastDateArgument)
    .addOption(
      new Option("--reprocess <what>", "which existing runs to run again")
        .choices(["none", "failed", "completed"])
        .default("none"),
    )
    .option("--reverse", "newest date first")
    .option("--conf <json>", "params of the runs", jsonArgument);
}
