import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { clearTransitions, selectForClear } from "../../core/clear.ts";
import { type PastFacts, waitReason } from "../../core/decide.ts";
import { type DagDefinition, type TaskDefinition, TRIGGER_RULES } from "../../core/definition.ts";
import { explain } from "../../core/reason.ts";
import type { SkipDecision, TaskOutcome } from "../../core/run.ts";
import { isTerminal, TASK_STATES, type TaskState } from "../../core/states.ts";
import { NaiveRun } from "./naive.ts";
import { Bench, dag, task } from "./support.ts";

/** Random numbers of one run, consumed as they are needed; fast-check shrinks them. */
class Dice {
  readonly #rolls: readonly number[];
  #at = 0;
  constructor(rolls: readonly number[]) {
    this.#rolls = rolls;
  }
  /** A number in 0 … sides − 1. */
  roll(sides: number): number {
    return (this.#rolls[this.#at++ % this.#rolls.length] ?? 0) % sides;
  }
  chance(percent: number): boolean {
    return this.roll(100) < percent;
  }
  pick<T>(values: readonly T[]): T {
    return values[this.roll(values.length)]!;
  }
}

/** Random runs per property; more for a soak. */
const RUNS = Number(process.env.SLUICE_PROPERTY_RUNS ?? 200);

const rolls = fc.array(fc.nat(9_999), { minLength: 60, maxLength: 240 });

function randomDag(dice: Dice): DagDefinition {
  const size = 1 + dice.roll(12);
  const density = 10 + dice.roll(60);
  const isPlain = dice.chance(40);
  const ids = Array.from({ length: size }, (_, index) => `t${index}`);
  // Positions and dependencies are independent: a task may come before its upstream in the list.
  const shuffled = [...ids].sort((a, b) => (dice.roll(2) === 0 ? -1 : 1) * a.localeCompare(b));
  const tasks = shuffled.map((id, index): TaskDefinition => {
    const upstream = shuffled.slice(0, index).filter(() => dice.chance(density));
    const kind = isPlain ? 99 : dice.roll(100);
    return task(id, upstream, {
      triggerRule: dice.chance(30) ? "all_success" : dice.pick(TRIGGER_RULES),
      retries: dice.chance(30) ? dice.roll(3) : 0,
      retryDelayMs: 1000,
      ...(kind < 10 ? { isNoop: true } : {}),
      ...(kind >= 10 && kind < 20 ? { isSetup: true } : {}),
      ...(kind >= 20 && kind < 28 ? { isTeardown: true, triggerRule: "all_done_setup_success" as const } : {}),
      ...(kind >= 28 && kind < 45 ? { branch: { kind: "branch" as const } } : {}),
      ...(kind >= 45 && kind < 53 ? { branch: { kind: "shortCircuit" as const } } : {}),
      ...(kind >= 53 && kind < 60 ? { dependsOnPast: true, waitForPastDependsBeforeSkipping: dice.chance(50) } : {}),
    });
  });
  const order = dice.chance(50) ? tasks : [...tasks].reverse();
  return dag(order, { failFast: !isPlain && dice.chance(15) });
}

function randomOutcome(dice: Dice, definition: DagDefinition, taskId: string): TaskOutcome {
  const roll = dice.roll(100);
  if (roll < 20) return { kind: "failed", error: { name: "E", message: "m" }, retryable: dice.chance(80) };
  if (roll < 30) return { kind: "skipped" };
  if (roll < 42) return { kind: "lost", error: { name: "Lost", message: "gone" } };
  const branch = randomDecision(dice, definition, taskId);
  return branch === undefined ? { kind: "success" } : { kind: "success", branch };
}

function randomDecision(dice: Dice, definition: DagDefinition, taskId: string): SkipDecision | undefined {
  const kind = definition.tasks.find((one) => one.taskId === taskId)?.branch?.kind;
  const direct = definition.tasks.filter((one) => one.upstream.includes(taskId)).map((one) => one.taskId);
  if (kind === undefined || dice.chance(20)) return undefined;
  const some = direct.filter(() => dice.chance(50));
  if (kind === "branch") return { followed: some };
  return { skipped: dice.chance(50) ? direct : some, transitive: dice.chance(60) };
}

/** Both machines side by side, and the invariants that hold after every event. */
class Twins {
  readonly definition: DagDefinition;
  readonly bench: Bench;
  readonly naive: NaiveRun;
  events = 0;
  #before: Record<string, TaskState> = {};

  constructor(definition: DagDefinition) {
    this.definition = definition;
    this.bench = new Bench(definition);
    this.naive = new NaiveRun(definition);
    if (this.naive.past === null) this.bench.send({ kind: "past", facts: { kind: "none" } });
    this.bench = new Bench(definition);
    this.bench.begin();
    this.naive.settle();
    this.check();
  }

  check(): void {
    const states = this.bench.states();
    for (const [taskId, expected] of this.naive.tasks) {
      expect(states[taskId], `${taskId} after ${this.events} events`).to.equal(expected.state);
      const row = this.bench.rows[this.bench.tiNo(taskId)]!;
      expect(row.state, `row of ${taskId}`).to.equal(expected.state);
      expect(row.tryNumber, `tries of ${taskId}`).to.equal(expected.tryNumber);
      expect(row.maxTries, `maxTries of ${taskId}`).to.equal(expected.maxTries);
      expect(row.lostCount, `losses of ${taskId}`).to.equal(expected.lostCount);
      expect(row.branch, `decision of ${taskId}`).to.deep.equal(expected.branch);
    }
    expect(this.bench.run.runState).to.equal(this.naive.runState);
    const isEnded = this.bench.run.runState !== "running";
    expect(Object.values(states).every(isTerminal), "ended with its last task").to.equal(isEnded);
    for (const [taskId, state] of Object.entries(this.#before)) {
      if (isTerminal(state)) expect(states[taskId], `${taskId} left ${state}`).to.equal(state);
    }
    this.#before = states;
    this.#checkMemory();
    this.#checkExplained();
    this.events++;
  }

  /** What was cleared may change; everything else stays final. */
  forget(): void {
    this.#before = {};
  }

  #checkMemory(): void {
    const { run } = this.bench;
    expect(this.bench.rows.map(({ tiNo }) => run.instance(tiNo))).to.deep.equal(this.bench.rows);
    for (const state of TASK_STATES) {
      expect(run.count(state)).to.equal(this.bench.rows.filter((row) => row.state === state).length);
    }
  }

  #checkExplained(): void {
    for (const row of this.bench.rows) {
      const wait = waitReason(this.bench.run, row.tiNo);
      if (row.state === "none" && this.bench.run.runState === "running")
        expect(wait, row.taskId).to.not.equal(undefined);
      const facts = { ...row, kind: "task" as const, now: 0, runState: this.bench.run.runState };
      expect(explain(wait === undefined ? facts : { ...facts, wait })).to.match(/\S/);
    }
  }

  /** Tasks that could do something now. */
  moves(): { taskId: string; state: TaskState }[] {
    const states = this.bench.states();
    return Object.entries(states)
      .filter(([, state]) => ["scheduled", "running", "restarting", "up_for_retry"].includes(state))
      .map(([taskId, state]) => ({ taskId, state }));
  }

  advance(dice: Dice, taskId: string, state: TaskState): void {
    const tiNo = this.bench.tiNo(taskId);
    if (state === "scheduled") {
      this.bench.start(taskId);
      this.naive.start(taskId);
    } else if (state === "up_for_retry") {
      const { now } = this.bench;
      this.bench.now = this.bench.rows[tiNo]!.dueAt!;
      this.bench.send({ kind: "due", tiNo });
      // Time stands still otherwise, so that nothing else becomes due on the side.
      this.bench.now = now;
      this.naive.due(taskId);
    } else {
      const outcome = randomOutcome(dice, this.definition, taskId);
      this.bench.send({ kind: "finished", tiNo, outcome });
      this.naive.finish(taskId, outcome);
    }
  }

  tellPast(dice: Dice): void {
    const states = new Map(
      this.definition.tasks.map((one) => [
        one.taskId,
        dice.pick<TaskState>(["success", "skipped", "failed", "running"]),
      ]),
    );
    const isFirst = dice.chance(30);
    const facts: PastFacts = isFirst
      ? { kind: "none" }
      : { kind: "run", runId: "before", states: [...states].map(([taskId, state]) => ({ taskId, state })) };
    this.naive.past = isFirst ? null : states;
    this.bench.facts = { ...this.bench.facts, past: facts };
    this.bench.send({ kind: "past", facts });
    this.naive.settle();
  }

  clear(dice: Dice): void {
    const chosen = this.definition.tasks.filter(() => dice.chance(25)).map((one) => one.taskId);
    const tiNos = selectForClear(this.bench.graph, this.bench.rows, {
      tasks: chosen,
      includeDownstream: dice.chance(50),
      includeUpstream: dice.chance(20),
      onlyFailed: dice.chance(30),
    });
    if (tiNos.length === 0) {
      this.bench.last = { transitions: [], newlyReady: [], stop: [] };
      return;
    }
    for (const change of clearTransitions(this.bench.graph, this.bench.rows, tiNos)) {
      const row = this.bench.rows[change.tiNo]!;
      const cleared = this.naive.get(row.taskId);
      cleared.state = change.to;
      cleared.maxTries = cleared.tryNumber + this.definition.tasks[change.tiNo]!.retries + 1;
      cleared.lostCount = 0;
      cleared.branch = undefined;
      const { dueAt: _due, firstPokeAt: _first, branch: _branch, ...kept } = row;
      this.bench.rows[change.tiNo] = {
        ...kept,
        state: change.to,
        epoch: change.newEpoch ?? row.epoch,
        maxTries: change.maxTries!,
        lostCount: 0,
      };
    }
    this.bench.facts = { ...this.bench.facts, state: "running" };
    this.naive.runState = "running";
    this.forget();
    this.bench.reopen();
    this.naive.settle();
  }

  reopen(): void {
    const before = this.bench.states();
    const decision = this.bench.reopen();
    expect(decision.transitions, "nothing is missing after a reopen").to.deep.equal([]);
    expect(this.bench.states()).to.deep.equal(before);
    if (this.bench.run.runState === "running") {
      const ready = this.bench.rows.filter((row) => row.state === "scheduled").map((row) => row.tiNo);
      expect([...decision.newlyReady].sort((a, b) => a - b)).to.deep.equal(ready);
    }
  }
}

/** Plays one run to its end; returns the log of all decisions. */
function play(numbers: readonly number[], options: { clears: boolean; reopens: boolean }): string[] {
  const dice = new Dice(numbers);
  const twins = new Twins(randomDag(dice));
  const log: string[] = [JSON.stringify(twins.bench.last)];
  let clears = options.clears ? 3 : 0;
  for (let step = 0; step < 400; step++) {
    // The same dice whether or not it reopens, so that both plays can be compared.
    const doesReopen = dice.chance(15);
    if (doesReopen && options.reopens) twins.reopen();
    if (clears > 0 && dice.chance(8)) {
      clears--;
      twins.clear(dice);
    } else {
      const moves = twins.moves();
      if (moves.length === 0 || (twins.naive.past !== null && dice.chance(10))) {
        if (twins.bench.run.runState !== "running") break;
        // Nothing moves and the run goes on: it must be the previous run that it waits for.
        twins.tellPast(dice);
      } else {
        const { taskId, state } = dice.pick(moves);
        twins.advance(dice, taskId, state);
      }
    }
    twins.check();
    log.push(JSON.stringify(twins.bench.last));
  }
  // The dice may be out of luck for the previous run; everything else ends by itself.
  if (twins.bench.run.runState === "running") {
    twins.naive.past = null;
    twins.bench.facts = { ...twins.bench.facts, past: { kind: "none" } };
    twins.bench.send({ kind: "past", facts: { kind: "none" } });
    twins.naive.settle();
    twins.check();
    for (let moves = twins.moves(); moves.length > 0; moves = twins.moves()) {
      twins.advance(new Dice([99]), moves[0]!.taskId, moves[0]!.state);
      twins.check();
    }
  }
  expect(twins.bench.run.runState, "the run ends").to.not.equal("running");
  return log;
}

describe("decide, against a naive model on random runs", () => {
  it("agrees at every step, ends, leaves no terminal state, explains every wait", function () {
    this.timeout(60_000 + RUNS * 100);
    fc.assert(
      fc.property(rolls, (numbers) => {
        play(numbers, { clears: false, reopens: false });
      }),
      { numRuns: RUNS },
    );
  });

  it("agrees with clears, and finds nothing missing when reopened at any moment", function () {
    this.timeout(60_000 + RUNS * 100);
    fc.assert(
      fc.property(rolls, (numbers) => {
        play(numbers, { clears: true, reopens: true });
      }),
      { numRuns: RUNS },
    );
  });

  it("decides the same again, and the same after a reopen at any moment", function () {
    this.timeout(60_000 + RUNS * 100);
    fc.assert(
      fc.property(rolls, (numbers) => {
        const first = play(numbers, { clears: true, reopens: false });
        expect(play(numbers, { clears: true, reopens: false })).to.deep.equal(first);
        expect(play(numbers, { clears: true, reopens: true })).to.deep.equal(first);
      }),
      { numRuns: RUNS / 2 },
    );
  });
});
