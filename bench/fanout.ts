import { openEngine, quantile, rounded } from "./engine.ts";

/** What draining 1,000 ready tasks costs. */
export interface FanOutFigures {
  readonly tasks: number;
  readonly repetitions: number;
  /** Median and best tasks per second, from the trigger to the end of the run. */
  readonly sharedPerSecond: number;
  readonly sharedPerSecondBest: number;
  readonly processPerSecond: number;
  readonly processPerSecondBest: number;
}

const TASKS = 1_000;

const DAG_FILE = `
import { Dag } from "sluice";
for (const isolation of ["shared", "process"] as const) {
  const dag = new Dag(isolation, { schedule: null, maxActiveTasks: ${TASKS} });
  for (let index = 0; index < ${TASKS}; index++) dag.task("t" + index, async () => {}, { isolation, pool: "wide" })();
}
`;

/** 1,000 no-op TypeScript tasks without edges, isolation \`shared\` and \`process\`; end to end without pages. */
export async function benchFanout(repetitions = 5): Promise<FanOutFigures> {
  const engine = await openEngine(DAG_FILE, 8);
  try {
    await engine.store.commit(
      [
        {
          kind: "pool.put",
          mode: "create",
          pool: { name: "wide", slots: -1, description: null, includeDeferred: false },
        },
      ],
      "bench",
    );
    const rates = async (dagId: string): Promise<number[]> => {
      for (let warmUp = 0; warmUp < 2; warmUp++) await engine.run(dagId);
      const found: number[] = [];
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const { wallMs } = await engine.run(dagId);
        found.push((TASKS * 1_000) / wallMs);
      }
      return found;
    };
    const shared = await rates("shared");
    const process = await rates("process");
    return {
      tasks: TASKS,
      repetitions,
      sharedPerSecond: rounded(quantile(shared, 0.5), 0),
      sharedPerSecondBest: rounded(Math.max(...shared), 0),
      processPerSecond: rounded(quantile(process, 0.5), 0),
      processPerSecondBest: rounded(Math.max(...process), 0),
    };
  } finally {
    await engine.stop();
  }
}

if (import.meta.main) console.log(JSON.stringify(await benchFanout(), null, 2));
