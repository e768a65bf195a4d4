import type { Command } from "commander";

/** What concerns the installation as a whole. */
export function addSystem(program: Command): void {
  const load = () => import("../commands/system.ts");
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
