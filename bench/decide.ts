import { type Decision, decide, openRun, type RunEvent } from "../core/decide.ts";
import type { DagDefinition, TaskDefinition } from "../core/definition.ts";
import { compileGraph, materializeGraph } from "../core/graph.ts";
import { ReadyQueue, type ReadyTask, Usage } from "../core/limits.ts";
import type { TaskInstanceFacts } from "../core/run.ts";

const TASKS = 10_000;
/** An event that changes more than this is reported on its own: its cost is linear in what it changes. */
const LARGE = 100;

/** Times `decide` and `pick` on DAGs of 10,000 tasks: wide, deep, random. Times are µs, or ms where the name says so. */
export async function benchDecide(): Promise<object> {
  const shapes = { wide: wide(), deep: deep(), random: random() };
  const figures: { [name: string]: object } = {};
  for (const [name, tasks] of Object.entries(shapes)) {
    measure(tasks.slice(0, 500).map((task) => ({ ...task, upstream: task.upstream.filter(isEarly) })));
    figures[name] = measure(tasks);
  }
  return { tasks: TASKS, goal: { eventUs: 100, openMs: 30 }, ...figures, pick: measurePicks() };
}

/** The warm-up takes the first 500 tasks; what they need must be among them. */
function isEarly(id: string): boolean {
  return Number(id.slice(1)) < 500;
}

function measure(tasks: readonly TaskDefinition[]): object {
  const definition = dagOf(tasks);
  const compiling = performance.now();
  const graph = compileGraph(definition);
  const compileMs = performance.now() - compiling;
  const rows = materializeGraph(graph).map(
    (task): TaskInstanceFacts => ({ ...task, state: "none", tryNumber: 0, epoch: 0, lostCount: 0 }),
  );
  const facts = { dagId: "bench", runId: "bench", runType: "manual", state: "running", logicalDate: 0 } as const;
  const opening = performance.now();
  const run = openRun(graph, facts, rows);
  const openMs = performance.now() - opening;

  const times: { [kind: string]: number[] } = { queued: [], started: [], finished: [] };
  const large: { transitions: number; us: number }[] = [];
  const send = (event: RunEvent): Decision => {
    const start = performance.now();
    const decision = decide(run, event, { now: 1000 });
    const us = (performance.now() - start) * 1000;
    if (decision.transitions.length > LARGE) large.push({ transitions: decision.transitions.length, us });
    else times[event.kind]?.push(us);
    return decision;
  };

  const beginning = performance.now();
  const ready = [...send({ kind: "begin" }).newlyReady];
  const beginMs = performance.now() - beginning;
  let ended: string | undefined;
  for (let at = 0; at < ready.length; at++) {
    const tiNo = ready[at] as number;
    send({ kind: "queued", tiNo });
    send({ kind: "started", tiNo });
    const decision = send({ kind: "finished", tiNo, outcome: { kind: "success" } });
    ready.push(...decision.newlyReady);
    ended = decision.runState?.to;
  }
  if (ended !== "success" || ready.length !== tasks.length)
    throw new Error(`the run ended ${ended} after ${ready.length}`);
  const done = Array.from({ length: tasks.length }, (_, tiNo) => run.instance(tiNo));
  const reopening = performance.now();
  openRun(graph, facts, done);
  return {
    compileMs: round(compileMs),
    openMs: round(openMs),
    reopenFinishedMs: round(performance.now() - reopening),
    beginMs: round(beginMs),
    events: Object.fromEntries(Object.entries(times).map(([kind, list]) => [kind, summarize(list)])),
    large: large.map(({ transitions, us }) => ({ transitions, us: round(us), perTransition: round(us / transitions) })),
  };
}

/** 10,000 ready instances of 1 DAG and of 100 DAGs, 8 slots; then the same while a full pool holds them all. */
function measurePicks(): object {
  return { oneDag: measurePick(1, 8), hundredDags: measurePick(100, 8), poolFull: measurePick(100, 0) };
}

function measurePick(dags: number, poolSlots: number): object {
  const queue = new ReadyQueue();
  const usage = new Usage();
  usage.setPools([{ name: "p", slots: poolSlots === 0 ? 1 : -1 }]);
  if (poolSlots === 0) usage.add({ runKey: -1, tiNo: 0, dagId: "x", taskId: "x", pool: "p", poolSlots: 1 });
  for (let tiNo = 0; tiNo < TASKS; tiNo++) queue.add(readyTask(tiNo, `d${tiNo % dags}`), 0);
  const times: number[] = [];
  for (let round = 0; round < 1000; round++) {
    const start = performance.now();
    const picked = queue.pick(usage.view({ now: round, freeSlots: 8 }));
    times.push((performance.now() - start) * 1000);
    for (const task of picked) {
      usage.remove(task.runKey, task.tiNo);
      queue.add(task, round);
    }
  }
  return summarize(times);
}

function readyTask(tiNo: number, dagId: string): ReadyTask {
  return {
    runKey: tiNo % 100,
    tiNo,
    dagId,
    taskId: `t${tiNo}`,
    pool: "p",
    poolSlots: 1,
    priorityWeight: tiNo % 7,
    runAge: tiNo % 13,
    queue: "default",
    executor: "local",
    isolation: "process",
    maxActiveTasks: TASKS,
  };
}

/** One task, 9,998 after it, one after all of these. */
function wide(): TaskDefinition[] {
  const middle = Array.from({ length: TASKS - 2 }, (_, index) => `t${index + 1}`);
  return [taskOf("t0", []), ...middle.map((id) => taskOf(id, ["t0"])), taskOf(`t${TASKS - 1}`, middle)];
}

/** A chain. */
function deep(): TaskDefinition[] {
  return Array.from({ length: TASKS }, (_, index) => taskOf(`t${index}`, index === 0 ? [] : [`t${index - 1}`]));
}

/** Up to four upstreams among the 200 tasks before; the same each time. */
function random(): TaskDefinition[] {
  let seed = 42;
  const roll = (sides: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed % sides;
  };
  return Array.from({ length: TASKS }, (_, index) => {
    const upstream = new Set<string>();
    const wanted = Math.min(index, roll(5));
    while (upstream.size < wanted) upstream.add(`t${index - 1 - roll(Math.min(index, 200))}`);
    return taskOf(`t${index}`, [...upstream]);
  });
}

function taskOf(taskId: string, upstream: readonly string[]): TaskDefinition {
  return {
    taskId,
    operator: "ts",
    upstream,
    inputs: {},
    triggerRule: "all_success",
    retries: 0,
    retryDelayMs: 300_000,
    retryFactor: 0,
    pool: "default_pool",
    poolSlots: 1,
    priorityWeight: 1,
    weightRule: "downstream",
    queue: "default",
    isolation: "shared",
    dependsOnPast: false,
    ignoreFirstDependsOnPast: false,
    waitForDownstream: false,
    waitForPastDependsBeforeSkipping: false,
    doXcomPush: true,
  };
}

function dagOf(tasks: readonly TaskDefinition[]): DagDefinition {
  return {
    dagId: "bench",
    tags: [],
    owners: [],
    timetable: { kind: "none" },
    timezone: "UTC",
    catchup: false,
    maxActiveRuns: 16,
    maxActiveTasks: 16,
    maxConsecutiveFailedRuns: 0,
    failFast: false,
    tasks,
    groups: [],
  };
}

function summarize(us: readonly number[]): object {
  const sorted = [...us].sort((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  const mean = us.reduce((sum, one) => sum + one, 0) / Math.max(1, us.length);
  return { count: us.length, meanUs: round(mean), p50Us: at(0.5), p99Us: at(0.99), maxUs: at(1) };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

if (import.meta.main) console.log(JSON.stringify(await benchDecide(), null, 2));
