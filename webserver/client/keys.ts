/** Where `g` and then a letter go. */
const PLACES: Readonly<Record<string, string>> = { h: "/", d: "/dags", r: "/runs" };
const SWITCH = "sluice-keys";

/** What the help says; keys without an element on the page (`data-key`) do nothing. */
const HELP: readonly (readonly [keys: string, meaning: string])[] = [
  ["/", "Search on this page"],
  ["g h", "Go to Home"],
  ["g d", "Go to DAGs"],
  ["g r", "Go to Runs"],
  ["j k", "Next and previous row"],
  ["o", "Open the row (or Enter)"],
  ["← → ↑ ↓", "Move in the grid and along the edges of the graph"],
  ["t", "Trigger the DAG"],
  ["p", "Pause or unpause the DAG"],
  ["r", "Retry: clear what failed"],
  ["n", "Edit the note"],
  ["[ ]", "This task in the previous and next run"],
  ["e", "Next error of the log"],
  ["f", "Follow the end of the log"],
  ["w", "Wrap the lines of the log"],
  ["Esc", "Close this"],
  ["?", "This list"],
];

/** The keys of the whole product (ui.md 3.2). They never fire while somebody types, and can be switched off in the help. */
export function listenToKeys(): void {
  let isGoing = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
    if (event.key === "?") return void toggleHelp();
    if (localStorage.getItem(SWITCH) === "off" || document.querySelector("dialog[open]")) return;
    const place = isGoing ? PLACES[event.key] : undefined;
    isGoing = event.key === "g" && !isGoing;
    if (isGoing) setTimeout(() => (isGoing = false), 1_500);
    if (place !== undefined) location.assign(place);
    else if (!act(event.key)) return;
    event.preventDefault();
  });
}

function act(key: string): boolean {
  if (key === "/") return focus(document.querySelector<HTMLElement>("[data-search], main input[type=search]"));
  if (key === "j" || key === "k") return moveRow(key === "j" ? 1 : -1);
  if (key === "o") return click(currentRow()?.querySelector<HTMLElement>("a[href]"));
  return click(document.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`));
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
}

function focus(element: HTMLElement | null | undefined): boolean {
  element?.focus();
  if (element instanceof HTMLInputElement) element.select();
  return element != null;
}

function click(element: HTMLElement | null | undefined): boolean {
  element?.click();
  return element != null;
}

function rows(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>("main [data-row]")].filter((row) => row.checkVisibility());
}

function currentRow(): HTMLElement | null | undefined {
  return document.activeElement?.closest<HTMLElement>("[data-row]");
}

function moveRow(step: number): boolean {
  const all = rows();
  const current = currentRow();
  const at = current ? all.indexOf(current) : step > 0 ? -1 : all.length;
  return focus(all[at + step]?.querySelector<HTMLElement>("a[href], button"));
}

function toggleHelp(): void {
  const open = document.querySelector<HTMLDialogElement>("#keys-help");
  if (open) {
    open.close();
    return;
  }
  const dialog = document.createElement("dialog");
  dialog.id = "keys-help";
  dialog.setAttribute("aria-labelledby", "keys-title");
  const title = element("h2", "Keys");
  title.id = "keys-title";
  const list = document.createElement("dl");
  list.className = "facts";
  for (const [keys, meaning] of HELP) {
    const term = document.createElement("dt");
    for (const key of keys.split(" ")) term.append(element("kbd", key), " ");
    list.append(term, element("dd", meaning));
  }
  const label = document.createElement("label");
  label.className = "check";
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = localStorage.getItem(SWITCH) !== "off";
  box.addEventListener("change", () => localStorage.setItem(SWITCH, box.checked ? "on" : "off"));
  label.append(box, " Single keys act (? always does)");
  const close = element("button", "Close");
  close.addEventListener("click", () => dialog.close());
  dialog.append(title, list, label, close);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function element<K extends keyof HTMLElementTagNameMap>(name: K, text: string): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
