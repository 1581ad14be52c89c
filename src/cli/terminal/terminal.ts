/** What a terminal can show: how wide it is, colours where it has them, and texts that are broken to fit. */

type Output = NodeJS.WriteStream;

/** How wide lines may be: 80 where nobody tells, and never more, since tables are made for that. */
export function columnsOf(stream: Output = process.stdout): number {
  return Math.max(LEAST, Math.min(COLUMNS, (stream.isTTY && stream.columns) || COLUMNS));
}

export type Style = keyof typeof STYLES;

/** The text in this style if `stream` is a terminal that has colours; NO_COLOR, FORCE_COLOR and TERM are heeded. */
export function painted(text: string, style: Style, stream: Output = process.stdout): string {
  if (!stream.isTTY || !stream.hasColors()) return text;
  const [on, off] = STYLES[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

/** A title and a text behind it, broken into lines of so many columns. */
export function wrap(
  title: string,
  text: string,
  columns = COLUMNS,
  indent = columns < COLUMNS ? NARROW_TITLE : TITLE,
): string[] {
  const lines: string[] = [];
  let line = title.padEnd(indent);
  // What does not fit beside the title begins below it.
  if (title.length >= indent && title !== '') {
    lines.push(title);
    line = ' '.repeat(indent);
  }
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > columns && line.trim() !== '') {
      lines.push(line.trimEnd());
      line = ' '.repeat(indent);
    }
    line += line.length === indent ? word : ` ${word}`;
  }
  return [...lines, line.trimEnd()];
}

export const COLUMNS = 80;
const LEAST = 20;
const TITLE = 15;
export const NARROW_TITLE = 10;
/** ECMA-48, SGR. */
const STYLES = { bold: [1, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;
