import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createShardRows, type RowPlace, type ShardRows } from '../../../../src/query/rows/shard-rows.ts';
import { rowLine, trailerLine } from '../../../../src/shared/read/ndjson.ts';

const TRAILER = { rows: 3, asOf: '4', truncated: false };
const line = (key: string) => rowLine([key], `"${key}"`);

/** A shard that gives one answer after the other, and notes where it was asked to begin. */
function shardRows(answers: readonly (() => Readable)[], letGoMs = 60_000) {
  const places: RowPlace[] = [];
  const bodies: Readable[] = [];
  const rows = createShardRows({
    shardId: 's0',
    order: ['ascending'],
    start: {},
    open: place => {
      const body = (answers[places.push(place) - 1] as () => Readable)();
      bodies.push(body);
      return Promise.resolve({ kind: 'answered', value: { asOf: '4', body } });
    },
    canResume: true,
    timeoutMs: 60_000,
    onEnd: () => {},
    letGoMs,
  });
  return { rows, places, bodies };
}

const whole =
  (...lines: readonly string[]) =>
  () =>
    Readable.from(lines.map(text => Buffer.from(text)));

/** Reads until there is a row or no more. */
async function next(rows: ShardRows): Promise<string | undefined> {
  for (let row = rows.next(); row !== 'over'; row = rows.next()) {
    if (row !== 'waiting') return String(row.json);
    await rows.read();
  }
  return undefined;
}

async function rest(rows: ShardRows): Promise<string[]> {
  const all: string[] = [];
  for (let row = await next(rows); row !== undefined; row = await next(rows)) all.push(row);
  return all;
}

describe('the rows of a shard', () => {
  it('are broken by a trailer that is none, even before a good one', async () => {
    const { rows } = shardRows([
      whole(line('a'), line('b'), line('c'), '{"end":oops}\n', trailerLine(TRAILER)),
    ]);
    await rest(rows);
    expect(rows.end()).toEqual({ kind: 'failed', reason: 'sent a malformed trailer' });
  });

  it('are asked for again behind the last one when nobody has taken any for a while', async () => {
    const begun = () => Readable.from(endless());
    async function* endless() {
      yield Buffer.from(line('a') + line('b') + line('b'));
      await new Promise(() => {});
    }
    const { rows, places, bodies } = shardRows(
      [begun, whole(line('b'), line('b'), line('c'), trailerLine(TRAILER))],
      20,
    );
    expect([await next(rows), await next(rows), await next(rows)]).toEqual(['"a"', '"b"', '"b"']);
    await expect.poll(() => bodies[0]?.destroyed, { timeout: 10_000 }).toBe(true);
    expect(rows.end()).toBeUndefined();
    expect(await rest(rows)).toEqual(['"c"']);
    expect(places).toEqual([
      { asOf: undefined, after: undefined },
      { asOf: '4', after: { key: ['b'], given: 2 } },
    ]);
    expect(rows.end()).toEqual({ kind: 'answered' });
  });

  it('go on with another answer where the shard ended one at a bound of its own', async () => {
    const cut = trailerLine({ rows: 2, asOf: '4', truncated: true });
    const { rows, places } = shardRows([
      whole(line('a'), line('b'), cut),
      whole(line('b'), line('c'), cut),
      whole(line('c'), line('d'), trailerLine({ ...TRAILER, rows: 2 })),
    ]);
    expect(await rest(rows)).toEqual(['"a"', '"b"', '"c"', '"d"']);
    expect(places.map(({ after }) => after)).toEqual([
      undefined,
      { key: ['b'], given: 1 },
      { key: ['c'], given: 1 },
    ]);
  });

  it('are cut where the shard has no room for a further row', async () => {
    const cut = trailerLine({ rows: 1, asOf: '4', truncated: true });
    const { rows } = shardRows([whole(line('a'), cut), whole(line('a'), cut)]);
    expect(await rest(rows)).toEqual(['"a"']);
    expect(rows.end()).toEqual({ kind: 'cut', reason: 'gave its first 1 rows only' });
  });

  it('are broken when the shard begins before the place that it was asked for', async () => {
    const cut = trailerLine({ rows: 1, asOf: '4', truncated: true });
    const { rows } = shardRows([whole(line('b'), cut), whole(line('a'), trailerLine(TRAILER))]);
    expect(await rest(rows)).toEqual(['"b"']);
    expect(rows.end()).toEqual({ kind: 'failed', reason: 'sent rows out of order' });
  });

  it('come again from the first one as long as that is wanted', async () => {
    const { rows } = shardRows([whole(line('a'), line('b'), line('c'), trailerLine(TRAILER))]);
    expect([await next(rows), await next(rows)]).toEqual(['"a"', '"b"']);
    rows.rewind();
    expect(await next(rows)).toBe('"a"');
    rows.forget();
    expect(await rest(rows)).toEqual(['"b"', '"c"']);
  });
});
