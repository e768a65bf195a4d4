import { render } from "../view.ts";

/** The page in front of the login: how to get a link, a button for a link that was opened, or why one did not work. */
export function renderLoginPage(model: {
  readonly token?: string;
  readonly next: string;
  readonly problem?: string;
}): string {
  return render("login", { token: model.token ?? "", next: model.next, problem: model.problem ?? "" });
}
