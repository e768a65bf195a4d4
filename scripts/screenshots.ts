/**
 * Takes the pictures of every page of a running installation, light and dark, for the documentation and for looking at
 * all pages after a change:
 *
 *   sh scripts/node.sh scripts/screenshots.ts <login link> <folder> [--mobile] [--only <name>]
 *
 * The login link is what `sluice up` prints; one link works once. `--mobile` adds pictures 390 px wide. Pictures are
 * named <page>-light.png, <page>-dark.png and <page>-mobile.png. What a page wrote to the browser's console, and every
 * page that is wider than its window, is reported at the end; exits with 1 when there was any.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Browser, type BrowserContext, chromium } from "playwright-core";

interface Look {
  readonly name: string;
  readonly colorScheme: "light" | "dark";
  readonly width: number;
  readonly height: number;
}

const LOOKS: readonly Look[] = [
  { name: "light", colorScheme: "light", width: 1440, height: 900 },
  { name: "dark", colorScheme: "dark", width: 1440, height: 900 },
];
const MOBILE: Look = { name: "mobile", colorScheme: "light", width: 390, height: 844 };
/** Pages higher than this are cut off, px. */
const MAX_HEIGHT = 3_000;

/** What the API says of the installation's newest runs. */
interface RunAnswer {
  readonly dag_id: string;
  readonly dag_run_id: string;
  readonly state: string;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { mobile: { type: "boolean", default: false }, only: { type: "string", default: "" } },
});
const [loginUrl, folder] = positionals;
if (!loginUrl || !folder) {
  console.error("Usage: screenshots.ts <login link> <folder> [--mobile] [--only <name>]");
  process.exit(2);
}

const problems: string[] = [];
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  const cookies = await logIn(browser, loginUrl);
  const origin = new URL(loginUrl).origin;
  for (const look of values.mobile ? [...LOOKS, MOBILE] : LOOKS) {
    const context = await contextOf(browser, look);
    await context.addCookies(cookies);
    const pages = await addresses(context, origin);
    for (const [name, path] of Object.entries(pages))
      if (name.includes(values.only))
        await take(context, look, name, origin + path, join(folder, `${name}-${look.name}.png`));
    await context.close();
    const stranger = await contextOf(browser, look);
    if ("login".includes(values.only))
      await take(stranger, look, "login", `${origin}/login`, join(folder, `login-${look.name}.png`));
    await stranger.close();
  }
} finally {
  await browser.close();
}
for (const problem of problems) console.log(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

async function logIn(browser: Browser, url: string) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  const cookies = await context.cookies();
  await context.close();
  if (cookies.length === 0) throw new Error("The login link did not log in: it works once, and only for some minutes.");
  return cookies;
}

function contextOf(browser: Browser, { colorScheme, width, height }: Look): Promise<BrowserContext> {
  return browser.newContext({ colorScheme, viewport: { width, height }, reducedMotion: "reduce" });
}

/** Every page worth a picture; pages of DAGs and runs are of the DAG with most runs, and of a failed and a running run. */
async function addresses(context: BrowserContext, origin: string): Promise<Readonly<Record<string, string>>> {
  const ask = async (path: string) => (await context.request.get(`${origin}/api/v2${path}`)).json();
  const runs: readonly RunAnswer[] = (await ask("/dags/~/dagRuns?limit=100&order_by=-run_after")).dag_runs;
  const dags: readonly { readonly dag_id: string }[] = (await ask("/dags?limit=100")).dags;
  const count = (dagId: string) => runs.filter((run) => run.dag_id === dagId).length;
  const main = [...dags].sort((a, b) => count(b.dag_id) - count(a.dag_id))[0]?.dag_id ?? "";
  const dag = `/dags/${encodeURIComponent(main)}`;
  const pathOf = (run: RunAnswer) =>
    `/dags/${encodeURIComponent(run.dag_id)}/runs/${encodeURIComponent(run.dag_run_id)}`;
  const found: Record<string, string> = {
    home: "/",
    dags: "/dags",
    "dags-filtered": "/dags?q=nothing-is-called-so",
    runs: "/runs",
    backfills: "/backfills",
    "import-errors": "/admin/import-errors",
    pools: "/admin/pools",
    "pool-new": "/admin/pools?new=1",
    variables: "/admin/variables",
    "variable-new": "/admin/variables?new=1",
    connections: "/admin/connections",
    "connection-new": "/admin/connections?new=1",
    tokens: "/admin/tokens",
    audit: "/admin/audit",
    config: "/admin/config",
    more: "/more",
    "not-found": "/nothing-here",
    dag,
    grid: `${dag}/grid`,
    graph: `${dag}/graph`,
    "graph-list": `${dag}/graph?view=list`,
    "dag-runs": `${dag}/runs`,
    tasks: `${dag}/tasks`,
    code: `${dag}/code`,
    details: `${dag}/details`,
    trigger: `${dag}/trigger`,
    backfill: `${dag}/backfill`,
  };
  for (const state of ["failed", "running", "success"]) {
    const run =
      runs.find((each) => each.state === state && each.dag_id === main) ?? runs.find((each) => each.state === state);
    if (!run) continue;
    found[`run-${state}`] = pathOf(run);
    for (const tab of ["gantt", "graph", "events", "xcom", "details"])
      found[`run-${state}-${tab}`] = `${pathOf(run)}?tab=${tab}`;
    found[`run-${state}-clear`] = `${pathOf(run)}/clear`;
    const { task_instances: tasks } = await ask(`${pathOf(run).replace("/runs/", "/dagRuns/")}/taskInstances`);
    const task = tasks.find((each: { readonly state: string }) => each.state === state) ?? tasks[0];
    if (!task) continue;
    const at = `${pathOf(run)}/tasks/${encodeURIComponent(task.task_id)}`;
    found[`task-${state}`] = at;
    for (const tab of ["inputs", "xcom", "attempts", "events", "details"])
      found[`task-${state}-${tab}`] = `${at}?tab=${tab}`;
    found[`task-${state}-clear`] = `${at}/clear`;
  }
  for (const { dag_id } of dags)
    if (count(dag_id) === 0) found["grid-empty"] = `/dags/${encodeURIComponent(dag_id)}/grid`;
  return found;
}

async function take(context: BrowserContext, look: Look, name: string, url: string, file: string): Promise<void> {
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of 4\d\d/.test(message.text()))
      problems.push(`${name} ${look.name}: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`${name} ${look.name}: ${error.message}`));
  await page.goto(url, { waitUntil: "load" });
  const { width, height } = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    height: document.documentElement.scrollHeight,
  }));
  if (width > look.width) problems.push(`${name} ${look.name}: ${width} px wide`);
  await page.setViewportSize({ width: look.width, height: Math.min(MAX_HEIGHT, Math.max(look.height, height)) });
  await page.screenshot({ path: file });
  await page.close();
}
