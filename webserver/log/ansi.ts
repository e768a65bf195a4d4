import { escapeHtml } from "../html.ts";

/**
 * Terminal output as safe HTML. Colours and weights become classes (`a-f1` … with colours that can be read on every surface); every
 * other escape sequence is dropped, above all OSC, which could set titles or links; control and bidirectional characters become visible.
 */
export function ansiHtml(text: string): string {
  let html = "";
  let style: Style = PLAIN;
  let from = 0;
  // The separators stand in a sticky pattern of their own so that no input makes the search quadratic.
  for (let at = nextSpecial(text, 0); at >= 0; at = nextSpecial(text, from)) {
    html += styled(text.slice(from, at), style);
    const { end, params } = sequenceAt(text, at);
    if (params !== undefined) style = applied(style, params);
    from = end;
  }
  return html + styled(text.slice(from), style);
}

interface Style {
  /** 0–15, −1 = default. */
  readonly color: number;
  readonly isBold: boolean;
  readonly isDim: boolean;
  readonly isItalic: boolean;
  readonly isUnderlined: boolean;
}

const PLAIN: Style = { color: -1, isBold: false, isDim: false, isItalic: false, isUnderlined: false };

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this file is about
const INTRODUCER = /[\u001b\u0090\u0098\u009b\u009d-\u009f]/g;

function nextSpecial(text: string, from: number): number {
  INTRODUCER.lastIndex = from;
  return INTRODUCER.exec(text)?.index ?? -1;
}

/** Where the sequence that begins at `at` ends, and its parameters when it sets colours or weights. */
function sequenceAt(text: string, at: number): { end: number; params?: readonly number[] } {
  const code = text.charCodeAt(at);
  if (code === 0x9b) return controlSequence(text, at + 1);
  if (code !== 0x1b) return { end: stringEnd(text, at + 1) };
  const kind = text[at + 1];
  if (kind === "[") return controlSequence(text, at + 2);
  if (kind !== undefined && "]PX^_".includes(kind)) return { end: stringEnd(text, at + 2) };
  let end = at + 1;
  while (isBetween(text.charCodeAt(end), 0x20, 0x2f)) end++;
  return { end: isBetween(text.charCodeAt(end), 0x30, 0x7e) ? end + 1 : end };
}

function controlSequence(text: string, start: number): { end: number; params?: readonly number[] } {
  let end = start;
  while (isBetween(text.charCodeAt(end), 0x30, 0x3f)) end++;
  const params = text.slice(start, end);
  const hasParamsOnly = isBetween(text.charCodeAt(end), 0x40, 0x7e);
  while (isBetween(text.charCodeAt(end), 0x20, 0x2f)) end++;
  if (!isBetween(text.charCodeAt(end), 0x40, 0x7e)) return { end };
  if (text[end] !== "m" || !hasParamsOnly || !/^[\d;:]{0,200}$/.test(params)) return { end: end + 1 };
  return { end: end + 1, params: params.split(/[;:]/).map(Number) };
}

/** The end of a string that BEL or ST closes; an unclosed one swallows the rest. */
function stringEnd(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x07 || code === 0x9c) return at + 1;
    if (code === 0x1b && text[at + 1] === "\\") return at + 2;
  }
  return text.length;
}

function isBetween(code: number, from: number, to: number): boolean {
  return code >= from && code <= to;
}

function applied(style: Style, params: readonly number[]): Style {
  let next = style;
  for (let at = 0; at < params.length; at++) {
    const param = params[at] ?? 0;
    if (param === 38 || param === 48) {
      const { color, used } = extendedColor(params, at + 1);
      if (param === 38 && color >= 0) next = { ...next, color };
      at += used;
    } else next = appliedOne(next, param);
  }
  return next;
}

function appliedOne(style: Style, param: number): Style {
  if (param === 0) return PLAIN;
  if (param === 1) return { ...style, isBold: true };
  if (param === 2) return { ...style, isDim: true };
  if (param === 3) return { ...style, isItalic: true };
  if (param === 4) return { ...style, isUnderlined: true };
  if (param === 22) return { ...style, isBold: false, isDim: false };
  if (param === 23) return { ...style, isItalic: false };
  if (param === 24) return { ...style, isUnderlined: false };
  if (param === 39) return { ...style, color: -1 };
  if (isBetween(param, 30, 37)) return { ...style, color: param - 30 };
  if (isBetween(param, 90, 97)) return { ...style, color: param - 82 };
  // Backgrounds are left out: with them no colour can be promised to be readable.
  return style;
}

/** `5;n` (256 colours) or `2;r;g;b`, mapped to the nearest of the sixteen; −1 when malformed. */
function extendedColor(params: readonly number[], at: number): { color: number; used: number } {
  const mode = params[at];
  if (mode === 5) return { color: fromPalette(params[at + 1] ?? -1), used: 2 };
  if (mode === 2) return { color: nearest(params[at + 1] ?? 0, params[at + 2] ?? 0, params[at + 3] ?? 0), used: 4 };
  return { color: -1, used: 1 };
}

function fromPalette(index: number): number {
  if (!isBetween(index, 0, 255)) return -1;
  if (index < 16) return index;
  if (index >= 232) return index < 244 ? 8 : 7;
  const level = (part: number) => (part === 0 ? 0 : 55 + 40 * part);
  const cube = index - 16;
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function nearest(red: number, green: number, blue: number): number {
  const high = Math.max(red, green, blue);
  if (high - Math.min(red, green, blue) < 40) return high > 96 ? 7 : 8;
  const bit = (part: number, value: number) => (part > high * 0.6 ? value : 0);
  return bit(red, 1) + bit(green, 2) + bit(blue, 4);
}

function styled(text: string, style: Style): string {
  if (text === "") return "";
  const html = linked(text);
  const classes = [
    style.color >= 0 ? `a-f${style.color}` : "",
    style.isBold ? "a-b" : "",
    style.isDim ? "a-d" : "",
    style.isItalic ? "a-i" : "",
    style.isUnderlined ? "a-u" : "",
  ].filter(Boolean);
  return classes.length === 0 ? html : `<span class="${classes.join(" ")}">${html}</span>`;
}

const ADDRESS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no control character is part of an address
  /https?:\/\/[^\s<>"'`\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069]{1,2000}/g;

/** Addresses as links that tell nothing to where they lead. */
function linked(text: string): string {
  let html = "";
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0].replace(/[.,;:!?)\]}]+$/, "");
    html += visible(text.slice(from, match.index));
    html += `<a href="${escapeHtml(address)}" rel="noopener noreferrer nofollow">${escapeHtml(address)}</a>`;
    from = match.index + address.length;
  }
  return html + visible(text.slice(from));
}

const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this file is about
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Escaped; carriage returns become line breaks, characters that hide or reorder text are named. */
function visible(text: string): string {
  return escapeHtml(text.replace(/\r\n?/g, "\n")).replace(HIDDEN, (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    return `<span class="a-x">U+${code}</span>`;
  });
}
