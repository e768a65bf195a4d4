import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { ansiHtml } from "../../../webserver/log/ansi.ts";

const ESC = "\u001b";

describe("ansiHtml", () => {
  const cases: readonly (readonly [what: string, text: string, html: string])[] = [
    ["plain text", "a < b & c", "a &lt; b &amp; c"],
    ["colours", `${ESC}[31mred${ESC}[0m plain`, '<span class="a-f1">red</span> plain'],
    ["bright colours", `${ESC}[92mgreen`, '<span class="a-f10">green</span>'],
    [
      "several codes in one",
      `${ESC}[1;4;34mx${ESC}[22my`,
      '<span class="a-f4 a-b a-u">x</span><span class="a-f4 a-u">y</span>',
    ],
    ["a reset without a number", `${ESC}[31ma${ESC}[mb`, '<span class="a-f1">a</span>b'],
    ["256 colours, as the nearest of sixteen", `${ESC}[38;5;196mx`, '<span class="a-f1">x</span>'],
    ["true colour", `${ESC}[38;2;10;200;20mx`, '<span class="a-f2">x</span>'],
    ["backgrounds, which are dropped", `${ESC}[41mx${ESC}[48;2;1;2;3my${ESC}[48;5;9mz`, "xyz"],
    ["cursor movements, which are dropped", `a${ESC}[2K${ESC}[1Ab${ESC}[?25lc`, "abc"],
    ["an OSC title ended by BEL", `a${ESC}]0;title\u0007b`, "ab"],
    ["an OSC link ended by ST", `${ESC}]8;;javascript:alert(1)${ESC}\\click${ESC}]8;;${ESC}\\`, "click"],
    ["an OSC without an end", `a${ESC}]0;the rest`, "a"],
    ["a DCS", `a${ESC}Pq#0${ESC}\\b`, "ab"],
    [
      "eight-bit controls",
      "a\u009b31mred\u009d0;t\u009cb",
      'a<span class="a-f1">red</span><span class="a-f1">b</span>',
    ],
    ["a lone escape at the end", `a${ESC}`, "a"],
    ["an unfinished sequence", `a${ESC}[31`, "a"],
    ["carriage returns, as line breaks", "10%\r20%\r\ndone", "10%\n20%\ndone"],
    [
      "control characters, by name",
      "a\u0000b\u0008",
      'a<span class="a-x">U+0000</span>b<span class="a-x">U+0008</span>',
    ],
    [
      "characters that turn text around",
      "a\u202eb\u2066c",
      'a<span class="a-x">U+202E</span>b<span class="a-x">U+2066</span>c',
    ],
    [
      "addresses, without the full stop behind",
      'see https://example.test/a?b=1&c="x".',
      'see <a href="https://example.test/a?b=1&amp;c=" rel="noopener noreferrer nofollow">https://example.test/a?b=1&amp;c=</a>&quot;x&quot;.',
    ],
    ["only addresses of the web", "javascript:alert(1) file:///etc/passwd", "javascript:alert(1) file:///etc/passwd"],
  ];
  for (const [what, text, html] of cases) it(`shows ${what}`, () => expect(ansiHtml(text)).to.equal(html));

  const pieces = fc.constantFrom(
    ESC,
    "[",
    "]",
    "m",
    "31",
    ";",
    "38;5;",
    "38;2;",
    "\u0007",
    "\\",
    "\u009b",
    "\u009d",
    "\u0090",
    "\u009c",
    "\r",
    "\n",
    "<script>",
    "</span>",
    '"',
    "'",
    "&",
    "https://x.test/",
    "\u202e",
    "\u0000",
    "P",
    "text",
    " ",
    "0",
    "K",
    "é",
    "😀",
  );
  const hostile = fc
    .array(fc.oneof(pieces, fc.string({ maxLength: 5 })), { maxLength: 60 })
    .map((parts) => parts.join(""));

  it("writes nothing but its own tags, balanced, and no control character, whatever comes", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const html = ansiHtml(text);
        const rest = html
          .replace(/<span class="(a-(f\d+|b|d|i|u)( |(?=")))+">|<span class="a-x">U\+[0-9A-F]{4}|<\/span>|<\/a>/g, "")
          .replace(/<a href="https?:\/\/[^"<>]*" rel="noopener noreferrer nofollow">/g, "");
        expect(rest).to.not.match(/[<>"']/);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point
        expect(html).to.not.match(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
        expect(html.match(/<span/g)?.length ?? 0).to.equal(html.match(/<\/span>/g)?.length ?? 0);
        expect(html.match(/<a /g)?.length ?? 0).to.equal(html.match(/<\/a>/g)?.length ?? 0);
      }),
      { numRuns: 2_000 },
    );
  });

  it("loses no character of text without escapes", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: only text without escapes is meant
        const plain = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "");
        const shown = ansiHtml(plain)
          .replace(/<span class="a-x">U\+([0-9A-F]{4})<\/span>/g, (_, code) =>
            String.fromCharCode(Number.parseInt(code, 16)),
          )
          .replace(/<[^>]*>/g, "");
        const decoded = shown.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => ENTITIES[name] ?? "");
        expect(decoded).to.equal(plain);
      }),
    );
  });

  it("takes linear time on what would make a naive parser slow", () => {
    const start = performance.now();
    for (const bad of [`${ESC}[`, `${ESC}]`, `${ESC}[1;`, "https://", "\u009b", "<"]) ansiHtml(bad.repeat(50_000));
    expect(performance.now() - start).to.be.below(3_000);
  });
});

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
