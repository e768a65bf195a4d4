/** A host for tests that kill it: runs one attempt and prints what the log says. Arguments: home, task. */
import { mkdirSync } from "node:fs";
import { systemClock } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import { LocalExecutor } from "../../executor/local.ts";
import { FolderLogStore } from "../../executor/logs/folder.ts";
import { dagModule } from "./conformance.ts";
import { fakeStore, hashOf, workOf } from "./harness.ts";

const CODE = dagModule(`import { spawn } from "node:child_process";
  const shell = (script) => spawn("/bin/sh", ["-c", script], { stdio: "ignore", detached: true });
  place("wait", () => { shell("setsid sleep 300 & sleep 300"); console.log("running"); return new Promise(() => setInterval(() => {}, 1000)); });
  place("block", async () => { shell("setsid sleep 300 & sleep 300"); console.log("running"); for (;;); });`);

const [home = "", taskId = ""] = process.argv.slice(2);
mkdirSync(home, { recursive: true });
const logs = new FolderLogStore(`${home}/logs`);
const executor = new LocalExecutor({
  home,
  store: fakeStore(CODE),
  logs,
  calls: { call: async () => null },
  workerId: "host",
  clock: systemClock,
  logger: silentLogger,
  slots: 2,
});
await executor.start({ onOutcome: ({ outcome }) => console.log(`outcome ${outcome.kind}`), onSlotsFree() {} });
const reservation = executor.reserve({ isolation: "process", queue: "default" });
if (reservation === undefined) throw new Error("No slot is free.");
const work = workOf(1, hashOf(CODE), { taskId });
logs.watch(work.attempt, () => console.log(`boot ${executor.bootId} is running`));
executor.run(reservation, work);
process.once("SIGTERM", () => void executor.stop(0).then(() => process.exit(0)));
