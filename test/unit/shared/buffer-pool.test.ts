import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBufferPool } from '../../../src/shared/buffer-pool.ts';

const MIB = 1024 ** 2;

describe('a buffer pool', () => {
  it('gives a buffer that was given back to the next who needs one of about its size', () => {
    const pool = createBufferPool(MIB);
    const first = pool.take(10_000);
    pool.give(first);
    expect(pool.take(9000).buffer).toBe(first.buffer);
    expect(pool.take(9000).buffer).not.toBe(first.buffer);
  });

  it('never has one buffer in two hands, whatever is given back how often', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(fc.record({ take: fc.integer({ min: 0, max: 100_000 }) }), fc.record({ give: fc.nat() })),
        ),
        steps => {
          const pool = createBufferPool(MIB);
          const held: Buffer[] = [];
          const ever: Buffer[] = [];
          for (const step of steps) {
            if ('take' in step) {
              const buffer = pool.take(step.take);
              expect(buffer).toHaveLength(step.take);
              // Small buffers share memory with one another, but not their bytes.
              expect(held.filter(other => other.buffer === buffer.buffer && step.take >= 4096)).toEqual([]);
              held.push(buffer);
              ever.push(buffer);
            } else if (ever.length > 0) {
              const buffer = ever[step.give % ever.length] as Buffer;
              const index = held.indexOf(buffer);
              if (index >= 0) held.splice(index, 1);
              // Giving twice, or what another holds by now, must not free what is in use.
              else if (held.some(other => other.buffer === buffer.buffer)) continue;
              pool.give(buffer);
            }
          }
        },
      ),
    );
  });

  it('keeps no more than it may, and leaves buffers alone that are not its own', () => {
    const pool = createBufferPool(16 * 1024);
    const [kept, dropped] = [pool.take(16 * 1024), pool.take(16 * 1024)];
    pool.give(kept);
    pool.give(dropped);
    pool.give(Buffer.alloc(16 * 1024));
    expect(pool.take(16 * 1024).buffer).toBe(kept.buffer);
    expect(pool.take(16 * 1024).buffer).not.toBe(dropped.buffer);
  });
});
