/**
 * `npm run bench [-- --only <name>]…`: measures Sluice on this machine and prints one JSON document. Figures that are promised
 * stand in `figures` beside what is to be reached; everything measured stands in `details`. Exits 0 whatever the figures are.
 */
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { benchBoot } from "./boot.ts";
import { benchChain } from "./chain.ts";
import { benchDecide } from "./decide.ts";
import { rounded } from "./engine.ts";
import { benchExecutor } from "./executor.ts";
import { benchFanout } from "./fanout.ts";
import { type Figure, figuresOf } from "./figures.ts";
import { benchIdle } from "./idle.ts";
import { benchLoader } from "./loader.ts";
import { benchPages } from "./pages.ts";
import { benchStore } from "./store.ts";

const BENCHES: { readonly [name: string]: () => Promise<object> } = {
  chain: benchChain,
  fanout: benchFanout,
  decide: benchDecide,
  store: benchStore,
  executor: benchExecutor,
  loader: benchLoader,
  boot: benchBoot,
  idle: benchIdle,
  pages: benchPages,
};

/** What a bench measured, and how busy the machine was: figures of a shared machine compare only within one document. */
interface Measured {
  readonly loadBefore: number;
  readonly loadAfter: number;
  readonly seconds: number;
  readonly result: object;
}

const { values } = parseArgs({ options: { only: { type: "string", multiple: true } } });
const names = values.only ?? Object.keys(BENCHES);
const unknown = names.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(", ")}. There are: ${Object.keys(BENCHES).join(", ")}.`);
  process.exit(2);
}

const details: { [name: string]: Measured } = {};
for (const name of names) {
  console.error(`${name} …`);
  const began = performance.now();
  const loadBefore = load();
  const result = (await BENCHES[name]?.()) ?? {};
  const seconds = rounded((performance.now() - began) / 1_000, 1);
  details[name] = { loadBefore, loadAfter: load(), seconds, result };
}
const results = Object.fromEntries(Object.entries(details).map(([name, { result }]) => [name, result]));
const figures: readonly Figure[] = figuresOf(results);
console.log(JSON.stringify({ machine: machine(), figures, details }, null, 2));
// Helpers of a bench must not keep it from ending.
process.exit(0);

function load(): number {
  return rounded(loadavg()[0] ?? Number.NaN);
}

function machine(): object {
  const [cpu] = cpus();
  return {
    at: new Date().toISOString(),
    node: process.version,
    cores: availableParallelism(),
    cpu: cpu?.model ?? "",
    memoryGb: rounded(totalmem() / 2 ** 30, 0),
  };
}
