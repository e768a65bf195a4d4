import type { DagDefinition } from "../../core/definition.ts";
import { ElkLayouter } from "./elk.ts";
import { layeredLayout } from "./layered.ts";
import type { Layout } from "./layout.ts";
import { type VisibleGraph, visibleGraph } from "./visible.ts";

/** A drawing: what is visible, and where. */
export interface Drawing {
  readonly graph: VisibleGraph;
  readonly layout: Layout;
}

/** More nodes than this are drawn by the fast layouter. */
export const THOROUGH_LIMIT = 800;
const CACHED = 100;

/** Makes drawings and keeps the newest: one is a pure function of (version, open groups). */
export class Layouts {
  readonly #elk: Pick<ElkLayouter, "layout" | "stop">;
  /** In the order of use. */
  readonly #cache = new Map<string, Promise<Drawing>>();

  constructor(elk: Pick<ElkLayouter, "layout" | "stop"> = new ElkLayouter()) {
    this.#elk = elk;
  }

  /** The drawing of a DAG version; `key` names the version. */
  drawing(key: string | number, definition: DagDefinition, open: ReadonlySet<string>): Promise<Drawing> {
    const name = `${key}\n${[...open].sort().join("\n")}`;
    const known = this.#cache.get(name);
    this.#cache.delete(name);
    const drawing = known ?? this.#draw(definition, open);
    this.#cache.set(name, drawing);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= CACHED) break;
      this.#cache.delete(oldest);
    }
    return drawing;
  }

  /** Ends the layout thread. */
  stop(): Promise<void> {
    return this.#elk.stop();
  }

  async #draw(definition: DagDefinition, open: ReadonlySet<string>): Promise<Drawing> {
    const graph = visibleGraph(definition, open);
    const thorough = graph.nodes.length <= THOROUGH_LIMIT ? await this.#elk.layout(graph) : undefined;
    return { graph, layout: thorough ?? layeredLayout(graph) };
  }
}

/** The drawings of this process; its thread is unreferenced and ends by itself when idle. */
export const layouts = new Layouts();
