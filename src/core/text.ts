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

/** The word that `text` may be a slip of: at most `slips` letters are put in, left out or changed (Levenshtein 1966). */
export function nearest(text: string, words: readonly string[], slips: number): string | undefined {
  let best: string | undefined;
  let fewest = slips + 1;
  for (const word of words) {
    const distance = editDistance(text, word);
    if (distance < fewest) [best, fewest] = [word, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= Math.min(a.length, MAX_COMPARED); i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length] + Math.max(0, a.length - MAX_COMPARED);
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
/** Letters that are compared. */
const MAX_COMPARED = 32;
