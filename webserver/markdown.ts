import MarkdownIt from "markdown-it";
import sanitizeHtml from "sanitize-html";

/** Longer texts are cut before they are rendered. */
const TEXT_LIMIT = 100_000;

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true }).disable("image");

/**
 * Text that people wrote (notes, docs of DAGs and tasks) as safe HTML: no raw HTML, no images, links without a referrer or a handle
 * on this window. Two walls: the renderer escapes, the sanitizer lets only listed tags through.
 */
export function markdownHtml(text: string): string {
  return sanitizeHtml(markdown.render(text.slice(0, TEXT_LIMIT)), {
    allowedTags: [
      "p",
      "br",
      "hr",
      "h1",
      "h2",
      "h3",
      "h4",
      "h5",
      "h6",
      "ul",
      "ol",
      "li",
      "blockquote",
      "pre",
      "code",
      "em",
      "strong",
      "s",
      "a",
      "table",
      "thead",
      "tbody",
      "tr",
      "th",
      "td",
    ],
    allowedAttributes: { a: ["href", "title", "rel"], ol: ["start"] },
    allowedSchemes: ["http", "https", "mailto"],
    allowProtocolRelative: false,
    transformTags: {
      a: sanitizeHtml.simpleTransform("a", { rel: "nofollow noopener noreferrer" }),
      // The page has its own title; an author's headings stand below it.
      h1: "h3",
      h2: "h4",
      h3: "h5",
    },
  });
}
