import { describe, expect, it } from 'vitest';
import { createPartition } from '../../../../src/ingest/partition/partition.ts';
import { createOtlpTypes } from '../../../../src/shared/otlp/messages.ts';
import type { Signal } from '../../../../src/shared/otlp/signal.ts';
import { createHash } from '../../../../src/shared/topology/hash.ts';
import { blobKey, nameKey, traceKey } from '../../../../src/shared/topology/shard-key.ts';
import type { Json } from '../../../support/otlp-arbitraries.ts';
import { logsOf, metricsOf, traceId, tracesOf } from '../../../support/otlp-samples.ts';
import { otlpBytes } from '../../../support/test-shard.ts';

const hash = await createHash();
const partition = createPartition(createOtlpTypes());

/** The slots that the partitioner asks the owners of. */
function slotsOf(signal: Signal, request: Json): number[] {
  const slots: number[] = [];
  const shardOf = (key: Uint8Array) => {
    slots.push(hash.slot(key));
    return 0;
  };
  partition({ signal, request: otlpBytes(signal, request), shardOf });
  return slots;
}

describe('the slot of a shard key', () => {
  it('of a trace is the one that its spans and log records go to, in whatever case its id is written', () => {
    const id = traceId('evals \u00fc');
    expect(slotsOf('traces', tracesOf('shop', [{ trace: 'evals \u00fc', span: 1 }]))).toEqual([
      hash.slot(traceKey(id)),
    ]);
    expect(slotsOf('logs', logsOf('shop', [{ traceId: id }]))).toEqual([
      hash.slot(traceKey(id.toUpperCase())),
    ]);
  });

  it('of a name is the one that the metric goes to, and the log records of the service', () => {
    const name = 'größe.of.queue';
    expect(slotsOf('metrics', metricsOf('shop', [{ name, gauge: { dataPoints: [{}] } }]))).toEqual([
      hash.slot(nameKey(name)),
    ]);
    expect(slotsOf('logs', logsOf(name, [{}]))).toEqual([hash.slot(nameKey(name))]);
  });

  it('of a trace that is none of OTLP is found by the text of its id', () => {
    expect(traceKey('issue-42')).toEqual(Buffer.from('issue-42'));
    expect(traceKey('abcd')).toEqual(Buffer.from('abcd'));
    expect(traceKey(`${'ab'.repeat(16)}0`)).toEqual(Buffer.from(`${'ab'.repeat(16)}0`));
  });

  it('is pinned: a change would leave what was written where nobody looks', () => {
    expect(hash.slot(traceKey('0af7651916cd43dd8448eb211c80319c'))).toBe(3178);
    expect(hash.slot(traceKey('issue-42'))).toBe(15420);
    expect(hash.slot(nameKey('tael_eval_score'))).toBe(7604);
    expect(hash.slot(blobKey('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'))).toBe(4450);
  });
});
