import { expect } from "chai";
import { describe, it } from "mocha";
import { markdownHtml } from "../../webserver/markdown.ts";

describe("markdown of users", () => {
  it("renders the usual marks", () => {
    const html = markdownHtml("# Title\n\nSome *text* with `code` and [a link](https://example.com).\n\n- one\n- two");
    expect(html).to.contain("<h3>Title</h3>");
    expect(html).to.contain("<em>text</em>");
    expect(html).to.contain("<li>one</li>");
    expect(html).to.match(/<a href="https:\/\/example.com" rel="nofollow noopener noreferrer">a link<\/a>/);
  });

  for (const text of [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://example.com/track.png)",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    '[x](https://a" onmouseover="alert(1))',
    "<a href='javascript:alert(1)'>x</a>",
    "<svg/onload=alert(1)>",
    "[x](//evil.example)",
    "`<img src=x onerror=alert(1)>`",
    "<style>*{display:none}</style>",
    "<iframe src=//evil.example></iframe>",
  ]) {
    it(`makes ${text} inert`, () => {
      const html = markdownHtml(text);
      const tags = html.match(/<\/?[a-z][^>]*>/gi) ?? [];
      for (const tag of tags) {
        expect(tag).to.match(/^<\/?(p|code|a|pre)[ >]/);
        expect(tag).not.to.match(/\son\w+=|javascript:|data:|"\/\//i);
      }
    });
  }

  it("takes nested input of any depth and length without failing", () => {
    expect(markdownHtml(`${">".repeat(5_000)} deep`)).to.be.a("string");
    expect(markdownHtml("[".repeat(50_000))).to.be.a("string");
  }).timeout(20_000);
});
