import { DuckDBInstance } from '@duckdb/node-api';
import { expect, it } from 'vitest';
import { query } from '../../../src/shard/reads/query.ts';
import { createParameters } from '../../../src/shard/reads/where.ts';
import { mayHold } from '../../../src/shard/search/superset.ts';
import { parseTextQuery } from '../../../src/shared/text/text-query.ts';
import { wordsIn } from '../../../src/shared/text/words.ts';

/** Every character with its words where they are ASCII, as only of those SQL says more than that a text has others. */
function charactersWithAsciiWords(): string[] {
  const characters: string[] = [];
  for (let code = 1; code <= 0x10_ffff; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const character = String.fromCodePoint(code);
    // Between marks and letters its own words stay what they are.
    if ([...wordsIn(`a ${character} a`)].some(word => /^[ -~]+$/.test(word) && word !== 'a')) {
      characters.push(character);
    }
  }
  return characters;
}

it('SQL lets every text pass that has the words, whichever character they are made of', async () => {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const characters = charactersWithAsciiWords();
  expect(characters).toEqual(expect.arrayContaining(['K', 'k', '\u212A', '7', '_']));
  for (const character of characters) {
    const text = `ß ${character}é ${character} ß`;
    const parameters = createParameters();
    const condition = mayHold('body', parseTextQuery(character), parameters);
    const sql = `SELECT ${condition} FROM (SELECT ${parameters.text(text)} AS body)`;
    expect([character, ...(await query(connection, sql, parameters)).column(0)]).toEqual([character, true]);
  }
  connection.closeSync();
  instance.closeSync();
});
