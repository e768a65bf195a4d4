/**
 * Makes `from` look like `to` with as few changes as possible, so that focus, selection, scroll positions and running animations
 * survive. Elements with an id are found again wherever they moved; `data-keep` elements belong to a script and are left alone.
 */
export function morph(from: Element, to: Element): void {
  if (from.hasAttribute("data-keep")) return;
  morphAttributes(from, to);
  morphChildren(from, to);
}

/** `data-js-owned` lists attributes that a script has taken over; `tabindex` and the openness of details and dialogs are the reader's. */
function morphAttributes(from: Element, to: Element): void {
  const owned = new Set(["tabindex", ...(from.getAttribute("data-js-owned") ?? "").split(" ")]);
  if (from.matches("details, dialog")) owned.add("open");
  for (const { name, value } of [...to.attributes])
    if (!owned.has(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
  for (const { name } of [...from.attributes])
    if (!to.hasAttribute(name) && !owned.has(name) && !name.startsWith("data-js-")) from.removeAttribute(name);
}

function morphChildren(from: Element, to: Element): void {
  const known = new Map<string, Element>();
  for (const child of from.children) if (child.id) known.set(child.id, child);
  const wanted = new Set([...to.children].map((child) => child.id).filter(Boolean));
  let cursor: ChildNode | null = from.firstChild;
  for (const child of [...to.childNodes]) {
    while (cursor instanceof Element && cursor.id && !wanted.has(cursor.id)) {
      const gone: Element = cursor;
      cursor = cursor.nextSibling;
      gone.remove();
    }
    const match = matchOf(child, cursor, known);
    if (!match) {
      from.insertBefore(document.importNode(child, true), cursor);
      continue;
    }
    if (match === cursor) cursor = cursor.nextSibling;
    else from.insertBefore(match, cursor);
    if (match instanceof Element && child instanceof Element) morph(match, child);
    else if (match.nodeValue !== child.nodeValue) match.nodeValue = child.nodeValue;
  }
  while (cursor) {
    const gone: ChildNode = cursor;
    cursor = cursor.nextSibling;
    gone.remove();
  }
}

function matchOf(child: ChildNode, cursor: ChildNode | null, known: Map<string, Element>): ChildNode | null {
  if (child instanceof Element && child.id) {
    const match = known.get(child.id);
    return match?.nodeName === child.nodeName ? match : null;
  }
  if (!cursor || cursor.nodeName !== child.nodeName || (cursor instanceof Element && cursor.id)) return null;
  return cursor;
}
