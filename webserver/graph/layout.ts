import type { VisibleGraph } from "./visible.ts";

/** Where everything stands, in px from the top left. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  /** By node id. */
  readonly nodes: ReadonlyMap<string, Box>;
  /** By group id; the fast layouter makes none. */
  readonly boxes: ReadonlyMap<string, Box>;
  /** In the order of the graph's edges. */
  readonly edges: readonly EdgeRoute[];
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface EdgeRoute {
  readonly points: readonly Point[];
  /** Where its label stands, if it has one. */
  readonly label: Point | undefined;
  /** True: a smooth curve through the points; false: straight lines with rounded corners. */
  readonly isCurve: boolean;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Lays out a graph left to right. Answers undefined when it would take too long. */
export type Layouter = (graph: VisibleGraph) => Promise<Layout | undefined>;
