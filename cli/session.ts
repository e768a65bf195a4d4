import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { systemClock } from "../core/clock.ts";
import { NotFoundError, SluiceError } from "../core/errors.ts";
import type { CommandContext } from "../store/commands/context.ts";
import type { Store } from "../store/store.ts";
import { type Config, readConfig } from "./config.ts";
import { createOutput, type Output } from "./output.ts";
import { loadSecretKey } from "./secret-key.ts";
import { explainNotFound } from "./suggest.ts";

/** What a command that works on the database gets. */
export interface Session {
  readonly config: Config;
  readonly store: Store;
  readonly out: Output;
  /** For operator commands, with the command line as the actor. */
  readonly commands: CommandContext;
}

/**
 * Opens the store beside a running `up` (which hears of every commit), runs `work`, closes it. Creates nothing: without a database the
 * command says how to make one.
 */
export async function withStore(command: Command, work: (session: Session) => Promise<void>): Promise<void> {
  const config = readConfig();
  const path = config.databaseUrl.replace(/^sqlite:/, "");
  if (config.databaseUrl.startsWith("sqlite:") && !existsSync(path)) {
    throw new SluiceError(
      "not_found",
      `There is no database at ${path}. Start Sluice once (\`sluice up\`) or run \`sluice db migrate\`, or set SLUICE_HOME to the right folder.`,
    );
  }
  const { openStore } = await import("../store/open.ts");
  const store = await openStore({
    url: config.databaseUrl,
    secretKey: loadSecretKey(config.home, config.secretKey),
    hintFile: join(config.home, "hint"),
  });
  try {
    const commands: CommandContext = { store, clock: systemClock, actor: "cli", triggeredBy: "cli" };
    await work({ config, store, out: createOutput(isJson(command)), commands });
  } catch (error) {
    throw error instanceof NotFoundError ? await explainNotFound(error, command, store) : error;
  } finally {
    await store.close();
  }
}

/** Whether `--json` was given to this command or to one above it. */
export function isJson(command: Command): boolean {
  return command.optsWithGlobals<{ json?: boolean }>().json ?? false;
}
