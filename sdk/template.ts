import { suggestion } from "./keys.ts";

/** One `{{ … }}`: a fixed text, or a path such as `params.day` or `ti.xcom_pull("extract").rows[0]`. */
export type Expression =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "path"; readonly source: string; readonly root: string; readonly steps: readonly Step[] };

/** A name or an index behind the root; a call only as `ti.xcom_pull(…)`. */
export type Step =
  | { readonly kind: "key"; readonly key: string | number }
  | { readonly kind: "call"; readonly args: { readonly [name: string]: string } };

/** Text and expressions in turn. */
export type Template = readonly (string | Expression)[];

/**
 * The names that a template may begin with. Those with a list have these fields only; "*" = whatever the run has.
 * Deliberately without arithmetic, conditions and filters: `(ctx) => …` is there for them.
 */
export const TEMPLATE_NAMES: { readonly [root: string]: readonly string[] | "*" | undefined } = {
  ds: undefined,
  ds_nodash: undefined,
  ts: undefined,
  ts_nodash: undefined,
  logical_date: undefined,
  data_interval_start: undefined,
  data_interval_end: undefined,
  run_after: undefined,
  run_id: undefined,
  dag_id: undefined,
  task_id: undefined,
  try_number: undefined,
  map_index: undefined,
  params: "*",
  conf: "*",
  inputs: "*",
  xcom: "*",
  dag: ["dag_id"],
  task: ["task_id"],
  dag_run: ["dag_id", "run_id", "run_type", "run_after", "logical_date", "conf"],
  ti: ["dag_id", "task_id", "run_id", "try_number", "map_index", "xcom", "xcom_pull"],
  var: ["value", "json"],
  conn: "*",
};

/** Whether a text contains a template at all. */
export function hasTemplate(text: string): boolean {
  return text.includes("{{");
}

/**
 * Reads a text with `{{ … }}` in it.
 * @throws TypeError naming the expression that cannot be read, or the name that does not exist.
 */
export function parseTemplate(text: string): Template {
  const parts: (string | Expression)[] = [];
  let position = 0;
  for (let open = text.indexOf("{{"); open >= 0; open = text.indexOf("{{", position)) {
    if (open > position) parts.push(text.slice(position, open));
    const reader = new Reader(text, open + 2);
    parts.push(reader.expression());
    position = reader.position;
  }
  if (position < text.length) parts.push(text.slice(position));
  return parts;
}

const NAME = /[A-Za-z_][\w-]*/y;
const INTEGER = /-?\d+/y;
const QUOTED = /"([^"\\]*)"|'([^'\\]*)'/y;
const SPACE = /\s*/y;

/** Reads one expression up to its `}}`. */
class Reader {
  readonly #text: string;
  readonly #start: number;
  position: number;

  constructor(text: string, position: number) {
    this.#text = text;
    this.#start = position;
    this.position = position;
  }

  expression(): Expression {
    this.#skipSpace();
    const quoted = this.#quoted();
    const expression: Expression = quoted === undefined ? this.#path() : { kind: "text", text: quoted };
    this.#skipSpace();
    if (!this.#take("}}")) throw this.#unreadable();
    return expression;
  }

  #path(): Expression {
    const from = this.position;
    const root = this.#match(NAME)?.[0];
    if (root === undefined) throw this.#unreadable();
    const steps: Step[] = [];
    for (let step = this.#step(root, steps); step !== undefined; step = this.#step(root, steps)) steps.push(step);
    const source = this.#text.slice(from, this.position);
    checkNames(source, root, steps);
    return { kind: "path", source, root, steps };
  }

  #step(root: string, before: readonly Step[]): Step | undefined {
    if (this.#take(".")) {
      const key = this.#match(NAME)?.[0] ?? this.#match(INTEGER)?.[0];
      if (key === undefined) throw this.#unreadable();
      return { kind: "key", key };
    }
    if (this.#take("[")) {
      const key = this.#quoted() ?? Number(this.#match(INTEGER)?.[0] ?? Number.NaN);
      if (Number.isNaN(key) || !this.#take("]")) throw this.#unreadable();
      return { kind: "key", key };
    }
    const last = before.at(-1);
    const mayCall = root === "ti" && before.length === 1 && last?.kind === "key" && last.key === "xcom_pull";
    return mayCall && this.#take("(") ? { kind: "call", args: this.#callArguments() } : undefined;
  }

  /** `'extract'` or `task_ids='extract', key='rows'`, up to the closing bracket. */
  #callArguments(): { readonly [name: string]: string } {
    const args: { [name: string]: string } = {};
    for (let isFirst = true; ; isFirst = false) {
      this.#skipSpace();
      if (this.#take(")")) return args;
      const name = this.#match(/(task_ids|task_id|key)\s*=\s*/y)?.[1] ?? (isFirst ? "task_ids" : undefined);
      const value = this.#quoted();
      if (name === undefined || value === undefined) throw this.#unreadable();
      args[name === "task_id" ? "task_ids" : name] = value;
      this.#skipSpace();
      this.#take(",");
    }
  }

  #quoted(): string | undefined {
    const match = this.#match(QUOTED);
    return match === undefined ? undefined : (match[1] ?? match[2]);
  }

  #skipSpace(): void {
    this.#match(SPACE);
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.position;
    const match = pattern.exec(this.#text);
    if (match !== null) this.position += match[0].length;
    return match ?? undefined;
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.position)) return false;
    this.position += text.length;
    return true;
  }

  #unreadable(): TypeError {
    const end = this.#text.indexOf("}}", this.#start);
    const shown = this.#text.slice(this.#start, end < 0 ? this.#start + 60 : Math.min(end, this.#start + 60)).trim();
    if (end < 0) return new TypeError(`has a "{{" without "}}" at "${shown}"; for braces as such write {{ "{{" }}`);
    return new TypeError(
      `has an expression that cannot be read: {{ ${shown} }}. A template knows dotted paths only, such as {{ params.day }}; for anything more use (ctx) => …, and for braces as such {{ "{{" }}`,
    );
  }
}

function checkNames(source: string, root: string, steps: readonly Step[]): void {
  if (!Object.hasOwn(TEMPLATE_NAMES, root)) {
    throw new TypeError(
      `has the unknown name "${root}" in {{ ${source} }}.${suggestion(root, Object.keys(TEMPLATE_NAMES))}`,
    );
  }
  const fields = TEMPLATE_NAMES[root];
  const first = steps[0];
  if (fields === undefined) {
    if (first !== undefined)
      throw new TypeError(`asks for more than there is in {{ ${source} }}: ${root} is a plain value`);
    return;
  }
  if (fields === "*") return;
  if (first === undefined)
    throw new TypeError(`has {{ ${source} }}, which is no value by itself; it has ${fields.join(", ")}`);
  if (first.kind === "key" && !fields.includes(String(first.key))) {
    throw new TypeError(
      `has the unknown name "${root}.${first.key}" in {{ ${source} }}.${suggestion(String(first.key), fields)}`,
    );
  }
  if (first.kind === "key" && first.key === "xcom_pull" && steps[1]?.kind !== "call") {
    throw new TypeError(`has {{ ${source} }}; write {{ ti.xcom_pull("task_id") }} or {{ xcom.task_id }}`);
  }
}
