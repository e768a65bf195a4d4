import { type Expression, parseTemplate } from "../template.ts";

/** A shell script whose expressions have become variables. */
export interface ShellTemplate {
  readonly script: string;
  /** The values to set, by variable name. */
  readonly variables: { readonly [name: string]: Expression };
}

/**
 * Programs that read their arguments as code once more. A value inside of such an argument would be code, however it
 * is quoted.
 */
const READS_CODE =
  /(?:^|[\s;&|(`])(?:eval|source|ssh|trap|(?:ba|da|z|k|a)?sh\s+(?:-\S+\s+)*-\w*c|su\s.*-c|python[\d.]*\s+(?:-\S+\s+)*-c|(?:node|perl|ruby)\s+(?:-\S+\s+)*-\w*[ep]|php\s+-r|awk)(?=$|\s)/m;

/**
 * Puts a variable in the place of each `{{ … }}` of a shell script, quoted as the place asks for, so that a value is
 * one argument or a part of one and never becomes code.
 * @throws TypeError where that cannot be promised; the message says to use `env`.
 */
export function shellTemplate(command: string): ShellTemplate {
  const parts = parseTemplate(command);
  const variables: { [name: string]: Expression } = {};
  if (!parts.some(isPath)) return { script: parts.map(literalOf).join(""), variables };
  if (READS_CODE.test(parts.map((part) => (isPath(part) ? " " : literalOf(part))).join(""))) {
    throw refused("hands text to a program that runs it as code (eval, sh -c, ssh …)");
  }
  const quotes = new Quotes();
  let script = "";
  for (const part of parts) {
    if (!isPath(part)) {
      script += quotes.pass(literalOf(part));
      continue;
    }
    const name = `SLUICE_ARG_${Object.keys(variables).length + 1}`;
    variables[name] = part;
    script += quotes.embed(`\${${name}}`);
  }
  return { script, variables };
}

function isPath(part: string | Expression): part is Expression & { readonly kind: "path" } {
  return typeof part === "object" && part.kind === "path";
}

function literalOf(part: string | Expression): string {
  return typeof part === "string" ? part : part.kind === "text" ? part.text : "";
}

function refused(problem: string): TypeError {
  return new TypeError(
    `has a template in a place where a value could become code: it ${problem}. Pass the value as env, { env: { DAY: "{{ ds }}" } }, and write "$DAY"; or give the command as a list of arguments`,
  );
}

type Quote = "none" | "single" | "double" | "ansi" | "comment" | "substitution" | "backtick" | "arithmetic";

/** Follows a shell script and knows how the present place is quoted. */
class Quotes {
  readonly #stack: Quote[] = ["none"];
  #isEscaped = false;
  #sawHereDocument = false;
  #previous = "\n";

  /** Reads on. Returns the text. */
  pass(text: string): string {
    for (let index = 0; index < text.length; index++) {
      const char = text.charAt(index);
      if (this.#isEscaped) this.#isEscaped = false;
      else index += this.#read(char, text, index);
      this.#previous = char;
    }
    return text;
  }

  /** How a variable must be written at this place to stay one word. @throws TypeError */
  embed(variable: string): string {
    if (this.#isEscaped) throw refused("stands behind a backslash");
    if (this.#sawHereDocument) throw refused("comes after a here-document (<<)");
    this.#previous = "x";
    switch (this.#top) {
      case "single":
        return `'"${variable}"'`;
      case "ansi":
        return `'"${variable}"$'`;
      case "double":
        return variable;
      case "comment":
        return "";
      case "backtick":
        throw refused("stands between backticks; use $(…)");
      case "arithmetic":
        throw refused("stands in an arithmetic expression, which the shell evaluates");
      default:
        return `"${variable}"`;
    }
  }

  get #top(): Quote {
    return this.#stack.at(-1) ?? "none";
  }

  /** Takes one character; returns how many more belonged to it. */
  #read(char: string, text: string, index: number): number {
    switch (this.#top) {
      case "single":
        if (char === "'") this.#stack.pop();
        return 0;
      case "comment":
        if (char === "\n") this.#stack.pop();
        return 0;
      case "ansi":
        if (char === "\\") this.#isEscaped = true;
        else if (char === "'") this.#stack.pop();
        return 0;
      case "double":
        return this.#readInDoubleQuotes(char, text, index);
      default:
        return this.#readCode(char, text, index);
    }
  }

  #readInDoubleQuotes(char: string, text: string, index: number): number {
    if (char === "\\") this.#isEscaped = true;
    else if (char === '"') this.#stack.pop();
    else return this.#readSubstitution(char, text, index);
    return 0;
  }

  #readCode(char: string, text: string, index: number): number {
    if (char === "\\") this.#isEscaped = true;
    else if (char === "'") this.#stack.push(this.#previous === "$" ? "ansi" : "single");
    else if (char === '"') this.#stack.push("double");
    else if (char === "#" && /[\s;&|()]/.test(this.#previous)) this.#stack.push("comment");
    else if (char === "<" && text.startsWith("<<<", index)) return 2;
    else if (char === "<" && text.startsWith("<<", index)) this.#sawHereDocument = true;
    else if (char === "(" && text.startsWith("((", index)) return this.#open("arithmetic", 1);
    else if (char === "(") this.#stack.push("substitution");
    else if (char === ")" && this.#top === "arithmetic" && text.startsWith("))", index)) return this.#close(1);
    else if (char === ")" && this.#top === "substitution") this.#stack.pop();
    else return this.#readSubstitution(char, text, index);
    return 0;
  }

  #readSubstitution(char: string, text: string, index: number): number {
    if (text.startsWith("$((", index)) return this.#open("arithmetic", 2);
    if (text.startsWith("$(", index)) return this.#open("substitution", 1);
    if (char !== "`") return 0;
    if (this.#top === "backtick") this.#stack.pop();
    else this.#stack.push("backtick");
    return 0;
  }

  #open(quote: Quote, more: number): number {
    this.#stack.push(quote);
    return more;
  }

  #close(more: number): number {
    this.#stack.pop();
    return more;
  }
}
