import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * A folder for what an example keeps, below `SLUICE_HOME` (set in every task; else `./.sluice`). Made when it is missing.
 * A real pipeline would write to its own database or bucket instead.
 */
export function stateFolder(...names: readonly string[]): string {
  const folder = join(resolve(process.env.SLUICE_HOME ?? ".sluice"), "examples", ...names);
  mkdirSync(folder, { recursive: true });
  return folder;
}
