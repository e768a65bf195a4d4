/** The rows of a CSV text by the names in its first line. For plain files: no quotes, no line breaks in a field. */
export function parseCsv(text: string): { readonly [column: string]: string }[] {
  const [header = "", ...lines] = text.trim().split(/\r?\n/);
  const columns = header.split(",");
  return lines.map((line, index) => {
    const fields = line.split(",");
    if (fields.length !== columns.length) {
      throw new Error(`Line ${index + 2} has ${fields.length} fields, but the header has ${columns.length}.`);
    }
    return Object.fromEntries(columns.map((column, at) => [column, fields[at] ?? ""]));
  });
}
