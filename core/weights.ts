import type { TaskDefinition, WeightRule } from "./definition.ts";

type Edges = readonly (readonly number[])[];

/** Targets counted at once: the bits of one machine word. */
const BLOCK = 32;

/**
 * Effective priority weight of each task: its own plus that of all tasks below it ("downstream"), above it
 * ("upstream"), or its own alone ("absolute"). A task reached over several paths counts once.
 */
export function effectiveWeights(
  tasks: readonly TaskDefinition[],
  upstream: Edges,
  downstream: Edges,
  order: Int32Array,
): Float64Array {
  const own = Float64Array.from(tasks, (task) => task.priorityWeight);
  const result = own.slice();
  const use = (rule: WeightRule, edges: Edges, sequence: Int32Array) => {
    if (!tasks.some((task) => task.weightRule === rule)) return;
    const totals = reachableTotals(own, edges, sequence);
    for (let index = 0; index < tasks.length; index++) {
      if (tasks[index]?.weightRule === rule) result[index] = totals[index] as number;
    }
  };
  use("downstream", downstream, order.slice().reverse());
  use("upstream", upstream, order);
  return result;
}

/** Own weight plus that of everything `edges` lead to. `sequence`: targets of an edge come before its source. */
function reachableTotals(own: Float64Array, edges: Edges, sequence: Int32Array): Float64Array {
  return isForest(edges) ? forestTotals(own, edges, sequence) : graphTotals(own, edges, sequence);
}

/** Whether nothing is reached over two paths: every task is the target of at most one edge, or has at most one. */
function isForest(edges: Edges): boolean {
  if (edges.every((list) => list.length <= 1)) return true;
  const targeted = new Uint8Array(edges.length);
  for (const list of edges) {
    for (const target of list) {
      if (targeted[target] === 1) return false;
      targeted[target] = 1;
    }
  }
  return true;
}

function forestTotals(own: Float64Array, edges: Edges, sequence: Int32Array): Float64Array {
  const totals = own.slice();
  for (const index of sequence) {
    for (const target of edges[index] as readonly number[]) {
      totals[index] = (totals[index] as number) + (totals[target] as number);
    }
  }
  return totals;
}

/**
 * Reachability for 32 targets at a time: one word per task says which of the block's targets it reaches. That is n/32
 * passes over the edges and n words of memory, where a full closure of 10,000 tasks would take 12 MB.
 */
function graphTotals(own: Float64Array, edges: Edges, sequence: Int32Array): Float64Array {
  const size = own.length;
  const totals = own.slice();
  const reached = new Uint32Array(size);
  for (let start = 0; start < size; start += BLOCK) {
    const block = sequence.subarray(start, Math.min(start + BLOCK, size));
    const sums = sumsOfBytes(own, block);
    reached.fill(0);
    // A target stands before its sources, so nothing before the block can reach into it.
    for (let at = start; at < size; at++) {
      const index = sequence[at] as number;
      let word = 0;
      for (const target of edges[index] as readonly number[]) word |= reached[target] as number;
      if (word !== 0) {
        totals[index] =
          (totals[index] as number) +
          (sums[word & 255] as number) +
          (sums[256 + ((word >>> 8) & 255)] as number) +
          (sums[512 + ((word >>> 16) & 255)] as number) +
          (sums[768 + (word >>> 24)] as number);
      }
      if (at < start + block.length) word |= 1 << (at - start);
      reached[index] = word;
    }
  }
  return totals;
}

/** Sum of the block's weights for every value of each of the word's four bytes. */
function sumsOfBytes(own: Float64Array, block: Int32Array): Float64Array {
  const sums = new Float64Array(4 * 256);
  for (let byte = 0; byte < 4; byte++) {
    for (let value = 1; value < 256; value++) {
      const lowest = 31 - Math.clz32(value & -value);
      const target = block[byte * 8 + lowest];
      const weight = target === undefined ? 0 : (own[target] as number);
      sums[byte * 256 + value] = (sums[byte * 256 + (value & (value - 1))] as number) + weight;
    }
  }
  return sums;
}
