import type { Request, RequestHandler, Response, Router } from "express";
import { z } from "zod";
import { InvalidInputError, SluiceError } from "../../core/errors.ts";
import type { CommandContext } from "../../store/commands/index.ts";
import type { Store } from "../../store/store.ts";
import { requires } from "../auth/authenticate.ts";
import type { Principal, ResourceKind, Verb } from "../auth/policy.ts";
import { type Rate, RateLimiter } from "../auth/rate-limit.ts";
import type { WebDeps } from "../deps.ts";

/** What a handler gets: the checked input, who asks, and the means to answer. */
export interface Call<Path, Query, Body> {
  readonly path: Path;
  readonly query: Query;
  readonly body: Body;
  readonly deps: WebDeps;
  readonly store: Store;
  readonly principal: Principal;
  /** For operator commands, with this principal as the actor. */
  readonly commands: CommandContext;
  readonly request: Request;
  readonly response: Response;
}

/** Answers by itself (streams, text, other status codes); the router then sends nothing more. */
export const ANSWERED = Symbol("answered");

/** A status other than the route's own, with its body. */
export class Answer {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body?: unknown) {
    this.status = status;
    this.body = body;
  }
}

type Shape = z.ZodType | undefined;
type Output<S extends Shape> = S extends z.ZodType ? z.output<S> : undefined;

/**
 * One route of the API. The same entry makes the Express route, its access rule, its checks and its part of the OpenAPI document, so none
 * of them can be forgotten. Schemas of input are strict: an unknown key is an error, so nothing is assigned by accident.
 */
export interface RouteSpec<P extends Shape, Q extends Shape, B extends Shape, R extends Shape> {
  readonly method: "get" | "post" | "patch" | "put" | "delete";
  /** Express path below `/api`, e.g. `/v2/dags/:dag_id`. */
  readonly path: string;
  readonly verb: Verb;
  readonly kind: ResourceKind;
  readonly tag: string;
  readonly summary: string;
  /** What the summary cannot say; Markdown, for the document. */
  readonly about?: string;
  readonly params?: P;
  /** Absent: a query is refused. */
  readonly query?: Q;
  /** Absent: a body is refused. */
  readonly body?: B;
  readonly response?: R;
  /** Default 200; 204 without a response schema. */
  readonly status?: number;
  /** Media types that it answers beside, or instead of, JSON. */
  readonly produces?: readonly string[];
  /** Request headers with a meaning of their own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How often one principal may call it; unlimited when absent. */
  readonly rate?: Rate;
  readonly handler: (
    call: Call<Output<P>, Output<Q>, Output<B>>,
  ) => Promise<(R extends z.ZodType ? z.input<R> : undefined) | Answer | typeof ANSWERED>;
}

/** A route whose types have been forgotten, as the table holds it. */
export type AnyRoute = RouteSpec<Shape, Shape, Shape, Shape>;

/** Declares a route; only there so that the handler's types follow from the schemas. */
export function defineRoute<
  P extends Shape = undefined,
  Q extends Shape = undefined,
  B extends Shape = undefined,
  R extends Shape = undefined,
>(spec: RouteSpec<P, Q, B, R>): AnyRoute {
  return spec as unknown as AnyRoute;
}

const NOTHING = z.strictObject({});

/** Mounts a route on the router: who may, how often, in which form, and only then the handler. */
export function mount(router: Router, route: AnyRoute, deps: WebDeps): void {
  const handle: RequestHandler = async (request, response) => {
    const principal = request.access?.principal;
    if (!principal) throw new Error("a guarded route ran without a principal");
    const call: Call<unknown, unknown, unknown> = {
      path: check(route.params, request.params, "path"),
      query: check(route.query ?? NOTHING, request.query, "query"),
      body: check(route.body ?? (route.method === "get" ? undefined : NOTHING), request.body ?? {}, "body"),
      deps,
      store: deps.store,
      principal,
      request,
      response,
      commands: { store: deps.store, clock: deps.clock, actor: principal.actor, triggeredBy: "rest_api" },
    };
    const result = await route.handler(call as Call<never, never, never>);
    if (result === ANSWERED) return;
    if (result instanceof Answer) {
      response.status(result.status);
      if (result.body === undefined) response.end();
      else response.json(result.body);
      return;
    }
    response.status(route.status ?? (route.response ? 200 : 204));
    if (route.response) response.json(route.response.parse(result));
    else response.end();
  };
  router[route.method](route.path, requires(route.verb, route.kind), limitedTo(route.rate, deps), onlyJson, handle);
}

/** Refuses with 429 who calls more often than the route allows. */
function limitedTo(rate: Rate | undefined, deps: WebDeps): RequestHandler {
  if (!rate) return (_request, _response, next) => next();
  const limiter = new RateLimiter(deps.clock, rate);
  return (request, response, next) => {
    const seconds = limiter.take(request.access?.principal.actor ?? "");
    if (seconds === 0) return next();
    response.setHeader("Retry-After", String(seconds));
    next(new SluiceError("too_many_requests", `That is too often. Try again in ${seconds} s.`));
  };
}

/** A body has to be JSON: a form of another site can send anything else. */
const onlyJson: RequestHandler = (request, _response, next) => {
  const hasBody = request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"]) > 0;
  const isWrite = request.method !== "GET" && request.method !== "HEAD";
  if (!isWrite || !hasBody || request.is("application/json")) return next();
  next(new SluiceError("unsupported_media_type", "Send the body as application/json."));
};

function check(schema: Shape, value: unknown, place: string): unknown {
  if (!schema) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => ({
    path: [place, ...issue.path].join("."),
    message: issue.message,
  }));
  throw new InvalidInputError(
    `The request is not acceptable: ${issues
      .map((issue) => `${issue.path}: ${issue.message}`)
      .join("; ")
      .slice(0, 2_000)}`,
    issues,
  );
}
