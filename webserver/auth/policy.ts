import type { UserRow } from "../../store/rows.ts";

/** Who is asking. `actor` is what events record: "user:ann", "token:ci". */
export interface Principal {
  readonly actor: string;
  readonly name: string;
  readonly role: UserRow["role"];
  readonly userId: number | null;
  /** How it logged in; forms need a CSRF token only for sessions. */
  readonly via: "session" | "token";
}

/** What a route does to which kind of thing. */
export type Verb = "read" | "write" | "operate";
export type ResourceKind =
  | "dag"
  | "run"
  | "task"
  | "log"
  | "xcom"
  | "code"
  | "backfill"
  | "import_error"
  | "event"
  | "pool"
  | "variable"
  | "connection"
  | "config"
  | "token"
  | "worker"
  | "self";

export interface Decision {
  readonly isAllowed: boolean;
  /** Shown to the user when refused. */
  readonly reason: string;
}

const ORDER: readonly UserRow["role"][] = ["viewer", "user", "op", "admin"];

/**
 * The one place that says who may do what; every route of pages, API and live stream asks it. Roles as Airflow: viewers read, users
 * operate DAGs (trigger, clear, mark, backfill), ops also manage pools, variables and connections, admins everything.
 */
export function allow(principal: Principal, verb: Verb, kind: ResourceKind): Decision {
  const needed = neededRole(verb, kind);
  const isAllowed = ORDER.indexOf(principal.role) >= ORDER.indexOf(needed);
  return {
    isAllowed,
    reason: isAllowed ? "" : `This needs the role "${needed}"; you are "${principal.role}". Ask an administrator.`,
  };
}

/** The least role that may do it. */
export function neededRole(verb: Verb, kind: ResourceKind): UserRow["role"] {
  if (kind === "self") return "viewer";
  if (kind === "token" || kind === "config") return "admin";
  if (kind === "variable" || kind === "connection") return "op";
  if (verb === "read") return "viewer";
  return kind === "pool" || kind === "worker" ? "op" : "user";
}
