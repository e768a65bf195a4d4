/** One labelled control of a form, as `partials/field` draws it. */
export interface FieldView {
  readonly kind: FieldKind;
  readonly name: string;
  /** Unique on the page. */
  readonly id: string;
  readonly label: string;
  readonly value: string;
  /** Help below the label; "" for none. */
  readonly hint: string;
  /** What is wrong with the value; "" when nothing is. */
  readonly error: string;
  readonly isRequired: boolean;
  readonly isChecked: boolean;
  /** Smallest and largest value, or "" (numbers and dates). */
  readonly min: string;
  readonly max: string;
  readonly step: string;
  readonly placeholder: string;
  readonly rows: number;
  readonly options: readonly FieldOption[];
}

export type FieldKind =
  | "text"
  | "textarea"
  | "number"
  | "checkbox"
  | "select"
  | "date"
  | "datetime-local"
  | "email"
  | "url"
  | "password";

export interface FieldOption {
  readonly value: string;
  readonly label: string;
  readonly isSelected: boolean;
}

/** A field; everything but its kind, name and label has a quiet default. */
export function field(
  given: Pick<FieldView, "kind" | "name" | "label"> & Partial<Omit<FieldView, "kind" | "name" | "label">>,
): FieldView {
  return {
    id: `f-${given.name.replace(/[^\w-]/g, "_")}`,
    value: "",
    hint: "",
    error: "",
    isRequired: false,
    isChecked: false,
    min: "",
    max: "",
    step: "",
    placeholder: "",
    rows: 4,
    options: [],
    ...given,
  };
}

/** The options of a select, `selected` being the chosen value. */
export function options(
  choices: readonly (readonly [value: string, label: string])[],
  selected: string,
): FieldOption[] {
  return choices.map(([value, label]) => ({ value, label, isSelected: value === selected }));
}

/** The message of the issue that concerns one field, or "". Issue paths are names, dotted paths or JSON pointers. */
export function issueOf(issues: readonly { readonly path: string; readonly message: string }[], name: string): string {
  return issues
    .filter((issue) => issue.path.replace(/^\//, "").split(/[./]/)[0] === name)
    .map((issue) => issue.message)
    .join("; ");
}
