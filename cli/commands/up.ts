import { unlinkSync, writeFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { SluiceError } from "../../core/errors.ts";
import { readConfig } from "../config.ts";
import { type Parts, startInstallation } from "../up.ts";

/** Where a running installation writes its address, for `sluice login` and other commands on the same machine. */
export function addressFile(home: string): string {
  return join(home, "up.json");
}

/** `sluice up` and its parts: runs until SIGTERM or SIGINT, drains, exits 0. A second signal exits at once. */
export async function runInstallation(parts: Parts, options: { readonly json?: boolean }): Promise<void> {
  const config = readConfig();
  const stop = new StopSignal();
  const installation = await startInstallation(config, parts).catch((error: unknown) => {
    stop.release();
    throw error;
  });
  const { url } = installation;
  if (url !== undefined) {
    writeFileSync(addressFile(config.home), `${JSON.stringify({ url, pid: process.pid })}\n`, { mode: 0o600 });
    const loginUrl = await installation.loginUrl();
    if (options.json) console.log(JSON.stringify({ url, loginUrl, pid: process.pid }));
    else console.log(`Sluice is ready at ${url}\nLog in: ${loginUrl}`);
  } else if (options.json) console.log(JSON.stringify({ pid: process.pid }));
  else console.log("Sluice is ready (no web server in this process)");
  flushCompileCache();
  await stop.given;
  await installation.stop();
  if (url !== undefined) remove(addressFile(config.home));
  // What author code or a library left open must not keep a stopped installation alive.
  process.exit(0);
}

/** Keeps the process alive until SIGTERM or SIGINT; a second one exits at once. */
class StopSignal {
  /** Resolves with the first signal. */
  readonly given: Promise<void>;
  // Timers of the house do not keep the process alive; this one does.
  readonly #alive = setInterval(() => {}, 2 ** 30);

  constructor() {
    this.given = new Promise((resolve) => {
      let isStopping = false;
      const stop = () => {
        if (isStopping) process.exit(1);
        isStopping = true;
        console.error("Stopping: running tasks may finish. Press Ctrl+C again to leave at once.");
        resolve();
      };
      process.on("SIGTERM", stop);
      process.on("SIGINT", stop);
    });
  }

  /** The start has failed: the process may end by itself. */
  release(): void {
    clearInterval(this.#alive);
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody tidied up before us.
  }
}

/** Workers on other machines need a database that they can reach. */
export function refuseWorker(): never {
  throw new SluiceError(
    "conflict",
    "A worker needs a database server and Redis; this installation keeps its state in a SQLite file, whose tasks run beside the scheduler. Use `sluice up`, and SLUICE_SLOTS for more tasks at once.",
  );
}
