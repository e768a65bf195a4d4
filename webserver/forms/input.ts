/** What a query string or a form post may hold under one name. */
export type FormInput = Readonly<Record<string, unknown>>;

/** The parsed body of a posted form, or nothing. */
export function formOf(body: unknown): FormInput {
  return typeof body === "object" && body !== null && !Array.isArray(body) ? (body as FormInput) : {};
}

/** The one text given under `name`, trimmed; the first when several are given; "" when none is. */
export function textOf(input: FormInput, name: string): string {
  return rawTextOf(input, name).trim();
}

/** As `textOf`, blanks at the ends kept. */
export function rawTextOf(input: FormInput, name: string): string {
  const value = Object.hasOwn(input, name) ? input[name] : undefined;
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === "string" ? first : "";
}

/** Every non-empty text given under `name`. */
export function textsOf(input: FormInput, name: string): readonly string[] {
  const value = Object.hasOwn(input, name) ? input[name] : undefined;
  const all: readonly unknown[] = Array.isArray(value) ? value : [value];
  return all.filter((each) => typeof each === "string" && each !== "") as string[];
}

/** Whether a checkbox was ticked: any value but "", "0", "false" and "off". */
export function flagOf(input: FormInput, name: string): boolean {
  return !["", "0", "false", "off"].includes(textOf(input, name));
}

/** One of the allowed words, or the fallback. */
export function choiceOf<T extends string>(input: FormInput, name: string, allowed: readonly T[], fallback: T): T {
  const value = textOf(input, name);
  return allowed.find((each) => each === value) ?? fallback;
}

/** A whole number in a range, or undefined when nothing or something else was given. */
export function wholeNumberOf(input: FormInput, name: string, min: number, max: number): number | undefined {
  const text = textOf(input, name);
  if (!/^-?\d{1,15}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}
