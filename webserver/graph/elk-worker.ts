import { parentPort } from "node:worker_threads";
import elk from "elkjs/lib/elk.bundled.js";
import type { ElkNode } from "elkjs/lib/elk-api.js";

/** The thread in which elkjs computes: a large graph must not hold up requests. */
const layouter = new elk.default();

parentPort?.on("message", async ({ id, graph }: { id: number; graph: ElkNode }) => {
  try {
    parentPort?.postMessage({ id, graph: await layouter.layout(graph) });
  } catch (error) {
    parentPort?.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
