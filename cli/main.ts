import { Command } from "commander";
import { SluiceError } from "../core/errors.ts";

const program = new Command("sluice").description("A pipeline scheduler for TypeScript teams.");

program
  .command("up")
  .description("start everything in one process tree: database, scheduler, executor, web")
  .option("--json", "print one JSON line {url, loginUrl, pid} when ready")
  .action(async (options: { json?: boolean }) => {
    const { runInstallation } = await import("./commands/up.ts");
    await runInstallation({ scheduler: true, web: true }, options);
    process.exit(0);
  });

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof SluiceError ? error.message : error);
  process.exitCode = 1;
}
