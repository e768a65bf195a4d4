import { openEngine, quantile, rounded } from "./engine.ts";

/** What a chain of 40 tasks costs; times in milliseconds. */
export interface ChainFigures {
  readonly tasks: number;
  readonly repetitions: number;
  /** From the trigger to the commit that ended the run: median and best. */
  readonly endToEndP50: number;
  readonly endToEndBest: number;
  readonly perTaskP50: number;
  /** From handing one task to the executor to handing it the next: task, round trip, decision and fsync. */
  readonly taskToTaskP50: number;
  readonly taskToTaskP99: number;
}

const TASKS = 40;

const DAG_FILE = `
import { Dag } from "sluice";
function fibo(n: number): number { return n < 2 ? n : fibo(n - 1) + fibo(n - 2); }
const dag = new Dag("chain", { schedule: null });
let before;
for (let index = 0; index < ${TASKS}; index++) {
  const task = dag.task("t" + index, async () => fibo(10))();
  if (before) before.before(task);
  before = task;
}
`;

/** Chain of 40 \`fibo(10)\`, isolation \`process\`, warm runner, every transition fsynced; end to end without pages. */
export async function benchChain(repetitions = 20): Promise<ChainFigures> {
  const engine = await openEngine(DAG_FILE, 8);
  try {
    for (let warmUp = 0; warmUp < 5; warmUp++) await engine.run("chain");
    const walls: number[] = [];
    const hops: number[] = [];
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const { wallMs } = await engine.run("chain");
      walls.push(wallMs);
      for (let index = 1; index < engine.starts.length; index++) {
        hops.push((engine.starts[index] ?? 0) - (engine.starts[index - 1] ?? 0));
      }
    }
    const endToEndP50 = quantile(walls, 0.5);
    return {
      tasks: TASKS,
      repetitions,
      endToEndP50: rounded(endToEndP50),
      endToEndBest: rounded(Math.min(...walls)),
      perTaskP50: rounded(endToEndP50 / TASKS, 3),
      taskToTaskP50: rounded(quantile(hops, 0.5), 3),
      taskToTaskP99: rounded(quantile(hops, 0.99), 3),
    };
  } finally {
    await engine.stop();
  }
}

if (import.meta.main) console.log(JSON.stringify(await benchChain(), null, 2));
