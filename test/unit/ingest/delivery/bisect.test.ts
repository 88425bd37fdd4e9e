import { describe, expect, it } from 'vitest';
import {
  bisect,
  MAX_PARTS,
  MAX_REFUSALS_WITHOUT_SUCCESS,
  type Verdicts,
} from '../../../../src/ingest/delivery/bisect.ts';
import type { DeliveryOutcome } from '../../../../src/ingest/delivery/outcome.ts';
import type { Batch } from '../../../../src/ingest/queue/batch.ts';
import { createOtlpTypes } from '../../../../src/shared/otlp/messages.ts';
import { newBatch } from '../../../conformance/new-batch.ts';

const traces = createOtlpTypes().request('traces');

/** One slice for each list of span names. */
function batchOf(...slices: (readonly string[])[]): Batch {
  const payloads = slices.map(names => {
    const spans = names.map(name => ({ name, traceId: Buffer.alloc(16, 1), spanId: Buffer.alloc(8, 1) }));
    return Buffer.from(traces.encode({ resourceSpans: [{ scopeSpans: [{ spans }] }] }).finish());
  });
  return newBatch('s0', {
    id: 'b',
    records: slices.flat().length,
    payload: Buffer.concat(payloads),
    slices: payloads.map(({ length }, index) => ({
      exportId: `${index}`.padStart(32, '0'),
      sizeBytes: length,
    })),
  });
}

function namesIn(batch: Batch): string[] {
  const { resourceSpans } = traces.toObject(traces.decode(batch.payload)) as {
    resourceSpans: { scopeSpans: { spans: { name: string }[] }[] }[];
  };
  return resourceSpans.flatMap(group =>
    group.scopeSpans.flatMap(scope => scope.spans.map(span => span.name)),
  );
}

const numbered = (count: number, isPoison: (index: number) => boolean = () => false) =>
  Array.from({ length: count }, (_, index) => `${isPoison(index) ? 'poison' : 'good'} ${index}`);

/** A shard that refuses whatever holds a poisoned span, and knows a batch it has by its id. */
function shardOf(answer: (names: string[], sends: number) => DeliveryOutcome | undefined = () => undefined) {
  const stored: string[] = [];
  const known = new Set<string>();
  const sent: string[] = [];
  return {
    stored,
    sent,
    send: (part: Batch): Promise<DeliveryOutcome> => {
      sent.push(part.id);
      const names = namesIn(part);
      const outcome =
        answer(names, sent.length) ??
        (names.some(name => name.startsWith('poison'))
          ? ({ kind: 'reject', reason: 'bad span' } as const)
          : ({ kind: 'delivered' } as const));
      if (outcome.kind === 'delivered' && !known.has(part.id)) stored.push(...names);
      if (outcome.kind === 'delivered') known.add(part.id);
      return Promise.resolve(outcome);
    },
  };
}

type Shard = ReturnType<typeof shardOf>;

async function cut(batch: Batch, shard: Shard, verdicts: Verdicts = rejected(batch), hasTime = () => true) {
  return await bisect({ batch, verdicts, send: shard.send, hasTime });
}

const rejected = (batch: Batch): Verdicts => new Map([[batch.id, { kind: 'reject', reason: 'bad span' }]]);

const refusedNames = (outcome: Awaited<ReturnType<typeof cut>>) =>
  outcome.kind === 'settled' ? outcome.refused.flatMap(({ batch }) => namesIn(batch)) : outcome;

describe('bisecting', () => {
  it('leaves only the poison record of ten thousand, in about thirty sends', async () => {
    const batch = batchOf(numbered(10_000, index => index === 6789));
    const shard = shardOf();
    const outcome = await cut(batch, shard);
    expect(outcome).toMatchObject({
      kind: 'settled',
      refused: [{ batch: { id: 'b.6789-6789', records: 1, shard: 's0' }, reason: 'bad span' }],
    });
    expect(refusedNames(outcome)).toEqual(['poison 6789']);
    expect(shard.stored).toHaveLength(9_999);
    expect(shard.sent.length).toBeLessThanOrEqual(28);
  });

  it('finds poison records wherever they are, also in several slices', async () => {
    const isPoison = (index: number) => index % 17 === 0;
    const batch = batchOf(numbered(40, isPoison), numbered(3), numbered(30, isPoison), ['poison alone']);
    const shard = shardOf();
    const outcome = await cut(batch, shard);
    expect(refusedNames(outcome)).toHaveLength(3 + 2 + 1);
    expect(shard.stored).toHaveLength(batch.records - 6);
    expect(shard.stored.filter(name => name.startsWith('poison'))).toEqual([]);
  });

  it('takes slices apart first, which keep their export ids', async () => {
    const batch = batchOf(['good a'], ['good b'], ['poison'], ['good c']);
    const slices: string[][] = [];
    const shard = shardOf();
    await bisect({
      batch,
      verdicts: rejected(batch),
      hasTime: () => true,
      send: part => {
        slices.push(part.slices.map(({ exportId }) => exportId.slice(-1)));
        return shard.send(part);
      },
    });
    expect(slices).toEqual([['0', '1'], ['2', '3'], ['2'], ['3']]);
  });

  it('sends nothing when the batch is a single record', async () => {
    const batch = batchOf(['poison']);
    const shard = shardOf();
    expect(await cut(batch, shard)).toEqual({ kind: 'settled', refused: [{ batch, reason: 'bad span' }] });
    expect(shard.sent).toEqual([]);
  });

  it('keeps what is not OTLP whole', async () => {
    const batch = newBatch('s0', { payload: Buffer.from([0x0a, 0xff]) });
    const shard = shardOf();
    expect(await cut(batch, shard)).toMatchObject({
      kind: 'settled',
      refused: [{ batch: { id: batch.id } }],
    });
    expect(shard.sent).toEqual([]);
  });

  it('stops when the shard cannot take more now, and goes on where it was without asking twice', async () => {
    const batch = batchOf(numbered(64, index => index === 20 || index === 50));
    const down = { kind: 'retry', reason: 'HTTP 503' } as const;
    const verdicts = rejected(batch);
    let isDown = true;
    const shard = shardOf((_, sends) => (isDown && sends === 8 ? down : undefined));
    expect(await cut(batch, shard, verdicts)).toMatchObject({ kind: 'unfinished', because: down });
    isDown = false;
    const outcome = await cut(batch, shard, verdicts);
    expect(refusedNames(outcome)).toEqual(['poison 20', 'poison 50']);
    expect(shard.stored).toHaveLength(62);
    // The one that failed was sent twice, no other.
    expect(shard.sent.length).toBe(new Set(shard.sent).size + 1);
  });

  it('stops when its time is over, and says which parts the shard does not have', async () => {
    const names = numbered(64, index => index === 20);
    const batch = batchOf(names);
    const shard = shardOf();
    const hasTime = () => shard.sent.length < 3;
    const outcome = await cut(batch, shard, rejected(batch), hasTime);
    if (outcome.kind !== 'unfinished') throw new Error(outcome.kind);
    expect(outcome.because).toBe('out of time');
    expect(shard.sent).toHaveLength(3);
    const missing = [...outcome.refused.map(part => part.batch), ...outcome.open].flatMap(namesIn);
    expect([...missing, ...shard.stored].toSorted()).toEqual(names.toSorted());
  });

  it('done again by a process that knows nothing of the first attempt, stores nothing twice', async () => {
    const batch = batchOf(
      numbered(64, index => index === 20),
      numbered(30),
    );
    const shard = shardOf();
    await cut(batch, shard, rejected(batch), () => shard.sent.length < 5);
    await cut(batch, shard);
    expect(shard.stored).toHaveLength(93);
    expect(new Set(shard.stored).size).toBe(63 + 1);
  });

  it('asks a shard that refuses everything a bounded number of times and keeps the batch whole', async () => {
    const batch = batchOf(numbered(5000));
    const shard = shardOf(() => ({ kind: 'reject', reason: 'HTTP 400: no' }));
    const outcome = await cut(batch, shard);
    expect(outcome).toMatchObject({ kind: 'settled', refused: [{ batch: { id: 'b' } }] });
    expect(shard.sent.length).toBeLessThan(MAX_REFUSALS_WITHOUT_SUCCESS);
  });

  it('sends a bounded number of parts, each record once to the end, when much is poison', async () => {
    const batch = batchOf(numbered(4096, index => index % 8 === 0));
    const shard = shardOf(names =>
      names.length > 1000 ? { kind: 'reject', reason: 'x', unsent: true } : undefined,
    );
    await shard.send(batchOf(['good first'])); // so that it has taken something
    const outcome = await bisect({
      batch,
      verdicts: new Map([
        [batch.id, { kind: 'reject', reason: 'bad' }],
        ['b.0-2047', { kind: 'reject', reason: 'bad', unsent: true }],
      ]),
      send: part => (part.id === 'b.2048-4095' ? Promise.resolve({ kind: 'delivered' }) : shard.send(part)),
      hasTime: () => true,
    });
    expect(shard.sent.length).toBeLessThanOrEqual(MAX_PARTS + 1);
    const refused = refusedNames(outcome) as string[];
    const ends = [...refused, ...shard.stored.slice(1)];
    expect(ends.toSorted()).toEqual(numbered(2048, index => index % 8 === 0).toSorted());
    expect(refused.filter(name => name.startsWith('poison'))).toHaveLength(256);
  });

  it('takes records out that are known to be bad, without a send for each', async () => {
    const batch = batchOf(
      numbered(10, index => index === 3),
      numbered(5, index => index > 2),
    );
    const shard = shardOf();
    const verdicts: Verdicts = new Map([
      [batch.id, { kind: 'reject', reason: 'NaN', unsent: true, badRecords: new Set([3, 13, 14]) }],
    ]);
    const outcome = await cut(batch, shard, verdicts);
    expect(outcome).toMatchObject({
      kind: 'settled',
      refused: [{ batch: { id: 'b.bad', records: 3 }, reason: 'NaN' }],
    });
    expect(refusedNames(outcome)).toEqual(['poison 3', 'poison 3', 'poison 4']);
    expect(shard.sent).toEqual(['b.good']);
    expect(shard.stored).toHaveLength(12);
  });
});
