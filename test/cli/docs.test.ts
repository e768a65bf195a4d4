import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Command } from "commander";
import { describe, it } from "mocha";
import { SETTINGS } from "../../cli/config.ts";
import { createProgram } from "../../cli/program.ts";
import { generatedDocs } from "../../scripts/generate-docs.ts";
import { projectRoot } from "../support/processes.ts";

describe("generated documentation", () => {
  for (const [path, text] of Object.entries(generatedDocs())) {
    it(`${path} is current (else run scripts/generate-docs.ts)`, () => {
      expect(readFileSync(join(projectRoot, path), "utf8")).to.equal(text);
    });
  }

  it("names every command, option and setting", () => {
    const pages = generatedDocs();
    const names = (command: Command, path: string): string[] => [
      ...command.options.map((option) => option.flags),
      ...command.commands.flatMap((each) => [`${path} ${each.name()}`, ...names(each, `${path} ${each.name()}`)]),
    ];
    const cli = pages["docs/cli.md"] ?? "";
    const missing = names(createProgram(), "sluice").filter((name) => name !== "-V, --version" && !cli.includes(name));
    expect(missing).to.deep.equal([]);
    for (const { variable } of Object.values(SETTINGS))
      expect(pages["docs/configuration.md"]).to.include(`| \`${variable}\` |`);
  });
});
