import type { LiveEvent } from "./protocol.ts";

/**
 * Shows a changed task state at once where it is drawn: the cell of the grid, the node of the graph. Counts, tries and bars follow
 * with the next refresh of the region.
 */
export function changeCells(event: LiveEvent): void {
  if (event.to === null || event.task === null || event.run === null) return;
  if (event.kind !== "task.state" && event.kind !== "attempt.started") return;
  for (const cell of cellsOf(event.dag, event.run, event.task)) setState(cell, event.to);
}

function cellsOf(dag: string | null, run: string, task: string): Element[] {
  const found: Element[] = [];
  for (const holder of document.querySelectorAll<HTMLElement | SVGElement>("[data-cells-dag]")) {
    if (holder.dataset.cellsDag !== dag) continue;
    const row = holder.querySelector(`[data-task="${CSS.escape(task)}"]`);
    if (!row) continue;
    if (row instanceof HTMLTableRowElement) {
      const column = holder.querySelector<HTMLTableCellElement>(`th[data-run="${CSS.escape(run)}"]`)?.cellIndex;
      const cell = column === undefined ? null : row.cells[column]?.querySelector("a");
      if (cell) found.push(cell);
    } else if (holder.dataset.cellsRun === run) found.push(row);
  }
  return found;
}

function setState(cell: Element, state: string): void {
  for (const name of [...cell.classList]) if (name.startsWith("s-")) cell.classList.remove(name);
  cell.classList.add(`s-${state}`);
  const use = cell.querySelector("use");
  use?.setAttribute("href", `/static/sprite.svg#state-${state}`);
  use?.closest("svg.spin, svg.glyph")?.classList.toggle("spin", state === "running");
  const label = cell.getAttribute("aria-label");
  if (label) cell.setAttribute("aria-label", label.replace(/: [\w ]+$/, `: ${state.replaceAll("_", " ")}`));
  const title = cell.querySelector("title");
  if (title) title.textContent = (title.textContent ?? "").replace(/: [\w ]+$/, `: ${state.replaceAll("_", " ")}`);
}
