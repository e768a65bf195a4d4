import { CommanderError } from "commander";
import { SluiceError } from "../core/errors.ts";
import { createProgram, USAGE_EXIT_CODE } from "./program.ts";

/** Exit codes by error: 3 not found, 4 refused because of the present state, 1 everything else. */
const EXIT_CODES: Readonly<Record<string, number>> = { not_found: 3, not_running: 3, conflict: 4, database_in_use: 4 };

try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = report(error);
  // Whatever a failed start has left open must not keep the process; a pipe gets the message before.
  setTimeout(() => process.exit(), 1_000).unref();
}

function report(error: unknown): number {
  // Commander has printed its own message; exit code 0 means help or version.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT_CODE;
  const isDebug = process.env.SLUICE_LOG_LEVEL === "debug";
  const message =
    error instanceof SluiceError && !isDebug
      ? error.message
      : error instanceof Error
        ? ((isDebug ? error.stack : undefined) ?? error.message)
        : String(error);
  if (process.argv.includes("--json"))
    process.stdout.write(
      `${JSON.stringify({ error: { code: error instanceof SluiceError ? error.code : "internal", message } })}\n`,
    );
  process.stderr.write(`${message}\n`);
  return error instanceof SluiceError ? (EXIT_CODES[error.code] ?? 1) : 1;
}
