/**
 * Twenty tasks side by side, four at a time, and one that puts their answers together: how many primes are below a
 * million?
 *
 * Shows: fan-out and fan-in in a loop; a pool that limits how many work at once. Each part takes 32 of the 128 slots of
 * `default_pool`, so that four run and sixteen wait and say so. A pool of your own is made with
 *   sluice pools set primes 4
 * on the Pools page or over the API, and named with `pool: "primes"`.
 */
import { Dag, type TaskRef } from "sluice";

const dag = new Dag("fan_out", {
  description: "Counts the primes below a million in twenty parts, four at a time.",
  tags: ["example", "pool"],
});

const PARTS = 20;
const SIZE = 50_000;

const parts = dag.taskGroup("parts", { defaultArgs: { poolSlots: 32 } });

const countPrimes = async ({ from, below }: { from: number; below: number }): Promise<number> => {
  let primes = 0;
  for (let n = Math.max(2, from); n < below; n++) if (isPrime(n)) primes += 1;
  return primes;
};

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}

const counts: Record<string, TaskRef<number>> = {};
for (let part = 0; part < PARTS; part++) {
  const id = `part_${String(part + 1).padStart(2, "0")}`;
  counts[id] = parts.task(id, countPrimes)({ from: part * SIZE, below: (part + 1) * SIZE });
}

const sum = dag.task(
  "sum",
  async (found: Record<string, number>): Promise<number> =>
    Object.values(found).reduce((total, count) => total + count, 0),
);
sum(counts);
