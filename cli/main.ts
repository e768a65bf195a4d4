import { reportFailure } from "./failure.ts";
import { createProgram } from "./program.ts";

// `sluice runs list | head` closes our output early; that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error, { isJson: process.argv.includes("--json") });
}
