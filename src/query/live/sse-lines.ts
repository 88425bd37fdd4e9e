import { LimitReached } from '../call-failure.ts';

/** What a live feed says: the text of an event or a comment. */
export type SseLine =
  | { readonly kind: 'data'; readonly text: string }
  | { readonly kind: 'comment'; readonly text: string };

/**
 * Reads a stream of Server-Sent Events (WHATWG HTML, §9.2) whose events have one `data:` line each, as those of live
 * feeds do (contract §1.1); fields that live feeds do not have are skipped. Throws {@link LimitReached} for a
 * longer line.
 */
export async function* sseLines(chunks: AsyncIterable<string>, maxChars: number): AsyncGenerator<SseLine> {
  let pieces: string[] = [];
  let heldChars = 0;
  for await (const chunk of chunks) {
    const [first = '', ...others] = chunk.split('\n');
    pieces.push(first);
    heldChars += first.length;
    for (const start of others) {
      const line = parseLine(pieces.join(''));
      if (line !== undefined) yield line;
      pieces = [start];
      heldChars = start.length;
    }
    if (heldChars > maxChars) throw new LimitReached(`sent an event of more than ${maxChars} characters`);
  }
}

function parseLine(line: string): SseLine | undefined {
  const field = /^(data|): ?/.exec(line);
  if (field === null) return undefined;
  const text = line.slice(field[0].length).replace(/\r$/, '');
  return { kind: field[1] === '' ? 'comment' : 'data', text };
}
