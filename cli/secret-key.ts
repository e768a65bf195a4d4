import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "./config.ts";

/**
 * The 32 bytes that encrypt connections and variables: `SLUICE_SECRET_KEY`, or the file `secret.key` in the state folder, made at the
 * first start with mode 0600. Throws `ConfigError` when the file is readable by others or damaged.
 */
export function loadSecretKey(home: string, configured: string): Uint8Array {
  if (configured !== "") return decode(configured, "SLUICE_SECRET_KEY");
  const path = join(home, "secret.key");
  mkdirSync(home, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(path, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600, flag: "wx" });
    chmodSync(path, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  if ((statSync(path).mode & 0o077) !== 0)
    throw new ConfigError(`${path} can be read by other users of this machine. Run: chmod 600 ${path}`);
  return decode(readFileSync(path, "utf8").trim(), path);
}

function decode(text: string, origin: string): Uint8Array {
  const bytes = /^[0-9a-fA-F]{64}$/.test(text) ? Buffer.from(text, "hex") : Buffer.from(text, "base64");
  if (bytes.length !== 32)
    throw new ConfigError(
      `${origin} does not hold a key of 32 bytes (64 hex digits or base64). Restore it from a backup: without it stored secrets cannot be read.`,
    );
  return bytes;
}
