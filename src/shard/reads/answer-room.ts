/** What the rows of an answer may still take: they are read until they have as many bytes as it may have. */
export interface AnswerRoom {
  /** Counts the bytes of rows that were read and are kept. */
  use(sizeBytes: number): void;
  /** To be asked when there are more rows to read, which is remembered. */
  isUsedUp(): boolean;
  /** There were rows that it had no room for. */
  isCut(): boolean;
}

export function createAnswerRoom(maxBytes: number): AnswerRoom {
  let usedBytes = 0;
  let isCut = false;
  return {
    use(sizeBytes) {
      usedBytes += sizeBytes;
    },
    isUsedUp() {
      isCut ||= usedBytes > maxBytes;
      return isCut;
    },
    isCut: () => isCut,
  };
}
