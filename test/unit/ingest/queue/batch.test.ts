import { describe, expect, it } from 'vitest';
import {
  CorruptBatchError,
  decodeBatch,
  encodeBatch,
  restoreBatch,
} from '../../../../src/ingest/queue/batch.ts';
import { newBatch } from '../../../conformance/new-batch.ts';

const batch = newBatch('s0', { payload: Buffer.from([0, 1, 2, 255]), slices: [] });

describe('the stored form of a batch', () => {
  it('keeps every field and byte, also of an empty payload', () => {
    expect(decodeBatch(encodeBatch(batch))).toEqual(batch);
    const empty = newBatch('s0', { payload: Buffer.alloc(0) });
    expect(decodeBatch(encodeBatch(empty))).toEqual(empty);
  });

  it('notices a change of any byte and any cut', () => {
    const encoded = encodeBatch(batch);
    for (let at = 0; at < encoded.length; at += 1) {
      const damaged = Buffer.from(encoded);
      damaged.writeUInt8((damaged[at] as number) ^ 0x10, at);
      expect(() => decodeBatch(damaged)).toThrow(CorruptBatchError);
      expect(() => decodeBatch(encoded.subarray(0, at))).toThrow(CorruptBatchError);
    }
  });

  it('has not changed', () => {
    const fixed = {
      ...batch,
      id: '01900000-0000-7000-8000-000000000000',
      acceptedAtMs: 1,
      payload: Buffer.from('x'),
    };
    const header = JSON.stringify({
      id: fixed.id,
      shard: 's0',
      signal: 'traces',
      records: 1,
      acceptedAtMs: 1,
      topologyVersion: 1,
      slices: [],
    });
    const encoded = encodeBatch(fixed);
    expect(encoded.readUInt8(0)).toBe(1);
    expect(encoded.readUInt32BE(5)).toBe(header.length);
    expect(encoded.toString('utf8', 9)).toBe(`${header}x`);
  });
});

describe('restoring a batch', () => {
  it('gives the batch that belongs to the key', () => {
    expect(restoreBatch(encodeBatch(batch), batch)).toEqual(batch);
  });

  it('says what is wrong instead of throwing', () => {
    const encoded = encodeBatch(batch);
    expect(restoreBatch(undefined, batch)).toContain('missing');
    const future = Buffer.concat([Buffer.from([2]), encoded.subarray(1)]);
    expect(restoreBatch(future, batch)).toContain('version');
    expect(restoreBatch(encoded.subarray(0, -1), batch)).toContain('checksum');
    expect(restoreBatch(encoded, { shard: 's1', id: batch.id })).toContain(`s1/${batch.id}`);
  });
});
