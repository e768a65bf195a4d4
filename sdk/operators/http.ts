import type { Json } from "../../core/json.ts";
import { type Check, callback, describe, name, oneOf, text, whole } from "../checks.ts";
import { type Duration, durationMs } from "../durations.ts";
import { DagDefinitionError } from "../errors.ts";
import { type NoInputs, type Operator, operator } from "../operator.ts";
import {
  type AnyText,
  checkJsonTemplate,
  checkText,
  checkTextMap,
  type JsonTemplate,
  type Text,
  type TextContext,
  type TextMap,
} from "../text.ts";
import { checkOptions, requireOption, summarize } from "./options.ts";

/** What a server answered. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: { readonly [name: string]: string };
  /** The body as text. */
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: Json | undefined;
}

/** A request to make. */
export interface HttpRequestOptions<I extends object = NoInputs> {
  /** Absolute, or with `connection` a path below its address. */
  readonly url: Text<I>;
  /** Default "GET", or "POST" when there is a body. */
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Added to the URL, encoded. */
  readonly query?: TextMap<I>;
  readonly headers?: TextMap<I>;
  /** A body as JSON; texts in it may be templates. */
  readonly json?: JsonTemplate | ((context: TextContext<I>) => unknown);
  /** A body as text. Not together with `json`. */
  readonly body?: Text<I>;
  /** Id of a connection: its address, login and password (basic authorization), and headers from its `extra`. */
  readonly connection?: string;
  /** Limit for one request. Default 60 s. */
  readonly timeout?: Duration;
  /** Longest accepted body in bytes. Default 16 MiB. */
  readonly maxBytes?: number;
}

/** What `http` asks, and what it makes of the answer. */
export interface HttpOptions<I extends object = NoInputs, R = Json> extends HttpRequestOptions<I> {
  /** Whether the answer is a success. Default: status 200 to 299. */
  readonly check?: (answer: HttpAnswer) => boolean | Promise<boolean>;
  /** What the task leaves as XCom. Default: the body, as JSON when it is JSON, else as text. */
  readonly select?: (answer: HttpAnswer) => R;
}

/** A checked request. */
export interface RequestPlan {
  readonly url: AnyText;
  readonly method?: string;
  readonly query?: { readonly [name: string]: AnyText };
  readonly headers?: { readonly [name: string]: AnyText };
  readonly json?: unknown;
  readonly body?: AnyText;
  readonly connection?: string;
  readonly timeout?: number;
  readonly maxBytes?: number;
}

const json: Check<unknown> = (value) => {
  if (typeof value !== "function") checkJsonTemplate("json", value);
  return value;
};

/** Checks shared by `http` and `httpSensor`. */
export const requestChecks = {
  url: (value: unknown) => checkText("url", value),
  method: oneOf(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
  query: (value: unknown) => checkTextMap("query", value),
  headers: (value: unknown) => checkTextMap("headers", value),
  json,
  body: (value: unknown) => checkText("body", value),
  connection: name,
  timeout: durationMs,
  maxBytes: whole(1),
};

/**
 * Makes a request. An answer other than 2xx fails the task; one with `Retry-After` sets when it is tried again.
 *
 * @example
 * ```ts
 * import { Dag, http } from "sluice";
 * const dag = new Dag("rates", { schedule: "@daily" });
 * const fetchRates = dag.task("fetch", http<object, number[]>({
 *   url: "https://rates.example/{{ ds }}",
 *   headers: { authorization: "Bearer {{ var.value.rates_token }}" },
 *   select: ({ json }) => Object.values(json as Record<string, number>),
 * }), { retries: 3, retryDelay: "30s" });
 * fetchRates();
 * ```
 * @throws DagDefinitionError for options that are not valid.
 */
export function http<I extends object = NoInputs, R = Json>(options: HttpOptions<I, R>): Operator<I, Awaited<R>> {
  const { check, select, ...request } = checkOptions("http", options, {
    ...requestChecks,
    check: callback,
    select: callback,
  });
  const plan = readRequest("http", request);
  return operator({
    kind: "http",
    summary: requestSummary(plan),
    execute: async (run) => {
      const { request: send, requireSuccess, valueOfAnswer } = await import("./http-request.ts");
      const answer = await send(plan, run);
      await requireSuccess(answer, check as HttpOptions["check"]);
      return {
        kind: "value",
        value: select === undefined ? valueOfAnswer(answer) : await (select as (answer: HttpAnswer) => unknown)(answer),
      };
    },
  });
}

/** @throws DagDefinitionError */
export function readRequest(
  operatorName: string,
  request: Omit<RequestPlan, "url"> & { readonly url?: AnyText },
): RequestPlan {
  const url = requireOption(operatorName, "url", request.url);
  if (request.json !== undefined && request.body !== undefined) {
    throw new DagDefinitionError(`${operatorName}: json and body are two bodies for one request. Keep one of them.`);
  }
  const isWhole = typeof url !== "string" || /^https?:\/\//i.test(url) || url.startsWith("{{");
  if (!isWhole && request.connection === undefined) {
    throw new DagDefinitionError(
      `${operatorName}: url must begin with http:// or https://, but it is ${describe(url)}. For a path, name a connection.`,
    );
  }
  return { ...request, url };
}

/** "GET https://rates.example/{{ ds }}", without what may be secret. */
export function requestSummary({ url, method, json: jsonBody, body }: RequestPlan): string | undefined {
  if (typeof url !== "string") return undefined;
  const chosen = method ?? (jsonBody === undefined && body === undefined ? "GET" : "POST");
  return summarize(`${chosen} ${text(url).replace(/\?.*$/s, "?…")}`);
}
