import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Place } from '../../../../src/shared/otlp/admission.ts';
import { BodyBytes } from '../../../../src/shared/otlp/body-bytes.ts';
import { GatheredBytes } from '../../../../src/shared/otlp/gathered-bytes.ts';
import { admissionOf } from '../../../support/admission.ts';

describe('gathered bytes', () => {
  it('are the pieces one after the other, whatever their sizes', () => {
    const size = fc.oneof(fc.nat(10), fc.nat(20_000), fc.integer({ min: 4090, max: 4100 }));
    fc.assert(
      fc.property(fc.array(size, { maxLength: 50 }), sizes => {
        const pieces = sizes.map((sizeBytes, index) => Buffer.alloc(sizeBytes, index + 1));
        const gathered = new GatheredBytes();
        for (const piece of pieces) gathered.add(Buffer.from(piece));
        expect(gathered.whole().equals(Buffer.concat(pieces))).toBe(true);
      }),
    );
  });
});

describe('memory for a body in very small pieces', () => {
  const PIECES = 1_000_000;
  const limits = { maxRequestBytes: 64 * 1024 * 1024, place: admissionOf().enter() as Place };

  /** How much more memory is in use after the work than before it. */
  async function grownBytesBy(work: () => unknown): Promise<number> {
    const usedBytes = () => process.memoryUsage().heapUsed + process.memoryUsage().external;
    const before = usedBytes();
    const kept = await work();
    const grownBytes = usedBytes() - before;
    expect(kept).toBeDefined();
    return grownBytes;
  }

  it('is about its size when its length is not known', async () => {
    const body = BodyBytes.start(limits.place, limits.maxRequestBytes) as BodyBytes;
    const grownBytes = await grownBytesBy(() => {
      for (let i = 0; i < PIECES; i++) body.add(Buffer.from('x'));
      return body;
    });
    expect(body.whole()).toHaveLength(PIECES);
    expect(grownBytes).toBeLessThan(64_000_000);
  });
});
