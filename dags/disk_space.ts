/**
 * Looks every five minutes how full the disk is, and warns early.
 *
 * Shows: a cron schedule in a time zone; what an earlier run left (`includePriorDates`); a variable that may be set on the
 * Variables page; a short circuit, so that nobody is bothered while all is well; `isolation: "shared"`, which spares a small
 * task a process of its own.
 */
import { statfs } from "node:fs/promises";
import { Dag, getClient, getContext, shortCircuit } from "sluice";
import { stateFolder } from "./lib/state.ts";

const dag = new Dag("disk_space", {
  description: "Measures the free space on the disk every five minutes, and warns when there is little left.",
  schedule: "*/5 * * * *",
  timezone: "Europe/Berlin",
  tags: ["example", "cron"],
  maxActiveRuns: 1,
  defaultArgs: { isolation: "shared", executionTimeout: "1m" },
});

const measure = dag.task("measure", async (): Promise<number> => {
  const { log } = getContext();
  const { bavail, blocks } = await statfs(stateFolder());
  const percent = Math.round((1_000 * bavail) / blocks) / 10;
  const before = await getClient().getXCom<number>({ includePriorDates: true });
  log.info(`${percent} % of the disk are free`, { percent, before });
  return percent;
});

const isLow = dag.task(
  "is_low",
  shortCircuit(async ({ percent }: { percent: number }) => {
    const limit = await getClient().getVariable("disk_space_warn_below_percent");
    return percent < Number(limit ?? 5);
  }),
);

const warn = dag.task("warn", async ({ percent }: { percent: number }) => {
  getContext().log.error(`Only ${percent} % of the disk are free. Delete old runs, or make the disk larger.`);
});

const percent = measure();
warn({ percent }).after(isLow({ percent }));
