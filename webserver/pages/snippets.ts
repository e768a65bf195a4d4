import type { JsonObject } from "../../core/json.ts";

/** A request in the forms in which people take it away. */
export interface Snippets {
  readonly curl: string;
  readonly typescript: string;
}

/** How to trigger the same run from a shell and from a program. */
export function triggerSnippets(baseUrl: string, dagId: string, body: JsonObject): Snippets {
  const url = `${baseUrl}/api/v2/dags/${encodeURIComponent(dagId)}/dagRuns`;
  return {
    curl: [
      `curl -X POST ${shellQuoted(url)}`,
      `  -H "Authorization: Bearer $SLUICE_TOKEN"`,
      `  -H 'Content-Type: application/json'`,
      `  -d ${shellQuoted(JSON.stringify(body))}`,
    ].join(" \\\n"),
    typescript: `const response = await fetch(${JSON.stringify(url)}, {
  method: "POST",
  headers: {
    authorization: \`Bearer \${process.env.SLUICE_TOKEN}\`,
    "content-type": "application/json",
  },
  body: JSON.stringify(${JSON.stringify(body, null, 2).replaceAll("\n", "\n  ")}),
});
if (!response.ok) throw new Error(await response.text());
const run = await response.json();`,
  };
}

/** A text as one word of a POSIX shell, whatever it holds. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
