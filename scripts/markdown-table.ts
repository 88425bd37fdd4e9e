/** A Markdown table, aligned as the formatter would, so that the file is the same after it. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [titles, ...rows].map(cells => cells.map(cell => cell.replaceAll('|', '\\|')));
  const widths = titles.map((_, column) => Math.max(3, ...lines.map(cells => cells[column]?.length ?? 0)));
  const [head = '', ...body] = lines.map(
    cells => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |\n`,
  );
  const rule = `| ${widths.map(width => '-'.repeat(width)).join(' | ')} |\n`;
  return [head, rule, ...body].join('');
}
