/**
 * Which way to go, and when to run: decisions and trigger rules, with shell commands in between.
 *
 * Shows: `if` and `switch`; what is not taken is skipped, and where the ways meet again the rule is
 * `none_failed_min_one_success`; a rule for the worst case (`one_failed`) and one for the end (`all_done`); `bash`, which
 * gets values as arguments and never as code.
 *
 * Try it with each parcel, and with `breakDown`: the run fails, the alarm goes off, and the report is still written.
 */
import { bash, Dag, empty, getContext } from "sluice";
import { z } from "zod";

const dag = new Dag("branching", {
  description: "Sends a parcel the right way: if, switch, trigger rules and shell commands.",
  tags: ["example", "branch"],
  params: z.object({
    parcel: z.enum(["letter", "box", "pallet"]).default("box"),
    abroad: z.boolean().default(false),
    breakDown: z.boolean().default(false).describe("The van breaks down"),
    note: z.string().max(200).default("handle with care; $(rm -rf /) is only text here"),
  }),
});

const weigh = dag.task("weigh", async (): Promise<number> => {
  const grams = { letter: 20, box: 2_500, pallet: 300_000 };
  return grams[getContext(dag).params.parcel];
})();

const customs = dag.task("customs", bash({ command: "echo 'form CN23 for:' {{ params.parcel }}" }))();
const noCustoms = dag.task("no_customs", empty())();
dag
  .if(async () => getContext(dag).params.abroad, {}, { taskId: "is_abroad" })
  .after(weigh)
  .then(customs)
  .else(noCustoms);

const cleared = dag
  .task("cleared", empty(), { triggerRule: "none_failed_min_one_success" })()
  .after(customs, noCustoms);

const bike = dag.task("bike", bash({ command: ["echo", "by bike:", "{{ params.note }}"] }))();
const van = dag.task(
  "van",
  bash({
    command: 'if [ "$BREAK_DOWN" = true ]; then echo "broken down on the way" >&2; exit 1; fi; echo by van',
    env: { BREAK_DOWN: "{{ params.breakDown }}" },
  }),
)();
const lorry = dag.task(
  "lorry",
  bash<{ grams: number }>({ command: "expr {{ inputs.grams }} / 1000 && sleep 1 && echo by lorry" }),
)({ grams: weigh });

dag
  .switch(
    async ({ grams }: { grams: number }) => (grams < 1_000 ? bike : grams < 100_000 ? van : lorry),
    { grams: weigh },
    { taskId: "choose_carrier" },
  )
  .after(cleared)
  .case(bike)
  .case(van)
  .case(lorry);

dag.task(
  "delivered",
  async ({ bike, van, lorry }: { bike?: string; van?: string; lorry?: string }) => bike ?? van ?? lorry,
  { triggerRule: "none_failed_min_one_success" },
)({ bike, van, lorry });

const alarm = dag.task("alarm", async () => getContext().log.warn("a carrier needs help"), {
  triggerRule: "one_failed",
})();
alarm.after(bike, van, lorry);

// Beside `delivered` and not below it: the last tasks decide about the run, and this one succeeds in any case.
dag
  .task("report", async () => `parcel handled: ${getContext(dag).params.parcel}`, { triggerRule: "all_done" })()
  .after(bike, van, lorry, alarm);
