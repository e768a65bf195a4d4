import { Command } from "commander";
import { addAdmin } from "./tree/admin.ts";
import { addBackfills } from "./tree/backfill.ts";
import { addDags } from "./tree/dags.ts";
import { addParts } from "./tree/parts.ts";
import { addRuns } from "./tree/runs.ts";
import { addSystem } from "./tree/system.ts";
import { addTasks } from "./tree/tasks.ts";
import { VERSION } from "./version.ts";

/**
 * The command tree. Modules behind the commands are loaded only when they run, so that `--help` and light commands start fast;
 * `docs/cli.md` is generated from this tree.
 */
export function createProgram(): Command {
  const program = new Command("sluice")
    .description("A pipeline scheduler for TypeScript teams.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help for a command")
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
