import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../support/processes.ts";

/** A code block of a document. */
export interface Snippet {
  /** As in "docs/authoring.md:12". */
  readonly place: string;
  readonly language: string;
  /** Text of an HTML comment in the line before, such as "dags/hello.ts"; "" without one. */
  readonly remark: string;
  readonly code: string;
}

/** The documents for users: the README and all that is in `docs/`. */
export function documents(): string[] {
  return [
    "README.md",
    ...readdirSync(join(projectRoot, "docs"))
      .filter((name) => name.endsWith(".md"))
      .map((name) => `docs/${name}`),
  ];
}

/** The code blocks of a document, in order. */
export function snippetsOf(document: string): Snippet[] {
  const text = readFileSync(join(projectRoot, document), "utf8");
  return [...text.matchAll(/(?:<!-- (.*) -->\n)?```(\w+)\n([\s\S]*?)```/g)].map((match) => ({
    place: `${document}:${text.slice(0, match.index).split("\n").length}`,
    remark: match[1] ?? "",
    language: match[2] ?? "",
    code: match[3] ?? "",
  }));
}

const NAMES = [
  ...["Dag", "bash", "branch", "empty", "externalTask", "FailFast", "fileSensor", "getClient", "getContext", "http"],
  ...[
    "httpSensor",
    "latestOnly",
    "node",
    "RetryAfter",
    "sensor",
    "shortCircuit",
    "Skip",
    "timeSensor",
    "triggerDagRun",
  ],
];

/** The snippet as a file of its own: one without imports goes on from `const dag = new Dag("docs_<n>")`. */
export function asFile({ code }: Snippet, index: number): string {
  if (/^import /m.test(code)) return `${code}\nexport {};\n`;
  return `import { ${NAMES.join(", ")} } from "sluice"; import { z } from "zod"; const dag = new Dag("docs_${index}", { params: z.object({ file: z.string().default("x") }) }); ${code}\nexport {};\n`;
}
