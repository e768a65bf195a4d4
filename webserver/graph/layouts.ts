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

interface Entry {
  readonly drawing: Promise<Drawing>;
  /** As `performance.now()`. */
  until: number;
}

/** More nodes than this are drawn by the fast layouter. */
export const THOROUGH_LIMIT = 800;
const CACHED = 100;
/** A drawing for want of a better one (the machine was busy) is tried again after this long. */
const STOPGAP_MS = 300_000;

/** Makes drawings and keeps the newest: one is a pure function of (version, open groups). */
export class Layouts {
  readonly #elk: Pick<ElkLayouter, "layout" | "stop">;
  /** In the order of use. */
  readonly #cache = new Map<string, Entry>();

  constructor(elk: Pick<ElkLayouter, "layout" | "stop"> = new ElkLayouter()) {
    this.#elk = elk;
  }

  /** The drawing of a DAG version; `key` names the version. */
  drawing(key: string | number, definition: DagDefinition, open: ReadonlySet<string>): Promise<Drawing> {
    const name = `${key}\n${[...open].sort().join("\n")}`;
    const known = this.#cache.get(name);
    this.#cache.delete(name);
    const entry = known && known.until > performance.now() ? known : this.#enter(definition, open);
    this.#cache.set(name, entry);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= CACHED) break;
      this.#cache.delete(oldest);
    }
    return entry.drawing;
  }

  /** Ends the layout thread. */
  stop(): Promise<void> {
    return this.#elk.stop();
  }

  #enter(definition: DagDefinition, open: ReadonlySet<string>): Entry {
    const graph = visibleGraph(definition, open);
    if (graph.nodes.length > THOROUGH_LIMIT)
      return { drawing: Promise.resolve({ graph, layout: layeredLayout(graph) }), until: Number.POSITIVE_INFINITY };
    const entry = {
      until: Number.POSITIVE_INFINITY,
      drawing: this.#elk.layout(graph).then((layout) => {
        if (!layout) entry.until = performance.now() + STOPGAP_MS;
        return { graph, layout: layout ?? layeredLayout(graph) };
      }),
    };
    return entry;
  }
}

/** The drawings of this process; its thread is unreferenced and ends by itself when idle. */
export const layouts = new Layouts();
