import type { Request, Response } from "express";
import { assets } from "../assets.ts";
import { allow, type ResourceKind } from "../auth/policy.ts";
import { csrfToken } from "../auth/sessions.ts";
import type { WebDeps } from "../deps.ts";
import { render } from "../view.ts";

/** What a page says about itself to the shell around it. */
export interface PageFrame {
  /** Title of the document and last breadcrumb. */
  readonly title: string;
  /** Which client module and nav entry belong to it: "home", "dags", "dag-grid", "run" … */
  readonly page: string;
  readonly nav?: NavKey;
  readonly crumbs?: readonly { readonly label: string; readonly href?: string }[];
}

export type NavKey =
  | "home"
  | "runs"
  | "dags"
  | "import-errors"
  | "pools"
  | "variables"
  | "connections"
  | "backfills"
  | "audit"
  | "config"
  | "more";

const NAV: readonly {
  readonly key: NavKey;
  readonly label: string;
  readonly href: string;
  readonly icon: string;
  readonly section?: string;
  /** Left out of the narrow rail, which has room for five; the page "More" lists them. */
  readonly isMore?: boolean;
  /** Only in the narrow rail. */
  readonly isNarrow?: boolean;
  /** What one must be allowed to read; others do not see the entry. */
  readonly resource?: ResourceKind;
}[] = [
  { key: "home", label: "Home", href: "/", icon: "i-home" },
  { key: "dags", label: "DAGs", href: "/dags", icon: "i-dags" },
  { key: "runs", label: "Runs", href: "/runs", icon: "i-runs" },
  { key: "backfills", label: "Backfills", href: "/backfills", icon: "i-calendar" },
  {
    key: "import-errors",
    label: "Import errors",
    href: "/admin/import-errors",
    icon: "i-import-error",
    section: "Admin",
    isMore: true,
  },
  { key: "pools", label: "Pools", href: "/admin/pools", icon: "i-pool", isMore: true },
  {
    key: "variables",
    label: "Variables",
    href: "/admin/variables",
    icon: "i-variable",
    isMore: true,
    resource: "variable",
  },
  {
    key: "connections",
    label: "Connections",
    href: "/admin/connections",
    icon: "i-connection",
    isMore: true,
    resource: "connection",
  },
  { key: "audit", label: "Audit log", href: "/admin/audit", icon: "i-note", isMore: true },
  { key: "config", label: "Configuration", href: "/admin/config", icon: "i-admin", isMore: true, resource: "config" },
  { key: "more", label: "More", href: "/more", icon: "i-admin", isNarrow: true },
];

/** Renders a view inside the shell and sends it. `model` is the view's `it`; `csrf`, `path` and `refusals` are added for its forms. */
export async function sendPage(
  deps: WebDeps,
  request: Request,
  response: Response,
  frame: PageFrame,
  view: string,
  model: object,
): Promise<void> {
  const session = request.access?.session;
  const csrf = session ? csrfToken(session) : "";
  const [files, lastEventId, errors, user] = await Promise.all([
    assets(),
    deps.store.events.lastId(),
    deps.store.dags.importErrors(),
    session ? deps.store.access.userById(session.userId) : undefined,
  ]);
  const theme = user?.settings.theme === "dark" || user?.settings.theme === "light" ? user.settings.theme : "";
  const bodyHtml = render(view, { ...model, csrf, path: request.originalUrl, refusals: refusalsOf(request) });
  // A fragment request (htmx) gets the page without its shell.
  if (
    request.headers["hx-request"] === "true" &&
    request.headers["hx-target"] !== undefined &&
    request.query.fragment === "1"
  ) {
    response.type("html").send(bodyHtml);
    return;
  }
  response.type("html").send(
    render("layout", {
      title: frame.title,
      page: frame.page,
      theme,
      nextTheme: theme === "dark" ? "light" : "dark",
      assets: { js: files.js, css: files.css, hub: files.hub },
      csrf,
      lastEventId,
      path: request.originalUrl,
      user: request.access?.principal.name ?? "",
      crumbs: [...(frame.crumbs ?? []), { label: frame.title, href: "" }].map(({ label, href }) => ({
        label,
        href: href ?? "",
      })),
      nav: navOf(request).map((item) => ({
        ...item,
        section: item.section ?? "",
        css: item.isNarrow ? "rail__menu" : item.isMore ? "rail__more" : "",
        isCurrent: item.key === frame.nav || (item.isNarrow === true && isBehindMore(frame.nav)),
        count: (item.key === "import-errors" || item.isNarrow) && errors.length > 0 ? String(errors.length) : "",
      })),
      flash: flashOf(request),
      bodyHtml,
    }),
  );
}

/** After a form: go back to a page and say there what happened (kept in the address, so that it works without a session store). */
export function redirectWithFlash(
  response: Response,
  path: string,
  text: string,
  state: "success" | "failed" | "up_for_retry" = "success",
): void {
  const url = new URL(path, "http://sluice.invalid");
  url.searchParams.set("flash", text.slice(0, 300));
  url.searchParams.set("flash_state", state);
  response.redirect(303, url.pathname + url.search + url.hash);
}

function flashOf(request: Request): { text: string; state: string } | undefined {
  const text = request.query.flash;
  if (typeof text !== "string" || text === "") return undefined;
  const state = request.query.flash_state;
  return { text: text.slice(0, 300), state: state === "failed" || state === "up_for_retry" ? state : "success" };
}

function isBehindMore(nav: NavKey | undefined): boolean {
  return NAV.some((item) => item.key === nav && item.isMore);
}

/** Entries of the rail that the reader may open. */
export function navOf(request: Request) {
  const principal = request.access?.principal;
  return NAV.filter(
    ({ resource }) => !resource || (principal !== undefined && allow(principal, "read", resource).isAllowed),
  );
}

/** Why the reader may not do what many pages offer; "" when they may. */
function refusalsOf(request: Request): { readonly operate: string } {
  const principal = request.access?.principal;
  return { operate: principal ? allow(principal, "operate", "dag").reason : "Log in first." };
}
