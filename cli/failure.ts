import { CommanderError } from "commander";
import { InvalidInputError, SluiceError } from "../core/errors.ts";

/** Exit code of a command line, an input or a setting that cannot be used. */
export const USAGE_EXIT_CODE = 2;

/** Exit codes by error: 3 not found, 4 refused because of the present state, 1 everything else that fails. */
const EXIT_CODES: Readonly<Record<string, number>> = {
  invalid_input: USAGE_EXIT_CODE,
  invalid_config: USAGE_EXIT_CODE,
  not_found: 3,
  not_running: 3,
  conflict: 4,
  database_in_use: 4,
  cannot_listen: 4,
};

/** Tells of a failure on stderr, with `--json` also as the one value on stdout: `{"error":{"code","message","issues"?}}`. Gives the exit code. */
export function reportFailure(error: unknown, { isJson }: { readonly isJson: boolean }): number {
  if (error instanceof CommanderError) return reportUsage(error, isJson);
  const isDebug = process.env.SLUICE_LOG_LEVEL === "debug";
  const code = error instanceof SluiceError ? error.code : "internal";
  const message = error instanceof Error ? error.message : String(error);
  const issues = error instanceof InvalidInputError && error.issues.length > 0 ? error.issues : undefined;
  if (isJson) printJson({ error: { code, message, ...(issues && { issues }) } });
  const lines = (issues ?? []).map(({ path, message: what }) => `  ${path === "" ? "" : `${path}: `}${what}`);
  const text = isDebug && error instanceof Error ? (error.stack ?? message) : message;
  process.stderr.write(`${[text, ...lines].join("\n")}\n`);
  return EXIT_CODES[code] ?? 1;
}

/** Commander has told people already; exit code 0 means that help or the version was asked for. */
function reportUsage(error: CommanderError, isJson: boolean): number {
  if (error.exitCode === 0) return 0;
  const message =
    error.code === "commander.help"
      ? "Name one of the commands; --help lists them."
      : error.message.replace(/^error: /, "");
  if (isJson) printJson({ error: { code: "usage", message } });
  return USAGE_EXIT_CODE;
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
