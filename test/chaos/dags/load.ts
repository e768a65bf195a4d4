/**
 * The mixed load under which the harness kills the engine. Every task leaves lines in the ledger, a file outside of the engine:
 * `begin` is its side effect, `end` is written last. Each line is one append.
 */
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { bash, branch, Dag, empty, every, getClient, getContext, sensor, triggerDagRun } from "sluice";

function write(mark: "begin" | "end"): void {
  const { dagId, runId, taskId, tryNumber } = getContext();
  const line = { key: `${dagId}/${runId}/${taskId}`, try: tryNumber, mark, pid: process.pid, at: Date.now() };
  appendFileSync(process.env.CHAOS_LEDGER ?? "", `${JSON.stringify(line)}\n`);
}

async function effect<T>(ms: number, work: () => T | Promise<T>): Promise<T> {
  write("begin");
  if (ms > 0) await sleep(ms);
  const value = await work();
  write("end");
  return value;
}

/** Something that must never be seen; the harness looks for it in the attempts. */
class ChaosInvariant extends Error {
  override name = "ChaosInvariant";
}

const common = { schedule: null, maxActiveRuns: 6, defaultArgs: { retries: 2, retryDelay: 0.05 } } as const;

// A chain that hands a value on: what a task gets is what the one before it returned.
const chain = new Dag("chain", common);
const step = chain.task("first", () => effect(2, () => 1));
let value = step();
for (let nth = 2; nth <= 6; nth++) {
  const next = chain.task(`step${nth}`, ({ got }: { got: number }) =>
    effect(3, () => {
      if (got !== nth - 1) throw new ChaosInvariant(`step ${nth} got ${got}`);
      return nth;
    }),
  );
  value = next({ got: value });
}

// Fan-out and fan-in through a pool, every third task fails at first.
const fan = new Dag("fan", { ...common, maxActiveTasks: 5 });
const parts = Array.from({ length: 7 }, (_, nth) =>
  fan.task(
    `part${nth}`,
    () =>
      effect(10 + 5 * nth, () => {
        if (nth % 3 === 0 && getContext().tryNumber === 1) throw new Error("at first it fails");
        return nth;
      }),
    { pool: "tight", poolSlots: nth === 0 ? 2 : 1 },
  )(),
);
const gather = fan.task("gather", () => effect(1, () => "all"), { triggerRule: "all_done" })();
for (const part of parts) part.before(gather);

// Many small tasks in one process.
const shared = new Dag("shared", { ...common, defaultArgs: { ...common.defaultArgs, isolation: "shared" } });
const seed = shared.task("seed", () => effect(1, () => [1, 2, 3]))();
const join = shared.task("join", () => effect(1, () => null), { triggerRule: "none_failed" })();
for (let nth = 0; nth < 6; nth++) {
  shared
    .task(`each${nth}`, () => effect(nth * 4, () => nth))()
    .after(seed)
    .before(join);
}

// A branch, with a join that accepts what was skipped.
const fork = new Dag("fork", common);
const choose = fork.task(
  "choose",
  branch(() => effect(1, () => (getContext().runId.length % 2 === 0 ? "left" : "right"))),
)();
const left = fork
  .task("left", () => effect(5, () => "l"))()
  .after(choose);
const right = fork
  .task("right", () => effect(5, () => "r"))()
  .after(choose);
const meet = fork.task("meet", () => effect(1, () => null), { triggerRule: "none_failed_min_one_success" })();
left.before(meet);
right.before(meet);
fork.task("nothing", empty())().after(meet);

// A sensor that holds no slot between its pokes.
const wait = new Dag("wait", common);
const poked = wait.task(
  "poke",
  sensor(() => effect(1, () => Date.now() - getContext().runAfter.getTime() > 700), { every: 0.2, timeout: 600 }),
)();
wait
  .task("go", () => effect(1, () => null))()
  .after(poked);

// Long enough to be cancelled, cleared and marked; deaf to the signal, and with children.
const slow = new Dag("slow", common);
const deaf = slow.task("deaf", () => effect(250, () => null))();
const LINE = String.raw`printf '{"key":"%s","try":%s,"mark":"%s","pid":%s,"at":0}\n'`;
const script = `key="slow/$1/shell"; ${LINE} "$key" "$2" begin $$ >> "$CHAOS_LEDGER"; sleep 0.15; ${LINE} "$key" "$2" end $$ >> "$CHAOS_LEDGER"`;
const shell = slow.task("shell", bash({ command: ["sh", "-c", script, "sh", "{{ run_id }}", "{{ try_number }}"] }))();
deaf.before(shell);

// A run that starts another one.
const caller = new Dag("caller", common);
const call = caller.task("call", triggerDagRun({ dagId: "called", conf: { from: "{{ run_id }}" } }))();
caller
  .task("after", () => effect(1, () => null))()
  .after(call);
const called = new Dag("called", { ...common, maxActiveRuns: 20 });
called.task("answer", () => effect(2, () => getContext().conf.from ?? null))();

// Variables and XComs through the client.
const client = new Dag("client", common);
client.task("ask", () =>
  effect(1, async () => {
    const api = getClient();
    await api.setVariable(`seen_${getContext().runId.length % 5}`, getContext().runId);
    await api.setXCom({ key: "mine", value: getContext().tryNumber });
  }),
)();

// Runs by themselves, and makes up for every date that a kill made it miss.
const tick = new Dag("tick", {
  schedule: every("2s"),
  startDate: new Date(Math.floor(Date.now() / 2_000) * 2_000),
  catchup: true,
  maxActiveRuns: 4,
  defaultArgs: common.defaultArgs,
});
tick.task("tock", () => effect(1, () => null))();

// For backfills; its own schedule is not due in our lifetime.
const daily = new Dag("daily", {
  ...common,
  schedule: "0 0 * * *",
  startDate: "2020-01-01",
  endDate: "2020-12-31",
  catchup: false,
});
const fill = daily.task("fill", () => effect(2, () => getContext().logicalDate?.getTime() ?? 0))();
daily.task("check", ({ at }: { at: number }) =>
  effect(1, () => {
    if (at !== getContext().logicalDate?.getTime()) throw new ChaosInvariant(`${at} is another run's value`);
  }),
)({ at: fill });
