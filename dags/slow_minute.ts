/**
 * Takes about a minute, so that there is something to watch: it starts once by itself, when Sluice meets it first.
 *
 * Shows: groups, progress in the log at several levels, a task that fails once and then succeeds, and `signal`, by which
 * a task that is cancelled stops at once.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Dag, getContext } from "sluice";
import { z } from "zod";

const dag = new Dag("slow_minute", {
  description: "About a minute of make-believe work, to watch it on the page.",
  schedule: "@once",
  tags: ["example"],
  params: z.object({
    stepSeconds: z.number().min(0).max(60).default(1).describe("How long one step takes; a run has about 50"),
  }),
});

/** Works through `steps`, and tells how far it is. */
async function work(what: string, steps: number): Promise<void> {
  const { params, log, signal } = getContext(dag);
  for (let step = 1; step <= steps; step++) {
    await pause(params.stepSeconds * 1_000, undefined, { signal });
    log.info(`${what}: ${step} of ${steps}`, { percent: Math.round((100 * step) / steps) });
  }
}

const prepare = dag.task("prepare", async () => {
  await work("preparing", 5);
  return "ready";
})();

const kitchen = dag.taskGroup("kitchen", { tooltip: "All at the same time" });
kitchen
  .task("chop", () => work("chopping", 8))()
  .before(
    kitchen.task("fry", async () => {
      getContext().log.warn("the oil is hot");
      await work("frying", 10);
    })(),
  );
kitchen.task("boil", () => work("boiling", 16))();

const oven = dag.taskGroup("oven");
const heat = oven.task("heat", () => work("heating", 6))();
const bake = oven.task(
  "bake",
  async () => {
    const { tryNumber, log } = getContext();
    await work("baking", 4);
    if (tryNumber === 1) {
      log.error("the fuse has blown");
      throw new Error("The oven went cold. The next try will do.");
    }
    log.debug("a new fuse holds");
  },
  { retry: { attempts: 3, delay: "3s" } },
)();
heat.before(bake);

kitchen.after(prepare);
oven.after(prepare);

const dinner = dag.taskGroup("dinner");
const plate = dinner
  .task("plate", () => work("plating", 6))()
  .after(kitchen, oven);
const serve = dinner
  .task("serve", () => work("serving", 12))()
  .after(plate);
dinner
  .task("wash_up", () => work("washing", 9))()
  .after(serve);
