import { describe, expect, it } from 'vitest';
import { gather, takeGroup } from '../../../src/shard/store/group.ts';
import { emptyRecords } from '../../../src/shard/store/tables.ts';
import { commentRecord } from '../../support/shard-store.ts';

interface Waiting {
  readonly batch: {
    readonly id: string;
    readonly slices: readonly {
      readonly exportId: undefined;
      readonly records: ReturnType<typeof emptyRecords>;
    }[];
  };
}

function waitingOf(id: string, rows: number): Waiting {
  const comments = Array.from({ length: rows }, () => commentRecord(id, 0));
  return { batch: { id, slices: [{ exportId: undefined, records: { ...emptyRecords(), comments } }] } };
}

/** What is decoded: each of these comes to those that wait after it was asked for. */
function decoding(waiting: Waiting[], rows: readonly number[]) {
  const left = [...rows];
  const coming = () => {
    const next = left.shift();
    if (next === undefined) return undefined;
    return Promise.resolve().then(() => void waiting.push(waitingOf(`decoded ${next}`, next)));
  };
  return { coming, left };
}

describe('batches that share a commit', () => {
  it('are joined by what is decoded, until they are enough', async () => {
    const waiting = [waitingOf('first', 2000)];
    const { coming, left } = decoding(waiting, [1000, 1000, 1000]);
    await gather(waiting, coming);
    expect(waiting.map(({ batch }) => batch.id)).toEqual(['first', 'decoded 1000', 'decoded 1000']);
    expect(left.length).toBeLessThanOrEqual(1);
  });

  it('do not wait when nothing is decoded', async () => {
    const waiting = [waitingOf('first', 1)];
    let asked = 0;
    await gather(waiting, () => {
      asked += 1;
      return undefined;
    });
    expect([asked, waiting.length]).toEqual([1, 1]);
  });

  it('do not wait for long work', async () => {
    const waiting = [waitingOf('first', 1)];
    const never = new Promise<void>(() => {});
    await gather(waiting, () => never);
    expect(waiting).toHaveLength(1);
  });

  it('are the first at least, and no more rows than hold up the rest', () => {
    const waiting = [
      waitingOf('large', 50_001),
      waitingOf('a', 30_000),
      waitingOf('b', 20_000),
      waitingOf('c', 1),
    ];
    const groups = [];
    while (waiting.length > 0) groups.push(takeGroup(waiting).map(({ batch }) => batch.id));
    expect(groups).toEqual([['large'], ['a', 'b'], ['c']]);
  });
});
