/** Smallest and largest part of the drawing that is shown, relative to its size. */
const MOST_ZOOM = 0.1;
const LEAST_ZOOM = 2;
/** Labels are unreadable below this many screen pixels per drawing pixel: blocks are shown instead. */
const LABEL_SCALE = 0.5;

/** Moving and zooming in the graph, and walking along its edges with the arrow keys. */
export function startGraph(): void {
  const svg = document.querySelector<SVGSVGElement>("svg.graph");
  if (svg) new GraphView(svg).start();
}

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

class GraphView {
  readonly #svg: SVGSVGElement;
  readonly #whole: Box;
  #box: Box;

  constructor(svg: SVGSVGElement) {
    this.#svg = svg;
    const { x, y, width, height } = svg.viewBox.baseVal;
    this.#whole = { x, y, width, height };
    this.#box = { ...this.#whole };
  }

  get #nodes(): SVGAElement[] {
    return [...this.#svg.querySelectorAll<SVGAElement>("a.node")];
  }

  start(): void {
    this.#svg.classList.add("graph--moves");
    this.#svg.setAttribute("data-js-owned", "class viewBox");
    this.#rove(this.#nodes[0]);
    this.#wireKeys();
    this.#wirePointer();
    this.#wireButtons();
    this.#fit();
    addEventListener("resize", () => this.#show());
  }

  /** All of it when that is readable, else its left end at full size. */
  #fit(): void {
    const { clientWidth, clientHeight } = this.#svg;
    const scale = Math.min(clientWidth / this.#whole.width, clientHeight / this.#whole.height);
    this.#box = { ...this.#whole };
    if (scale > 1) this.#zoom(scale, this.#whole.x + this.#whole.width / 2, this.#whole.y + this.#whole.height / 2);
    this.#show();
  }

  #show(): void {
    const { x, y, width, height } = this.#box;
    this.#svg.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
    this.#svg.classList.toggle("graph--small", this.#scale() < LABEL_SCALE);
  }

  /** Screen pixels per drawing pixel. */
  #scale(): number {
    return Math.min(this.#svg.clientWidth / this.#box.width, this.#svg.clientHeight / this.#box.height);
  }

  /** `factor` > 1 shows more of the drawing; the point (x, y) stays where it is. */
  #zoom(factor: number, x: number, y: number): void {
    const width = Math.min(
      Math.max(this.#box.width * factor, Math.min(200, this.#whole.width * MOST_ZOOM)),
      Math.max(this.#whole.width * LEAST_ZOOM, this.#svg.clientWidth * 1.02),
    );
    const by = width / this.#box.width;
    this.#box = {
      x: x - (x - this.#box.x) * by,
      y: y - (y - this.#box.y) * by,
      width,
      height: this.#box.height * by,
    };
    this.#show();
  }

  #point(event: MouseEvent): { x: number; y: number } {
    const matrix = this.#svg.getScreenCTM()?.inverse();
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
    return { x: point.x, y: point.y };
  }

  #wirePointer(): void {
    let from: { x: number; y: number } | undefined;
    let hasMoved = false;
    this.#svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = { x: event.clientX, y: event.clientY };
      hasMoved = false;
    });
    this.#svg.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
      if (!hasMoved && Math.hypot(dx, dy) < 4) return;
      if (!hasMoved) this.#svg.setPointerCapture(event.pointerId);
      hasMoved = true;
      from = { x: event.clientX, y: event.clientY };
      const scale = this.#scale();
      this.#box.x -= dx / scale;
      this.#box.y -= dy / scale;
      this.#show();
    });
    for (const name of ["pointerup", "pointercancel"] as const)
      this.#svg.addEventListener(name, () => (from = undefined));
    this.#svg.addEventListener("dragstart", (event) => event.preventDefault());
    this.#svg.addEventListener("click", (event) => hasMoved && event.preventDefault(), true);
    this.#svg.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        const { x, y } = this.#point(event);
        this.#zoom(Math.exp(event.deltaY / 300), x, y);
      },
      { passive: false },
    );
  }

  #wireButtons(): void {
    const bar = document.querySelector(".graph-buttons");
    const add = (text: string, label: string, act: () => void) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.setAttribute("aria-label", label);
      button.title = label;
      button.addEventListener("click", act);
      bar?.append(button);
    };
    const middle = () => [this.#box.x + this.#box.width / 2, this.#box.y + this.#box.height / 2] as const;
    add("+", "Zoom in", () => this.#zoom(0.8, ...middle()));
    add("−", "Zoom out", () => this.#zoom(1.25, ...middle()));
    add("Fit", "Fit the whole graph", () => this.#fit());
  }

  #wireKeys(): void {
    this.#svg.addEventListener("keydown", (event) => {
      const node = (event.target as Element).closest<SVGAElement>("a.node");
      if (!node || event.ctrlKey || event.metaKey || event.altKey) return;
      const next = this.#neighbour(node, event.key);
      if (event.key === " " && node.dataset.toggle) location.assign(node.dataset.toggle);
      else if (!next) return;
      else this.#rove(next).focus({ preventScroll: true });
      event.preventDefault();
      if (next) this.#reveal(next);
    });
    this.#svg.addEventListener("focusin", (event) => {
      const node = (event.target as Element).closest<SVGAElement>("a.node");
      if (node) this.#rove(node);
    });
  }

  /** ← → follow the edges to the nearest end, ↑ ↓ go to what stands above and below. */
  #neighbour(node: SVGAElement, key: string): SVGAElement | undefined {
    const at = this.#place(node);
    if (key === "ArrowRight" || key === "ArrowLeft") {
      const ends = (key === "ArrowRight" ? node.dataset.next : node.dataset.prev)?.split(" ").filter(Boolean) ?? [];
      const all = this.#nodes;
      const nodes = ends.map((index) => all[Number(index)]).filter((each) => each !== undefined);
      return nodes.sort((a, b) => Math.abs(this.#place(a).y - at.y) - Math.abs(this.#place(b).y - at.y))[0];
    }
    if (key !== "ArrowUp" && key !== "ArrowDown") return undefined;
    const sign = key === "ArrowDown" ? 1 : -1;
    const distance = (other: SVGAElement) => {
      const { x, y } = this.#place(other);
      return Math.abs(y - at.y) + 3 * Math.abs(x - at.x);
    };
    return this.#nodes
      .filter((other) => (this.#place(other).y - at.y) * sign > 1)
      .sort((a, b) => distance(a) - distance(b))[0];
  }

  #place(node: SVGAElement): { x: number; y: number } {
    const { x, y, width, height } = node.getBBox();
    return { x: x + width / 2, y: y + height / 2 };
  }

  /** One tab stop for the whole graph. */
  #rove<T extends SVGAElement | undefined>(node: T): T {
    for (const each of this.#nodes) each.setAttribute("tabindex", each === node ? "0" : "-1");
    return node;
  }

  #reveal(node: SVGAElement): void {
    const { x, y } = this.#place(node);
    const { width, height } = this.#box;
    if (x > this.#box.x && x < this.#box.x + width && y > this.#box.y && y < this.#box.y + height) return;
    this.#box.x = x - width / 2;
    this.#box.y = y - height / 2;
    this.#show();
  }
}
