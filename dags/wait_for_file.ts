/**
 * Waits for a file, works on it, and puts it away.
 *
 * Shows: a sensor, which holds no slot between two looks; one that gives up softly, so that a day without a delivery is
 * a skipped run and not a failed one; a value that travels from task to task.
 *
 * Try it: trigger it, then drop a file:
 *   printf 'article,pieces\nlamp,3\nchair,4\n' > .sluice/examples/inbox/delivery.csv
 */
import { readFileSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { Dag, FailFast, fileSensor, getContext } from "sluice";
import { parseCsv } from "./lib/csv.ts";
import { stateFolder } from "./lib/state.ts";

const dag = new Dag("wait_for_file", {
  description: "Waits for a CSV file in a folder, counts what was delivered, archives the file.",
  tags: ["example", "sensor"],
  // Two runs would reach for the same file.
  maxActiveRuns: 1,
});

const arrived = dag.task(
  "arrived",
  fileSensor({
    path: () => join(stateFolder("inbox"), "*.csv"),
    nonEmpty: true,
    every: "5s",
    timeout: "12h",
    softFail: true,
  }),
);

const count = dag.task("count", async ({ path }: { path: string }): Promise<number> => {
  let pieces = 0;
  for (const [index, row] of parseCsv(readFileSync(path, "utf8")).entries()) {
    const delivered = Number(row.pieces);
    if (!Number.isInteger(delivered))
      throw new FailFast(`${path}:${index + 2}: "${row.pieces}" is no number of pieces.`);
    pieces += delivered;
  }
  getContext().log.info("counted", { file: basename(path), pieces });
  return pieces;
});

const archive = dag.task("archive", async ({ path, pieces }: { path: string; pieces: number }) => {
  const { runId } = getContext();
  const target = join(stateFolder("inbox", "archive"), `${runId.replaceAll(/[^\w.-]/g, "_")}-${basename(path)}`);
  renameSync(path, target);
  return { archived: target, pieces };
});

const path = arrived();
archive({ path, pieces: count({ path }) });
