import type { TaskState } from "../../core/states.ts";
import { escapeHtml } from "../html.ts";
import type { EdgeRoute, Point } from "./layout.ts";
import type { Drawing } from "./layouts.ts";

/** What a node says besides its place. */
export interface NodeFace {
  readonly href: string;
  readonly state: TaskState | undefined;
  /** Accessible name and tooltip: "extract: success". */
  readonly name: string;
  /** The address that opens a closed group; "" for tasks. */
  readonly toggleHref: string;
}

/** How an open group's head looks. */
export interface BoxFace {
  readonly toggleHref: string;
}

export interface SvgOptions {
  readonly dagId: string;
  readonly runId: string;
  readonly label: string;
  readonly face: (id: string) => NodeFace;
  readonly boxFace: (id: string) => BoxFace;
}

const CORNER = 6;

/** The drawing as SVG: one path for all edges, a link per node, boxes for open groups. Nothing in it needs inline style. */
export function graphSvg({ graph, layout }: Drawing, options: SvgOptions): string {
  const index = new Map(graph.nodes.map((node, at) => [node.id, at]));
  const neighbours = graph.nodes.map(() => ({ next: [] as number[], previous: [] as number[] }));
  for (const edge of graph.edges) {
    const [from, to] = [index.get(edge.from) ?? 0, index.get(edge.to) ?? 0];
    neighbours[from]?.next.push(to);
    neighbours[to]?.previous.push(from);
  }
  const width = Math.max(1, Math.ceil(layout.width));
  const height = Math.max(1, Math.ceil(layout.height));
  const parts = [
    `<svg class="graph" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="group" aria-label="${escapeHtml(options.label)}" data-cells-dag="${escapeHtml(options.dagId)}" data-cells-run="${escapeHtml(options.runId)}">`,
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="arrow" d="M0 0L8 4L0 8z"/></marker></defs>',
  ];
  for (const box of graph.boxes) parts.push(boxSvg(box.id, box.label, layout.boxes.get(box.id), options));
  parts.push(`<g class="edges">${layout.edges.map((edge) => edgeSvg(edge)).join("")}</g>`);
  for (const [at, edge] of graph.edges.entries()) parts.push(labelSvg(edge.label, layout.edges[at]?.label));
  for (const [at, node] of graph.nodes.entries()) {
    const box = layout.nodes.get(node.id);
    if (!box) continue;
    const { href, state, name, toggleHref } = options.face(node.id);
    const links = `data-next="${neighbours[at]?.next.join(" ")}" data-prev="${neighbours[at]?.previous.join(" ")}"`;
    parts.push(
      `<a class="node node--${node.kind} ${state ? `s-${state}` : "s-plain"}" href="${escapeHtml(href)}" data-task="${escapeHtml(node.id)}" ${links}${toggleHref ? ` data-toggle="${escapeHtml(toggleHref)}"` : ""}>`,
      `<title>${escapeHtml(name)}</title>`,
      `<rect x="${round(box.x)}" y="${round(box.y)}" width="${round(box.width)}" height="${round(box.height)}" rx="6"/>`,
      state
        ? `<use class="glyph" href="/static/sprite.svg#state-${state}" x="${round(box.x + 10)}" y="${round(box.y + 8)}" width="14" height="14"/>`
        : "",
      `<text x="${round(box.x + (state ? 30 : 12))}" y="${round(box.y + 19)}">${escapeHtml(node.label)}</text>`,
      `<text class="node__about" aria-hidden="true" x="${round(box.x + (state ? 30 : 12))}" y="${round(box.y + 35)}">${escapeHtml(node.about)}</text></a>`,
    );
  }
  return `${parts.join("")}</svg>`;
}

function boxSvg(
  id: string,
  label: string,
  box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number } | undefined,
  options: SvgOptions,
): string {
  if (!box) return "";
  const { toggleHref } = options.boxFace(id);
  return (
    `<g class="box"><rect x="${round(box.x)}" y="${round(box.y)}" width="${round(box.width)}" height="${round(box.height)}" rx="8"/>` +
    `<a href="${escapeHtml(toggleHref)}" aria-label="Close group ${escapeHtml(label)}"><text x="${round(box.x + 12)}" y="${round(box.y + 20)}">▾ ${escapeHtml(label)}</text></a></g>`
  );
}

function edgeSvg({ points, isCurve }: EdgeRoute): string {
  return points.length < 2 ? "" : `<path d="${isCurve ? curve(points) : rounded(points)}" marker-end="url(#arrow)"/>`;
}

function curve(points: readonly Point[]): string {
  const [start, a, b, end] = points.map(pair);
  return `M${start}C${a} ${b} ${end}`;
}

/** Straight lines whose corners are cut by small curves. */
function rounded(points: readonly Point[]): string {
  let path = `M${pair(points[0])}`;
  for (let at = 1; at < points.length - 1; at++) {
    const [before, corner, after] = [points[at - 1], points[at], points[at + 1]] as [Point, Point, Point];
    path += `L${pair(towards(corner, before))}Q${pair(corner)} ${pair(towards(corner, after))}`;
  }
  return `${path}L${pair(points.at(-1))}`;
}

function towards(from: Point, to: Point): Point {
  const distance = Math.hypot(to.x - from.x, to.y - from.y);
  const part = distance === 0 ? 0 : Math.min(CORNER, distance / 2) / distance;
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
}

function labelSvg(label: string, at: Point | undefined): string {
  if (label === "" || !at) return "";
  return `<text class="edge-label" x="${round(at.x)}" y="${round(at.y)}">${escapeHtml(label)}</text>`;
}

function pair(point: Point | undefined): string {
  return point ? `${round(point.x)} ${round(point.y)}` : "0 0";
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
