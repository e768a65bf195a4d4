/** One line of a comparison of two texts. */
export interface DiffLine {
  readonly kind: "same" | "added" | "removed";
  readonly text: string;
  /** 1-based line numbers on either side; 0 where the line does not exist. */
  readonly before: number;
  readonly after: number;
}

/** More different lines than this are shown as one block removed and one added: the search is quadratic. */
const EDIT_LIMIT = 2_000;

/** The shortest edit from one text to another, by lines (Myers' greedy algorithm). */
export function diffLines(before: string, after: string): readonly DiffLine[] {
  const a = before.split("\n");
  const b = after.split("\n");
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const same = (from: number, to: number, shift: number): DiffLine[] =>
    a.slice(from, to).map((text, at) => ({ kind: "same", text, before: from + at + 1, after: from + at + 1 + shift }));
  return [
    ...same(0, start, 0),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end), start),
    ...same(a.length - end, a.length, b.length - a.length),
  ];
}

function middle(a: readonly string[], b: readonly string[], offset: number): DiffLine[] {
  const removed = (at: number): DiffLine => ({ kind: "removed", text: a[at] ?? "", before: offset + at + 1, after: 0 });
  const added = (at: number): DiffLine => ({ kind: "added", text: b[at] ?? "", before: 0, after: offset + at + 1 });
  const trace = search(a, b);
  if (!trace) return [...a.map((_, at) => removed(at)), ...b.map((_, at) => added(at))];
  const lines: DiffLine[] = [];
  let [x, y] = [a.length, b.length];
  for (let depth = trace.length - 1; depth >= 0; depth--) {
    const reach = trace[depth] as Map<number, number>;
    const k = x - y;
    const isDown = k === -depth || (k !== depth && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
    const previous = isDown ? k + 1 : k - 1;
    const fromX = depth === 0 ? 0 : (reach.get(previous) ?? 0);
    const fromY = depth === 0 ? 0 : fromX - previous;
    while (x > fromX && y > fromY) {
      x--;
      y--;
      if (depth > 0 || x >= 0)
        lines.push({ kind: "same", text: a[x] ?? "", before: offset + x + 1, after: offset + y + 1 });
    }
    if (depth === 0) break;
    if (isDown) lines.push(added(--y));
    else lines.push(removed(--x));
  }
  return lines.reverse();
}

/** How far each diagonal was reached before each number of edits; undefined when the texts differ too much. */
function search(a: readonly string[], b: readonly string[]): readonly Map<number, number>[] | undefined {
  const trace: Map<number, number>[] = [];
  const reach = new Map<number, number>([[1, 0]]);
  for (let depth = 0; depth <= Math.min(a.length + b.length, EDIT_LIMIT); depth++) {
    trace.push(new Map(reach));
    for (let k = -depth; k <= depth; k += 2) {
      const isDown = k === -depth || (k !== depth && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
      let x = isDown ? (reach.get(k + 1) ?? 0) : (reach.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reach.set(k, x);
      if (x >= a.length && x - k >= b.length) return trace;
    }
  }
  return undefined;
}
