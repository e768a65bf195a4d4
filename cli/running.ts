import { readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SluiceError } from "../core/errors.ts";
import type { Config } from "./config.ts";

/** Where a running installation serves, and as which process. */
export interface RunningInstallation {
  readonly url: string;
  readonly pid: number;
}

/** How long an installation may take to answer before it counts as gone, ms. */
const ANSWER_MS = 2_000;

/** Writes down where this process serves, for `login` and other commands on the same machine. */
export function announceInstallation(home: string, running: RunningInstallation): void {
  writeFileSync(addressFile(home), `${JSON.stringify(running)}\n`, { mode: 0o600 });
}

/** Takes the address back, unless another process has written its own meanwhile. Never throws. */
export function retractInstallation(home: string): void {
  try {
    if (readAddress(home)?.pid === process.pid) unlinkSync(addressFile(home));
  } catch {
    // Somebody tidied up before us.
  }
}

/** The installation that answers on this state folder; undefined when none does, whatever an earlier one left written. */
export async function runningInstallation(home: string): Promise<RunningInstallation | undefined> {
  const address = readAddress(home);
  if (address === undefined) return undefined;
  try {
    await fetch(`${address.url}/healthz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    return address;
  } catch {
    return undefined;
  }
}

/** As `runningInstallation`; throws `not_running` (exit code 3). */
export async function requireRunning(config: Config, why: string): Promise<RunningInstallation> {
  const running = await runningInstallation(config.home);
  if (running !== undefined) return running;
  throw new SluiceError(
    "not_running",
    `No installation with a web server runs on ${config.home}, and ${why}. Start it with \`sluice up\`, or set SLUICE_HOME to the right folder.`,
  );
}

function readAddress(home: string): RunningInstallation | undefined {
  try {
    return JSON.parse(readFileSync(addressFile(home), "utf8")) as RunningInstallation;
  } catch {
    return undefined;
  }
}

function addressFile(home: string): string {
  return join(home, "up.json");
}
