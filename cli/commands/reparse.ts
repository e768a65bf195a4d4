import { relative, resolve, sep } from "node:path";
import type { Command } from "commander";
import { systemClock } from "../../core/clock.ts";
import { NotFoundError, SluiceError } from "../../core/errors.ts";
import type { Store } from "../../store/store.ts";
import { type RunningInstallation, requireRunning } from "../running.ts";
import { type Session, withStore } from "../session.ts";

/** A session for the one request or few; it ends by itself if this process cannot end it. */
const SESSION_MS = 10 * 60_000;

/** `dags reparse`: the running installation, which owns the loader, reads a DAG's file (or all) again, even when nothing has changed. */
export async function reparseDags(target: string | undefined, _options: object, command: Command): Promise<void> {
  await withStore(command, async (session) => {
    const { store, out, config } = session;
    const running = await requireRunning(config, "it is the one that reads DAG files");
    const files = await filesFor(session, target);
    await withWebSession(store, async (headers) => {
      for (const file of files) await requestReparse(running, headers, file);
    });
    const [errors, dags] = [await store.dags.importErrors(), await store.dags.all()];
    const rows = files.map((file) => {
      const problem = errors.find((each) => each.file === file);
      return {
        file,
        dag_ids: dags.filter((dag) => dag.file === file).map((dag) => dag.dagId),
        error: problem ? `${problem.line === null ? "" : `line ${problem.line}: `}${problem.message}` : null,
      };
    });
    if (rows.some((row) => row.error !== null)) process.exitCode = 1;
    out.table(
      rows,
      [
        { name: "file", of: (row) => row.file },
        { name: "dags", of: (row) => row.dag_ids },
        { name: "error", of: (row) => row.error },
      ],
      "No DAG files are known.",
    );
  });
}

/** Paths below the DAG folder: of a DAG id, of a path as people type it, or of everything that is known. */
async function filesFor({ store, config }: Session, target: string | undefined): Promise<readonly string[]> {
  const known = new Set([...(await store.dags.files()), ...(await store.dags.importErrors())].map((each) => each.file));
  if (target === undefined) return [...known].sort();
  const dag = await store.dags.get(target);
  if (dag) return [dag.file];
  const below = relative(config.dags, resolve(target)).split(sep).join("/");
  const file = [target, below].find((path) => known.has(path));
  if (file !== undefined) return [file];
  throw new NotFoundError(
    `There is no DAG "${target}" and no known DAG file of that name in ${config.dags}. A new file is read by itself when it is saved.`,
  );
}

/** Opens a session of the administrator in the database, as a login link would, and ends it afterwards. */
async function withWebSession(store: Store, work: (headers: Record<string, string>) => Promise<void>): Promise<void> {
  const { createLoginLink, csrfToken, hashToken, redeemLoginLink } = await import("../../webserver/auth/sessions.ts");
  const link = await createLoginLink(store, systemClock);
  const redeemed = await redeemLoginLink(store, systemClock, link.slice(link.lastIndexOf("/") + 1), SESSION_MS);
  const tokenHash = hashToken(redeemed?.cookie ?? "");
  const session = await store.access.session(tokenHash);
  if (!redeemed || !session)
    throw new SluiceError("conflict", "The user admin is not active, so that nobody can be asked.");
  try {
    await work({ cookie: `sluice_session=${redeemed.cookie}`, "x-csrf-token": csrfToken(session) });
  } finally {
    await store.access.deleteSession(tokenHash);
  }
}

async function requestReparse(
  { url }: RunningInstallation,
  headers: Record<string, string>,
  file: string,
): Promise<void> {
  const token = Buffer.from(file).toString("base64url");
  const response = await fetch(`${url}/api/v2/parseDagFile/${token}`, { method: "PUT", headers });
  if (response.ok) return;
  const answer = (await response.json().catch(() => ({}))) as { readonly detail?: unknown };
  const detail = typeof answer.detail === "string" ? answer.detail : `it answered ${response.status}`;
  throw new SluiceError(response.status === 404 ? "not_found" : "conflict", `${file} was not read again: ${detail}`);
}
