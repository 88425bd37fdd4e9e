import { describe, expect, it } from 'vitest';
import { rowBodiesOf } from '../../../src/query/row-body.ts';
import { ndjson } from '../../support/stub-shard.ts';

const rows = [
  { key: ['2'], row: { text: 'zwei 😀' } },
  { key: ['1'], row: { text: 'eins' } },
];

describe('rowBodiesOf', () => {
  it('finds the rows of an answer', () => {
    const body = rowBodiesOf(Buffer.from(ndjson(rows, { truncated: true })), 1);
    expect(body).toMatchObject({ kind: 'whole', asOf: '1', bodies: [{ rows: 2, truncated: true }] });
    const lines = ndjson(rows).split('\n').slice(0, 2).join('\n');
    expect(body.kind === 'whole' && body.bodies[0]?.lines.toString()).toBe(`${lines}\n`);
  });

  it('takes an answer without rows', () => {
    const body = rowBodiesOf(Buffer.from(ndjson([])), 1);
    expect(body).toMatchObject({ kind: 'whole', bodies: [{ rows: 0 }] });
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
    ['has a second answer behind it', `${ndjson(rows)}${ndjson(rows)}`, 'gave 2 answers to 1 reads'],
    ['lost a row', ndjson(rows, { rows: 3 }), 'answer has 2 rows but its trailer says 3'],
    ['is of another kind', '<html></html>\n', 'answer ended without its trailer'],
  ])('refuses an answer that %s', (_what, body, reason) => {
    expect(rowBodiesOf(Buffer.from(body), 1)).toEqual({ kind: 'broken', reason });
  });

  it('takes several answers apart, empty ones too', () => {
    const whole = `${ndjson([])}${ndjson(rows)}${ndjson([])}`;
    const body = rowBodiesOf(Buffer.from(whole), 3);
    expect(body).toMatchObject({ kind: 'whole', bodies: [{ rows: 0 }, { rows: 2 }, { rows: 0 }] });
  });

  it.each([
    ['lack the last', `${ndjson(rows)}`, 'answer ended without its trailer'],
    [
      'are of two commits',
      `${ndjson(rows)}${ndjson(rows).replace('"asOf":"1"', '"asOf":"2"')}`,
      'answered at two commits',
    ],
  ])('refuses several answers that %s', (_what, whole, reason) => {
    const body = rowBodiesOf(Buffer.from(whole), 2);
    expect(body).toEqual({ kind: 'broken', reason });
  });
});
