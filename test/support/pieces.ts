import type { Pieces } from '../../src/query/http-call.ts';

/** A body out of pieces, and whether it was let go. */
export interface TestPieces extends Pieces {
  isLetGo(): boolean;
}

export function piecesOf(pieces: AsyncIterable<Buffer> | Iterable<Buffer>): TestPieces {
  const iterator = iterated(pieces);
  const over = Promise.withResolvers<Error | undefined>();
  let isLetGo = false;
  return {
    async next() {
      try {
        const { done, value } = await iterator.next();
        if (done) over.resolve(undefined);
        return done ? undefined : value;
      } catch (error) {
        over.resolve(error as Error);
        throw error;
      }
    },
    letGo() {
      isLetGo = true;
      over.resolve(undefined);
    },
    over: over.promise,
    isLetGo: () => isLetGo,
  };
}

async function* iterated(pieces: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  yield* pieces;
}
