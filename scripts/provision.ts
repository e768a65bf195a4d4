import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";

/**
 * A program that some tests need and npm cannot install: a browser, a database server. Adding one is one entry in
 * `requirements`, and a support file that calls `findProgram` with it.
 */
export interface Requirement {
  /** What people call it. */
  readonly name: string;
  /** Names the program may have; the first that is found is used. */
  readonly programs: readonly string[];
  /** The setting with the path of the program, for one in an unusual place. */
  readonly setting: string;
  /** Debian's packages that bring it. */
  readonly packages: readonly string[];
  /** The test support that needs it: a test file that imports this needs it too. */
  readonly support: string;
}

/** Folders that hold servers without being on everyone's PATH. */
const extraFolders = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"];

/** All that the tests need beside npm's packages. */
export const requirements = {
  chromium: {
    name: "Chromium",
    programs: ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
    setting: "SLUICE_TEST_CHROMIUM",
    packages: ["chromium", "fonts-liberation"],
    support: "support/browser.ts",
  },
} as const satisfies Record<string, Requirement>;

/** The path of the program, or undefined when it is not installed. */
export function findProgram({ programs, setting }: Requirement): string | undefined {
  const set = process.env[setting];
  if (set !== undefined) return isExecutable(set) ? set : undefined;
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), ...extraFolders];
  return programs.flatMap((program) => folders.map((folder) => join(folder, program))).find(isExecutable);
}

/** Whether a missing program fails the tests that need it (`CI=true`) or skips them. */
export const missingIsFailure = (): boolean => /^(1|true)$/i.test(process.env.CI ?? "");

/** One sentence: what is missing, and what to do about it. */
export function missingMessage({ name, packages, setting }: Requirement): string {
  return `${name} is not installed: apt-get install ${packages.join(" ")}, or name its program in ${setting}`;
}

/** The requirements of these test files: those whose support they import, themselves or through another file. */
export function requirementsOf(testFiles: readonly string[]): Requirement[] {
  const imported = [...withImports(testFiles)];
  return Object.values(requirements).filter(({ support }) => imported.some((file) => file.endsWith(`/${support}`)));
}

/** The files and all that they import by relative paths. */
function withImports(files: readonly string[], seen = new Set<string>()): Set<string> {
  for (const file of files.filter((one) => !seen.has(one) && existsSync(one))) {
    seen.add(file);
    const imports = readFileSync(file, "utf8").matchAll(/\bfrom "(\.[^"]+\.ts)"/g);
    withImports(
      Array.from(imports, ([, path]) => resolve(dirname(file), path ?? "")),
      seen,
    );
  }
  return seen;
}

/**
 * Sees to it that the programs are there: installs those that are missing from Debian's packages when it may (as root,
 * and where no setting names a program of one's own), and gives back those that are missing still.
 */
export function provision(needed: readonly Requirement[]): Requirement[] {
  const isMissing = (requirement: Requirement) => findProgram(requirement) === undefined;
  const mayInstall = process.getuid?.() === 0 && existsSync("/etc/debian_version");
  const wanted = needed.filter((one) => mayInstall && isMissing(one) && process.env[one.setting] === undefined);
  if (wanted.length > 0) {
    console.error(`Installing ${wanted.map(({ name }) => name).join(", ")} for the tests (once) ...`);
    aptGet("update");
    aptGet("install", "-y", "--no-install-recommends", ...wanted.flatMap(({ packages }) => packages));
  }
  return needed.filter(isMissing);
}

/** Shows what apt-get printed only when it fails: what is missing afterwards is said by the caller. */
function aptGet(...args: string[]): void {
  const { status, stdout, stderr, error } = spawnSync("apt-get", ["-q", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
  });
  if (status !== 0) console.error(`apt-get ${args.join(" ")}: ${error?.message ?? `${stdout}${stderr}`.slice(-2_000)}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
