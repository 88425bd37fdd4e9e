/** Cuts bytes that come in chunks into lines. Bytes are copied only for a line that does not lie in one chunk. */
export interface LineCutter {
  push(chunk: Buffer): void;
  /** The next line, without its newline; `undefined` when it has not come as a whole yet. */
  next(): Buffer | undefined;
  /** Bytes that were pushed and are not yet in a line that was given. */
  pendingBytes(): number;
}

const NEWLINE = 0x0a;

export function createLineCutter(): LineCutter {
  /** The line that goes on in `chunk`; none of these bytes is a newline. */
  let begun: Buffer[] = [];
  let begunBytes = 0;
  let chunk: Buffer = Buffer.alloc(0);
  let at = 0;

  function keepRest(): void {
    if (at < chunk.length) begun.push(chunk.subarray(at));
    begunBytes += chunk.length - at;
    at = chunk.length;
  }

  return {
    push(next) {
      keepRest();
      chunk = next;
      at = 0;
    },
    next() {
      const end = chunk.indexOf(NEWLINE, at);
      if (end < 0) {
        keepRest();
        return undefined;
      }
      const rest = chunk.subarray(at, end);
      at = end + 1;
      if (begun.length === 0) return rest;
      const line = Buffer.concat([...begun, rest]);
      begun = [];
      begunBytes = 0;
      return line;
    },
    pendingBytes: () => begunBytes + chunk.length - at,
  };
}
