import { Worker } from "node:worker_threads";
import type { ElkExtendedEdge, ElkNode } from "elkjs/lib/elk-api.js";
import type { Box, EdgeRoute, Layout } from "./layout.ts";
import { textWidth } from "./text-width.ts";
import type { VisibleGraph } from "./visible.ts";

/** A layout that takes longer is given up, and the fast layouter draws instead. */
const TIMEOUT_MS = 5_000;
/** The thread ends after this long without work, since it costs memory. */
const IDLE_MS = 20_000;

interface Job {
  readonly resolve: (graph: ElkNode | undefined) => void;
  readonly timer: NodeJS.Timeout;
}

/** elkjs in a worker thread, started when first needed and ended when idle. */
export class ElkLayouter {
  readonly #timeoutMs: number;
  readonly #jobs = new Map<number, Job>();
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #nextId = 1;

  constructor(timeoutMs = TIMEOUT_MS) {
    this.#timeoutMs = timeoutMs;
  }

  /** Whether the thread runs at this moment. */
  get isAwake(): boolean {
    return this.#worker !== undefined;
  }

  /** Lays out a graph; undefined when that took too long or failed. */
  async layout(graph: VisibleGraph): Promise<Layout | undefined> {
    const laid = await this.#ask(toElk(graph));
    return laid && fromElk(laid, graph);
  }

  /** Ends the thread; what is under way answers undefined. */
  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    for (const [id] of this.#jobs) this.#settle(id, undefined);
    await worker?.terminate();
  }

  #ask(graph: ElkNode): Promise<ElkNode | undefined> {
    clearTimeout(this.#idle);
    const worker = this.#start();
    const id = this.#nextId++;
    return new Promise((resolve) => {
      // elkjs cannot be interrupted: the whole thread goes.
      const timer = setTimeout(() => void this.stop(), this.#timeoutMs).unref();
      this.#jobs.set(id, { resolve, timer });
      worker.postMessage({ id, graph });
    });
  }

  #start(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(new URL("./elk-worker.ts", import.meta.url));
    worker.on("message", ({ id, graph }: { id: number; graph?: ElkNode }) => this.#settle(id, graph));
    worker.on("error", () => this.#gone(worker));
    worker.on("exit", () => this.#gone(worker));
    // After the listeners: listening for messages makes the thread keep the process again.
    worker.unref();
    this.#worker = worker;
    return worker;
  }

  #gone(worker: Worker): void {
    if (this.#worker === worker) void this.stop();
  }

  #settle(id: number, graph: ElkNode | undefined): void {
    const job = this.#jobs.get(id);
    if (!job) return;
    this.#jobs.delete(id);
    clearTimeout(job.timer);
    job.resolve(graph);
    if (this.#jobs.size > 0 || !this.#worker) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.stop(), IDLE_MS).unref();
  }
}

/** Up to this many nodes a few more milliseconds for fewer crossings do not matter. */
const SMALL = 100;

const OPTIONS = {
  "elk.algorithm": "layered",
  "elk.direction": "RIGHT",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.layered.spacing.nodeNodeBetweenLayers": "40",
  "elk.spacing.nodeNode": "16",
  "elk.spacing.edgeNode": "12",
  "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES",
  "elk.json.edgeCoords": "ROOT",
  "elk.json.shapeCoords": "ROOT",
  "elk.padding": "[top=12,left=12,bottom=12,right=12]",
};

/** Ids of boxes and nodes may be equal to each other's: elk's are made unique by a letter. */
function toElk(graph: VisibleGraph): ElkNode {
  const children = new Map<string | undefined, ElkNode[]>();
  const add = (parentId: string | undefined, node: ElkNode) => {
    const list = children.get(parentId) ?? [];
    list.push(node);
    children.set(parentId, list);
  };
  for (const node of graph.nodes) add(node.parentId, { id: `n:${node.id}`, width: node.width, height: node.height });
  const boxes = new Map(
    graph.boxes.map((box) => [
      box.id,
      {
        id: `b:${box.id}`,
        layoutOptions: {
          "elk.padding": "[top=34,left=14,bottom=14,right=14]",
          "elk.nodeSize.constraints": "MINIMUM_SIZE",
          "elk.nodeSize.minimum": `(${Math.ceil(textWidth(box.label, 12) + 48)}, 60)`,
        },
      } as ElkNode,
    ]),
  );
  for (const box of graph.boxes) {
    const node = boxes.get(box.id);
    if (node) add(box.parentId, node);
  }
  for (const [id, box] of boxes) box.children = children.get(id) ?? [];
  return {
    id: "root",
    layoutOptions: graph.nodes.length > SMALL ? { ...OPTIONS, "elk.layered.thoroughness": "2" } : OPTIONS,
    children: children.get(undefined) ?? [],
    edges: graph.edges.map((edge, at) => ({
      id: `e:${at}`,
      sources: [`n:${edge.from}`],
      targets: [`n:${edge.to}`],
      ...(edge.label === ""
        ? {}
        : { labels: [{ id: `l:${at}`, text: edge.label, width: textWidth(edge.label, 11) + 6, height: 14 }] }),
    })),
  };
}

function fromElk(root: ElkNode, graph: VisibleGraph): Layout {
  const nodes = new Map<string, Box>();
  const boxes = new Map<string, Box>();
  const routes = new Map<string, EdgeRoute>();
  const walk = (node: ElkNode) => {
    const { x = 0, y = 0, width = 0, height = 0 } = node;
    if (node.id.startsWith("n:")) nodes.set(node.id.slice(2), { x, y, width, height });
    if (node.id.startsWith("b:")) boxes.set(node.id.slice(2), { x, y, width, height });
    for (const edge of node.edges ?? []) routes.set(edge.id, routeOf(edge));
    for (const child of node.children ?? []) walk(child);
  };
  walk(root);
  const nothing: EdgeRoute = { points: [], label: undefined, isCurve: false };
  return {
    width: root.width ?? 0,
    height: root.height ?? 0,
    nodes,
    boxes,
    edges: graph.edges.map((_, at) => routes.get(`e:${at}`) ?? nothing),
  };
}

function routeOf(edge: ElkExtendedEdge): EdgeRoute {
  const section = edge.sections?.[0];
  const label = edge.labels?.[0];
  return {
    points: section ? [section.startPoint, ...(section.bendPoints ?? []), section.endPoint] : [],
    label:
      label?.x === undefined || label.y === undefined
        ? undefined
        : { x: label.x + (label.width ?? 0) / 2, y: label.y + 11 },
    isCurve: false,
  };
}
