import type { Json } from "../core/json.ts";
import type { DagNode } from "./node.ts";

/** What `JSON.stringify` drops or throws at. */
type NotJson = bigint | symbol | ((...args: never[]) => unknown) | Date | RegExp | Promise<unknown>;

/** The part of `T` that can be written down as a JSON literal; `never` where nothing of it can. */
export type JsonLiteral<T> = [T] extends [Json]
  ? T
  : unknown extends T
    ? Json
    : T extends string | number | boolean | null | undefined
      ? T
      : T extends NotJson
        ? never
        : T extends object
          ? { readonly [K in keyof T]: JsonLiteral<T[K]> }
          : never;

/** What is left of a returned value once it has been stored as JSON: a `Date` comes back as a string, a `Map` not at all. */
export type Jsonify<T> = [T] extends [Json]
  ? T
  : unknown extends T
    ? T
    : T extends void
      ? undefined
      : T extends string | number | boolean | null
        ? T
        : T extends DagNode
          ? string
          : T extends { toJSON(): infer J }
            ? Jsonify<J>
            : T extends NotJson | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
              ? never
              : T extends object
                ? { [K in keyof T]: Jsonify<T[K]> }
                : never;
