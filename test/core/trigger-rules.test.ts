import { expect } from "chai";
import { describe, it } from "mocha";
import { TRIGGER_RULES, type TriggerRule } from "../../core/definition.ts";
import { isTerminal, type TaskState } from "../../core/states.ts";
import { applyTriggerRule } from "../../core/trigger-rules.ts";
import { Bench, boom, dag, newRows, ok, skip, task } from "./support.ts";
import { oracle, type Upstream } from "./table-oracle.ts";

const STATES: readonly TaskState[] = ["running", "success", "failed", "upstream_failed", "skipped", "removed"];

/** Every list of `length` of these values. */
function* lists<T>(values: readonly T[], length: number): Generator<T[]> {
  if (length === 0) yield [];
  else for (const rest of lists(values, length - 1)) for (const value of values) yield [...rest, value];
}

function subsets<T>(values: readonly T[]): T[][] {
  return Array.from({ length: 2 ** values.length }, (_, bits) => values.filter((_, index) => (bits >> index) & 1));
}

describe("trigger rules", () => {
  it("follow the table for up to four upstreams in every state, mapped or not", () => {
    let cases = 0;
    for (let length = 0; length <= 4; length++) {
      for (const states of lists(STATES, length)) {
        const count = (state: TaskState) => states.filter((one) => one === state).length;
        const counts = {
          total: length,
          success: count("success"),
          failed: count("failed"),
          upstreamFailed: count("upstream_failed"),
          skipped: count("skipped"),
          removed: count("removed"),
        };
        for (const rule of TRIGGER_RULES) {
          for (const mapIndex of [-1, 0, 1, 3]) {
            const upstream = states.map((state) => ({ state }));
            expect(applyTriggerRule(rule, counts, { mapIndex }), `${rule} ${mapIndex} ${states}`).to.equal(
              oracle(rule, upstream, mapIndex),
            );
            cases++;
          }
        }
      }
    }
    expect(cases).to.equal((1 + 6 + 36 + 216 + 1296) * TRIGGER_RULES.length * 4);
  });

  it("follow the table for teardowns whose upstreams are setups or not", () => {
    for (let length = 1; length <= 3; length++) {
      for (const states of lists(STATES, length)) {
        for (const setups of subsets(states.map((_, index) => index))) {
          const upstream: Upstream[] = states.map((state, index) => ({ state, isSetup: setups.includes(index) }));
          const tasks = [
            ...states.map((_, index) => task(`u${index}`, [], setups.includes(index) ? { isSetup: true } : {})),
            task(
              "t",
              states.map((_, index) => `u${index}`),
              {
                triggerRule: "all_done_setup_success",
                isTeardown: true,
              },
            ),
          ];
          const definition = dag(tasks);
          const rows = newRows(definition).map((row, index) => ({ ...row, state: states[index] ?? "none" }));
          const bench = new Bench(definition, { rows });
          bench.begin();
          expectVerdict(bench, "t", oracle("all_done_setup_success", upstream), `${states} setups ${setups}`);
        }
      }
    }
  });

  it("never run on an unknown rule", () => {
    const counts = { total: 1, success: 1, failed: 0, upstreamFailed: 0, skipped: 0, removed: 0 };
    expect(applyTriggerRule("dummy" as TriggerRule, counts)).to.equal("wait");
  });

  it("hold when upstreams stand as they do at the first look", () => {
    for (let length = 0; length <= 3; length++) {
      for (const states of lists(STATES, length)) {
        for (const rule of TRIGGER_RULES) {
          const ids = states.map((_, index) => `u${index}`);
          const definition = dag([...ids.map((id) => task(id)), task("t", ids, { triggerRule: rule })]);
          const rows = newRows(definition).map((row, index) => ({ ...row, state: states[index] ?? "none" }));
          const bench = new Bench(definition, { rows });
          bench.begin();
          const verdict = oracle(
            rule,
            states.map((state) => ({ state })),
          );
          expectVerdict(bench, "t", verdict, `${rule} ${states}`);
        }
      }
    }
  });

  it("hold for every shape of three upstreams, every outcome and every order of arrival", function () {
    this.timeout(60_000);
    const ids = ["a", "b", "c"];
    const outcomes = { success: ok, failed: boom, skipped: skip };
    const edges = [
      ["a", "b"],
      ["a", "c"],
      ["b", "c"],
    ] as const;
    let paths = 0;
    for (const inner of subsets(edges)) {
      for (const direct of subsets(ids)) {
        for (const rule of TRIGGER_RULES) {
          const definition = dag([
            ...ids.map((id) =>
              task(
                id,
                inner.filter(([, to]) => to === id).map(([from]) => from),
              ),
            ),
            task("t", direct, { triggerRule: rule }),
          ]);
          const walk = (path: readonly (readonly [string, keyof typeof outcomes])[]): void => {
            const bench = new Bench(definition);
            bench.begin();
            // What T is as soon as the rule says so, and stays.
            let expected = expectedAfter(bench, rule, direct, "none");
            expect(bench.state("t"), `${rule}(${direct}) at the start`).to.equal(expected);
            for (const [id, outcome] of path) {
              bench.finish(id, outcomes[outcome]);
              expected = expectedAfter(bench, rule, direct, expected);
              expect(bench.state("t"), `${rule}(${direct}) inner ${inner} after ${path}`).to.equal(expected);
            }
            const open = ids.filter((id) => bench.state(id) === "scheduled");
            if (open.length === 0) paths++;
            for (const id of open) {
              for (const outcome of Object.keys(outcomes) as (keyof typeof outcomes)[]) walk([...path, [id, outcome]]);
            }
          };
          walk([]);
        }
      }
    }
    expect(paths).to.be.greaterThan(30_000);
  });
});

/** T's state by the oracle; once decided it stays. A deadlocked run ends what it leaves. */
function expectedAfter(bench: Bench, rule: TriggerRule, direct: readonly string[], before: TaskState): TaskState {
  if (before === "scheduled" || isTerminal(before)) return before;
  const verdict = oracle(
    rule,
    direct.map((id) => ({ state: bench.state(id) })),
  );
  return verdict === "run" ? "scheduled" : verdict === "wait" ? "none" : (verdict as TaskState);
}

function expectVerdict(bench: Bench, taskId: string, verdict: TaskState | "run" | "wait", message: string): void {
  const state = bench.state(taskId);
  if (verdict === "run") expect(state, message).to.equal("scheduled");
  else if (verdict !== "wait") expect(state, message).to.equal(verdict);
  // Removed upstreams can leave a rule undecided for ever: the run ends as deadlocked.
  else if (bench.last.runState) expect(bench.last.runState.reason, message).to.match(/^deadlock/);
  else expect(state, message).to.equal("none");
}
