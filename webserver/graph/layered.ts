import type { Box, EdgeRoute, Layout, Point } from "./layout.ts";
import type { VisibleGraph } from "./visible.ts";

const COLUMN_GAP = 64;
const ROW_GAP = 16;
const MARGIN = 12;
const SWEEPS = 8;

/**
 * The fast layouter, for graphs too large for a thorough one: columns by longest path, rows by the barycenter of the neighbours, edges
 * as curves. Thousands of nodes take milliseconds. It draws no boxes around groups.
 */
export function layeredLayout(graph: VisibleGraph): Layout {
  const index = new Map(graph.nodes.map((node, at) => [node.id, at]));
  const edges = graph.edges.map((edge) => [index.get(edge.from) ?? 0, index.get(edge.to) ?? 0] as const);
  const columnOf = longestPaths(graph.nodes.length, edges);
  const columns = orderColumns(columnOf, edges, graph.nodes.length);
  const nodes = placeNodes(graph, columns);
  const boxes = [...nodes.values()];
  return {
    width: Math.max(0, ...boxes.map((box) => box.x + box.width)) + MARGIN,
    height: Math.max(0, ...boxes.map((box) => box.y + box.height)) + MARGIN,
    nodes,
    boxes: new Map(),
    edges: graph.edges.map((edge) => route(nodes.get(edge.from), nodes.get(edge.to))),
  };
}

/** The column of each node: one right of its rightmost upstream. Back edges of a (folded) cycle are ignored. */
function longestPaths(size: number, edges: readonly (readonly [number, number])[]): Int32Array {
  const column = new Int32Array(size);
  const missing = new Int32Array(size);
  const downstream: number[][] = Array.from({ length: size }, () => []);
  for (const [from, to] of edges) {
    downstream[from]?.push(to);
    missing[to] = (missing[to] ?? 0) + 1;
  }
  const ready: number[] = [];
  for (let at = 0; at < size; at++) if (missing[at] === 0) ready.push(at);
  const isDone = new Uint8Array(size);
  for (let next = 0, scan = 0; next < size; ) {
    let at = ready[next];
    if (at === undefined) {
      // Folding groups can make cycles: break one where the first waiting node stands.
      while (isDone[scan] === 1 || ready.includes(scan)) scan++;
      if (scan >= size) break;
      at = scan;
      ready.push(at);
    }
    next++;
    isDone[at] = 1;
    for (const to of downstream[at] ?? []) {
      if (isDone[to] === 1) continue;
      column[to] = Math.max(column[to] ?? 0, (column[at] ?? 0) + 1);
      missing[to] = (missing[to] ?? 0) - 1;
      if (missing[to] === 0 && !ready.includes(to, next)) ready.push(to);
    }
  }
  return column;
}

/** Nodes by column, ordered so that edges cross little. */
function orderColumns(
  columnOf: Int32Array,
  edges: readonly (readonly [number, number])[],
  size: number,
): readonly number[][] {
  const columns: number[][] = Array.from({ length: Math.max(0, ...columnOf) + 1 }, () => []);
  for (let at = 0; at < size; at++) columns[columnOf[at] ?? 0]?.push(at);
  const upstream: number[][] = Array.from({ length: size }, () => []);
  const downstream: number[][] = Array.from({ length: size }, () => []);
  for (const [from, to] of edges) {
    downstream[from]?.push(to);
    upstream[to]?.push(from);
  }
  const place = new Float64Array(size);
  const remember = (column: readonly number[]) => {
    for (const [row, at] of column.entries()) place[at] = row - column.length / 2;
  };
  for (const column of columns) remember(column);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const neighbours = sweep % 2 === 0 ? upstream : downstream;
    for (const column of sweep % 2 === 0 ? columns : [...columns].reverse()) {
      const weight = new Map(column.map((at) => [at, barycenter(neighbours[at] ?? [], place) ?? place[at] ?? 0]));
      column.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0));
      remember(column);
    }
  }
  return columns;
}

function barycenter(neighbours: readonly number[], place: Float64Array): number | undefined {
  if (neighbours.length === 0) return undefined;
  return neighbours.reduce((sum, at) => sum + (place[at] ?? 0), 0) / neighbours.length;
}

function placeNodes(graph: VisibleGraph, columns: readonly number[][]): ReadonlyMap<string, Box> {
  const heights = columns.map((column) =>
    column.reduce((sum, at) => sum + (graph.nodes[at]?.height ?? 0) + ROW_GAP, -ROW_GAP),
  );
  const tallest = Math.max(0, ...heights);
  const boxes = new Map<string, Box>();
  let x = MARGIN;
  for (const [number, column] of columns.entries()) {
    const width = Math.max(...column.map((at) => graph.nodes[at]?.width ?? 0));
    let y = MARGIN + (tallest - (heights[number] ?? 0)) / 2;
    for (const at of column) {
      const node = graph.nodes[at];
      if (!node) continue;
      boxes.set(node.id, { x, y, width: node.width, height: node.height });
      y += node.height + ROW_GAP;
    }
    x += width + COLUMN_GAP;
  }
  return boxes;
}

function route(from: Box | undefined, to: Box | undefined): EdgeRoute {
  if (!from || !to) return { points: [], label: undefined, isCurve: true };
  const start: Point = { x: from.x + from.width, y: from.y + from.height / 2 };
  const end: Point = { x: to.x, y: to.y + to.height / 2 };
  const bend = Math.max(24, (end.x - start.x) / 2);
  return {
    points: [start, { x: start.x + bend, y: start.y }, { x: end.x - bend, y: end.y }, end],
    label: { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 - 4 },
    isCurve: true,
  };
}
