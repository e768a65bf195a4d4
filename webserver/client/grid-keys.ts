/**
 * The grid as one tab stop: arrow keys go from cell to cell, Home and End along the row, Enter opens (a cell is a link). Call again when
 * cells may have been added.
 */
export function startGridKeys(): void {
  const grid = document.querySelector<HTMLTableElement>("table.grid");
  if (!grid) return;
  rove(grid, cells(grid).find((cell) => cell.tabIndex === 0 && cell.hasAttribute("tabindex")) ?? cells(grid)[0]);
  if (grid.hasAttribute("data-js-keys")) return;
  grid.setAttribute("data-js-keys", "");
  grid.addEventListener("keydown", (event) => {
    const cell = (event.target as Element).closest<HTMLElement>("a.cell");
    if (!cell || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const next = neighbour(grid, cell, event.key);
    if (!next) return;
    event.preventDefault();
    rove(grid, next);
    next.focus();
  });
  grid.addEventListener("focusin", (event) => {
    const cell = (event.target as Element).closest<HTMLElement>("a.cell");
    if (cell) rove(grid, cell);
  });
}

function cells(grid: HTMLTableElement): HTMLElement[] {
  return [...grid.querySelectorAll<HTMLElement>("a.cell")];
}

function rove(grid: HTMLTableElement, stop: HTMLElement | undefined): void {
  for (const cell of cells(grid)) {
    const wanted = cell === stop ? "0" : "-1";
    if (cell.getAttribute("tabindex") !== wanted) cell.setAttribute("tabindex", wanted);
  }
}

/** The nearest cell in a direction; places without a task are stepped over. */
function neighbour(grid: HTMLTableElement, cell: HTMLElement, key: string): HTMLElement | undefined {
  const place = cell.closest("td");
  const row = cell.closest("tr");
  if (!place || !row) return undefined;
  const inRow = [...row.querySelectorAll<HTMLElement>("a.cell")];
  if (key === "Home") return inRow[0];
  if (key === "End") return inRow.at(-1);
  if (key === "ArrowRight") return inRow[inRow.indexOf(cell) + 1];
  if (key === "ArrowLeft") return inRow[inRow.indexOf(cell) - 1];
  if (key !== "ArrowDown" && key !== "ArrowUp") return undefined;
  const rows = [...(grid.tBodies[0]?.rows ?? [])];
  const step = key === "ArrowDown" ? 1 : -1;
  for (let at = rows.indexOf(row) + step; at >= 0 && at < rows.length; at += step) {
    const found = rows[at]?.cells[place.cellIndex]?.querySelector<HTMLElement>("a.cell");
    if (found) return found;
  }
  return undefined;
}
