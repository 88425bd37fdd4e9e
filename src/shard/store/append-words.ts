import { PLACE_WORDS, type WordSet } from '../word-set.ts';
import type { Appender } from './append.ts';
import { type HeldTexts, STRING_BYTES } from './native-texts.ts';
import type { CommitColumn } from './packed/append.ts';
import type { Vector } from './vector.ts';

/** Stores the words of log bodies, each once for a commit. */
export async function appendWords(appender: Appender, words: WordSet, commit: CommitColumn): Promise<void> {
  const { texts: arena, places, size } = words;
  const shape = { table: 'log_words', widthsBytes: [STRING_BYTES, commit.widthBytes] };
  let held: HeldTexts | undefined;
  await appender.appendChunks(shape, size, (vectors, { start, end, texts }) => {
    const [strings, commits] = vectors as [Vector, Vector];
    held ??= texts.hold(arena);
    const target = new Int32Array(strings.buffer);
    for (let word = start; word < end; word++) {
      const at = PLACE_WORDS * word;
      held.writeString(target, 4 * (word - start), places[at] as number, places[at + 1] as number);
    }
    commit.fill(commits, { start, end });
  });
}
