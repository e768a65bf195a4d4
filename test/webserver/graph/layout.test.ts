import { expect } from "chai";
import fc from "fast-check";
import { after, describe, it } from "mocha";
import type { DagDefinition } from "../../../core/definition.ts";
import { ElkLayouter } from "../../../webserver/graph/elk.ts";
import { layeredLayout } from "../../../webserver/graph/layered.ts";
import type { Box, Layout } from "../../../webserver/graph/layout.ts";
import { Layouts } from "../../../webserver/graph/layouts.ts";
import { graphSvg } from "../../../webserver/graph/svg.ts";
import { textWidth } from "../../../webserver/graph/text-width.ts";
import { visibleGraph } from "../../../webserver/graph/visible.ts";
import { definition } from "../../store/fixtures.ts";
import { task } from "../seed.ts";

const grouped = definition("d", {
  groups: [
    { groupId: "a", label: "A" },
    { groupId: "a.b", parentId: "a", label: "B" },
  ],
  tasks: [
    task("start"),
    task("a.one", ["start"], { groupId: "a" }),
    task("a.b.two", ["a.one"], { groupId: "a.b" }),
    task("a.b.three", ["a.one", "a.b.two"], { groupId: "a.b" }),
    task("end", ["a.b.three", "start"], { edgeLabels: { start: "then" } }),
  ],
});

describe("visibleGraph", () => {
  const shape = (open: string[]) => {
    const graph = visibleGraph(grouped, new Set(open));
    return {
      nodes: graph.nodes.map((node) => `${node.parentId ?? ""}>${node.id}`),
      boxes: graph.boxes.map((box) => box.id),
      edges: graph.edges.map((edge) => `${edge.from}→${edge.to}`),
    };
  };

  it("folds closed groups to one node, and edges with them", () => {
    expect(shape([])).to.deep.equal({
      nodes: [">start", ">a", ">end"],
      boxes: [],
      edges: ["start→a", "a→end", "start→end"],
    });
  });

  it("opens one level at a time", () => {
    expect(shape(["a"])).to.deep.equal({
      nodes: [">start", "a>a.one", "a>a.b", ">end"],
      boxes: ["a"],
      edges: ["start→a.one", "a.one→a.b", "a.b→end", "start→end"],
    });
  });

  it("keeps a group closed whose parent is closed, even if it is open itself", () => {
    expect(shape(["a.b"])).to.deep.equal(shape([]));
  });

  it("shows everything with all groups open, and labels of edges", () => {
    const graph = visibleGraph(grouped, new Set(["a", "a.b"]));
    expect(graph.nodes.map((node) => node.id)).to.deep.equal(grouped.tasks.map((each) => each.taskId));
    expect(graph.edges.find((edge) => edge.from === "start" && edge.to === "end")?.label).to.equal("then");
  });
});

/** A random DAG: tasks depend on earlier ones only. */
const anyDefinition = fc.array(fc.array(fc.nat(100), { maxLength: 3 }), { minLength: 1, maxLength: 60 }).map((lists) =>
  definition("random", {
    tasks: lists.map((list, at) => task(`t${at}`, at === 0 ? [] : [...new Set(list.map((each) => `t${each % at}`))])),
  }),
);

function overlaps(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function expectSound(layout: Layout, def: DagDefinition): void {
  const boxes = [...layout.nodes.values()];
  expect(boxes).to.have.length(def.tasks.length);
  for (const [at, box] of boxes.entries()) {
    expect(box.x).to.be.at.least(0);
    expect(box.y).to.be.at.least(0);
    expect(box.x + box.width).to.be.at.most(layout.width);
    expect(box.y + box.height).to.be.at.most(layout.height);
    for (const other of boxes.slice(at + 1)) expect(overlaps(box, other)).to.equal(false);
  }
  for (const each of def.tasks)
    for (const upstream of each.upstream) {
      const [from, to] = [layout.nodes.get(upstream)!, layout.nodes.get(each.taskId)!];
      expect(from.x + from.width).to.be.below(to.x);
    }
}

describe("layeredLayout", () => {
  it("puts every node right of what it comes after, and none upon another", () => {
    fc.assert(
      fc.property(anyDefinition, (def) => expectSound(layeredLayout(visibleGraph(def, new Set())), def)),
      { numRuns: 50 },
    );
  });

  it("survives the cycles that folding groups can make", () => {
    const def = definition("d", {
      groups: [
        { groupId: "x", label: "x" },
        { groupId: "y", label: "y" },
      ],
      tasks: [
        task("x.a", [], { groupId: "x" }),
        task("y.b", ["x.a"], { groupId: "y" }),
        task("x.c", ["y.b"], { groupId: "x" }),
      ],
    });
    expect(layeredLayout(visibleGraph(def, new Set())).nodes.size).to.equal(2);
  });

  it("takes 5,000 nodes in well under a second", () => {
    const tasks = Array.from({ length: 5_000 }, (_, at) =>
      task(`t${at}`, at < 10 ? [] : [`t${at - 10}`, `t${at - 7}`]),
    );
    const start = performance.now();
    const layout = layeredLayout(visibleGraph(definition("big", { tasks }), new Set()));
    expect(layout.nodes.size).to.equal(5_000);
    expect(performance.now() - start).to.be.below(5_000);
  });
});

describe("ElkLayouter", () => {
  const elk = new ElkLayouter();
  after(() => elk.stop());

  it("stands boxes around the content of open groups", async () => {
    const layout = (await elk.layout(visibleGraph(grouped, new Set(["a", "a.b"]))))!;
    expectSound(layout, grouped);
    const inside = (inner: Box, outer: Box) =>
      inner.x > outer.x &&
      inner.y > outer.y &&
      inner.x + inner.width < outer.x + outer.width &&
      inner.y + inner.height < outer.y + outer.height;
    expect(inside(layout.nodes.get("a.b.two")!, layout.boxes.get("a.b")!)).to.equal(true);
    expect(inside(layout.boxes.get("a.b")!, layout.boxes.get("a")!)).to.equal(true);
    expect(inside(layout.nodes.get("end")!, layout.boxes.get("a")!)).to.equal(false);
    expect(layout.edges.every((edge) => edge.points.length >= 2)).to.equal(true);
  }).timeout(30_000);

  it("gives up after its time limit, ends its thread, and works again afterwards", async () => {
    const impatient = new ElkLayouter(1);
    const tasks = Array.from({ length: 400 }, (_, at) => task(`t${at}`, at < 3 ? [] : [`t${at - 1}`, `t${at - 3}`]));
    expect(await impatient.layout(visibleGraph(definition("slow", { tasks }), new Set()))).to.equal(undefined);
    expect(impatient.isAwake).to.equal(false);
    await impatient.stop();
    expect((await elk.layout(visibleGraph(definition("x", { tasks: [task("t")] }), new Set())))?.nodes.size).to.equal(
      1,
    );
  }).timeout(30_000);
});

describe("Layouts", () => {
  it("draws the same thing once, and falls back when the thorough layouter gives up", async () => {
    let asked = 0;
    const layouts = new Layouts({
      layout: async () => {
        asked++;
        return undefined;
      },
      stop: async () => {},
    });
    const [first, second] = await Promise.all([
      layouts.drawing(1, grouped, new Set(["a", "a.b"])),
      layouts.drawing(1, grouped, new Set(["a.b", "a"])),
    ]);
    expect(first).to.equal(second);
    expect(first.layout.nodes.size).to.equal(5);
    await layouts.drawing(1, grouped, new Set());
    await layouts.drawing(2, grouped, new Set());
    expect(asked).to.equal(3);
  });
});

describe("graphSvg", () => {
  it("escapes ids, labels and addresses", () => {
    const evil = `<script>alert("1")</script>&'`;
    const def = definition(evil, {
      groups: [{ groupId: "g", label: evil }],
      tasks: [task(evil), task("b", [evil], { operator: evil, edgeLabels: { [evil]: evil }, groupId: "g" })],
    });
    const graph = visibleGraph(def, new Set(["g"]));
    const svg = graphSvg(
      { graph, layout: layeredLayout(graph) },
      {
        dagId: evil,
        runId: evil,
        label: evil,
        face: () => ({ href: `/x?${evil}`, state: "failed", name: evil, toggleHref: evil }),
        boxFace: () => ({ toggleHref: evil }),
      },
    );
    expect(svg)
      .to.not.contain("<script")
      .and.not.match(/style=|on\w+=/);
    expect(svg.match(/<a class="node/g)).to.have.length(2);
  });
});

describe("textWidth", () => {
  it("grows with the text and with its width", () => {
    expect(textWidth("mmm", 13)).to.be.above(textWidth("iii", 13));
    expect(textWidth("日本", 10)).to.be.closeTo(21, 0.1);
  });
});
