import { flushCompileCache } from "node:module";
import { SluiceError } from "../../core/errors.ts";
import { readConfig } from "../config.ts";
import { announceInstallation, retractInstallation } from "../running.ts";
import { type Parts, startInstallation } from "../up.ts";

/** When the compiled code is kept for the next start, ms after this one. */
const FLUSH_MS = 3_000;

/** `sluice up` and its parts: runs until SIGTERM or SIGINT, drains, exits 0. A second signal exits at once. */
export async function runInstallation(parts: Parts, options: { readonly json?: boolean }): Promise<void> {
  const config = readConfig();
  using stopping = stopSignal();
  const installation = await startInstallation(config, parts);
  const { url } = installation;
  if (url !== undefined) {
    announceInstallation(config.home, { url, pid: process.pid });
    const loginUrl = await installation.loginUrl();
    if (options.json) console.log(JSON.stringify({ url, loginUrl, pid: process.pid }));
    else console.log(`Sluice is ready at ${url}\nLog in: ${loginUrl}`);
  } else if (options.json) console.log(JSON.stringify({ pid: process.pid }));
  else console.log("Sluice is ready (no web server in this process)");
  // After a first start it holds up the event loop: not while the first page is waited for.
  setTimeout(flushCompileCache, FLUSH_MS).unref();
  await stopping.signalled;
  await installation.stop();
  retractInstallation(config.home);
  // What author code or a library left open must not keep a stopped installation alive.
  process.exit(0);
}

/** Listens for the wish to stop, and keeps the process alive for it; a start that fails disposes of it, so that the process can end. */
function stopSignal(): Disposable & { readonly signalled: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isStopping = false;
  const stop = () => {
    if (isStopping) process.exit(1);
    isStopping = true;
    console.error("Stopping: running tasks may finish. Press Ctrl+C again to leave at once.");
    resolve();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  // Timers of the house do not keep the process alive; this one does until the signal.
  const alive = setInterval(() => {}, 2 ** 30);
  return {
    signalled: promise,
    [Symbol.dispose]() {
      clearInterval(alive);
      process.off("SIGTERM", stop);
      process.off("SIGINT", stop);
    },
  };
}

/** Workers on other machines need a database that they can reach. */
export function refuseWorker(): never {
  throw new SluiceError(
    "conflict",
    "A worker needs a database server and Redis; this installation keeps its state in a SQLite file, whose tasks run beside the scheduler. Use `sluice up`, and SLUICE_SLOTS for more tasks at once.",
  );
}
