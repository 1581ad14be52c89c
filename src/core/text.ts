/**
 * Text from elsewhere: what must not reach a terminal or stand in a name. Control characters drive terminals (ESC, C1);
 * format characters reorder or hide what stands beside them (U+202E, U+200B), so that a text looks like another one.
 */

/** The text in one line, with every such character written as an escape. JSON that is in one line stays the same value. */
export function printable(text: string): string {
  return text.replace(ALL_HAZARDS, (char) => (char === '\n' ? '\\n' : escaped(char)));
}

/** Whether there is a character that `printable` would escape. */
export function hasHazards(text: string): boolean {
  return HAZARD.test(text);
}

function escaped(char: string): string {
  let text = '';
  for (let i = 0; i < char.length; i++) text += `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`;
  return text;
}

/**
 * Controls, formats, lone surrogates, separators of lines, and what is shown as nothing (Unicode's default ignorables), but
 * for the selectors that follow an emoji.
 */
const HAZARD = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?![\ufe00-\ufe0f])\p{Default_Ignorable_Code_Point}/u;
const ALL_HAZARDS = new RegExp(HAZARD.source, 'gu');
