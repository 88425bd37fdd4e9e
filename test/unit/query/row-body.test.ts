import { describe, expect, it } from 'vitest';
import { readRowBody } from '../../../src/query/row-body.ts';
import { ndjson } from '../../support/stub-shard.ts';

const rows = [
  { key: ['2'], row: { text: 'zwei 😀' } },
  { key: ['1'], row: { text: 'eins' } },
];
const LIMIT_BYTES = 1024 * 1024;

async function* chunked(body: string | Buffer, chunkBytes: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(body);
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    yield await Promise.resolve(bytes.subarray(start, start + chunkBytes));
  }
}

describe('readRowBody', () => {
  it.each([1, 2, 7, 4096])('joins an answer that comes in chunks of %d bytes', async chunkBytes => {
    const body = await readRowBody(chunked(ndjson(rows, { truncated: true }), chunkBytes), LIMIT_BYTES);
    expect(body).toMatchObject({ kind: 'whole', rows: 2, truncated: true });
    const lines = ndjson(rows).split('\n').slice(0, 2).join('\n');
    expect(body.kind === 'whole' && body.lines.toString()).toBe(`${lines}\n`);
  });

  it('takes an answer without rows', async () => {
    expect(await readRowBody(chunked(ndjson([]), 10), LIMIT_BYTES)).toMatchObject({ kind: 'whole', rows: 0 });
  });

  it.each([
    ['is empty', '', 'answer ended without its trailer'],
    [
      'has rows only',
      ndjson(rows).split('\n').slice(0, 2).join('\n').concat('\n'),
      'answer ended without its trailer',
    ],
    ['is cut inside its trailer', ndjson(rows).slice(0, -5), 'answer ended without its trailer'],
    ['lacks the last newline', ndjson(rows).slice(0, -1), 'answer ended without its trailer'],
    ['has a broken trailer', '{"end":{"rows":\n', 'answer ended without its trailer'],
    ['has a trailer without content', '{"end":null}\n', 'answer ended without its trailer'],
    [
      'has a trailer in its middle',
      `${ndjson(rows)}${ndjson(rows)}`,
      'answer has 5 rows but its trailer says 2',
    ],
    ['lost a row', ndjson(rows, { rows: 3 }), 'answer has 2 rows but its trailer says 3'],
    ['is of another kind', '<html></html>\n', 'answer ended without its trailer'],
  ])('refuses an answer that %s', async (_what, body, reason) => {
    expect(await readRowBody(chunked(body, 64), LIMIT_BYTES)).toEqual({ kind: 'broken', reason });
  });

  it('stops reading an answer above the cap and names the cap', async () => {
    let read = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        read += 1024;
        yield await Promise.resolve(Buffer.alloc(1024));
      }
    }
    const body = await readRowBody(endless(), LIMIT_BYTES);
    expect(body).toEqual({ kind: 'broken', reason: 'answer is larger than 1 MiB' });
    expect(read).toBeLessThanOrEqual(LIMIT_BYTES + 1024);
  });
});
