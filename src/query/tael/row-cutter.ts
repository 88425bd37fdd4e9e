/** Cuts the answer of a tael-server, such as `{"count":2,"logs":[{…},{…}]}`, into the texts of its rows as it comes. */
export interface RowCutter {
  push(chunk: Buffer): void;
  /** The next row; `undefined` when it has not come as a whole yet. */
  next(): Buffer | undefined;
  /** Nothing that follows could mend it. */
  isBroken(): boolean;
  /** What is wrong with the answer, if nothing follows. */
  fault(): string | undefined;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [OPEN_BRACKET, CLOSE_BRACKET] = [0x5b, 0x5d] as const;
const [OPEN_BRACE, CLOSE_BRACE] = [0x7b, 0x7d] as const;
/** Of the answer, of the list, and of a row. */
const [INSIDE_ANSWER, INSIDE_LIST, INSIDE_ROW] = [1, 2, 3];
/** Members before the list are counts and ids. */
const MAX_HEAD_BYTES = 1024;

/** @param member - name of the list that the rows are in, which no other list comes before */
export function createRowCutter(member: string): RowCutter {
  const listStart = new RegExp(`^\\s*\\{.*"${member}"\\s*:\\s*\\[$`, 's');
  let chunk: Buffer = Buffer.alloc(0);
  let at = 0;
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  /** Pieces of what has begun and goes on in the chunk: the head of the answer, or a row. */
  let begun: Buffer[] = [];
  let startsAt = 0;
  let state: 'head' | 'list' | 'tail' | 'broken' = 'head';

  const isKept = () => state === 'head' || depth >= INSIDE_ROW;
  function kept(): Buffer {
    const bytes = Buffer.concat([...begun, chunk.subarray(startsAt, at)]);
    begun = [];
    return bytes;
  }

  /** A row that has ended, if one has. */
  function closed(): Buffer | undefined {
    if (depth === INSIDE_LIST && state === 'list') return kept();
    if (depth === INSIDE_ANSWER && state === 'list') state = 'tail';
    return undefined;
  }

  function opened(): void {
    if (depth === INSIDE_LIST)
      state = state === 'head' && listStart.test(kept().toString()) ? 'list' : 'broken';
    else if (depth === INSIDE_ROW && state === 'list') startsAt = at - 1;
  }

  return {
    push(next) {
      if (isKept()) begun.push(chunk.subarray(startsAt));
      chunk = next;
      at = 0;
      startsAt = 0;
      if (state === 'head' && begun.reduce((sum, { length }) => sum + length, 0) > MAX_HEAD_BYTES)
        state = 'broken';
    },
    next() {
      while (at < chunk.length && state !== 'broken') {
        const byte = chunk[at++] as number;
        if (isInString) {
          if (isEscaped) isEscaped = false;
          else if (byte === BACKSLASH) isEscaped = true;
          else if (byte === QUOTE) isInString = false;
        } else if (byte === QUOTE) {
          isInString = true;
        } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
          depth++;
          if (depth <= INSIDE_ROW) opened();
        } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
          depth--;
          const row = closed();
          if (row !== undefined) return row;
        }
      }
      return undefined;
    },
    isBroken: () => state === 'broken',
    fault() {
      if (state === 'tail' && depth === 0) return undefined;
      if (state === 'head' || state === 'broken') return `sent something else than {"${member}": […]}`;
      return 'answer ended in the middle of its rows';
    },
  };
}
