import type { Command } from "commander";
import type { Parts } from "../up.ts";

/** `up` and its parts. */
export function addParts(program: Command): void {
  const part = (name: string, description: string, parts: Parts) =>
    program
      .command(name)
      .description(description)
      .action(async (_options, command: Command) => {
        const { runInstallation } = await import("../commands/up.ts");
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
    .action(async () => (await import("../commands/up.ts")).refuseWorker());
}
