/** Advance widths in em of a common interface font, by character; the server has no canvas to measure with. */
const WIDTHS = new Map<string, number>();
for (const [characters, width] of [
  ["ijl'|", 0.28],
  ['Iftr.,:;!()[]{}/\\`" -', 0.36],
  ["abcdeghknopqsuvxyz_0123456789?$+=<>~^#*", 0.59],
  ["ABCDEFGHJKLNOPQRSTUVXYZ&", 0.69],
  ["mwMW@%", 0.92],
] as const)
  for (const character of characters) WIDTHS.set(character, width);

/** How wide a text is in px at a font size; a little too wide rather than too narrow. */
export function textWidth(text: string, size: number): number {
  let width = 0;
  for (const character of text) width += WIDTHS.get(character) ?? (character.charCodeAt(0) > 0x2e80 ? 1.05 : 0.65);
  return width * size;
}
