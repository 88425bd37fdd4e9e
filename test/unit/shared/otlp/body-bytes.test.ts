import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Place } from '../../../../src/shared/otlp/admission.ts';
import { BodyBytes } from '../../../../src/shared/otlp/body-bytes.ts';
import { admissionOf } from '../../../support/admission.ts';

const KIB = 1024;
const MAX_BYTES = 64 * KIB * KIB;

/** The pieces of a body, as they come. */
const pieces = fc
  .array(fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 200 * KIB })), {
    minLength: 1,
    maxLength: 12,
  })
  .map(sizes => sizes.map((sizeBytes, index) => Buffer.alloc(sizeBytes, index + 1)));

const sizeOf = (body: readonly Buffer[]) => body.reduce((sum, piece) => sum + piece.length, 0);

describe('the memory of bodies of known size', () => {
  it('grows with what has come, and the bytes of bodies that come side by side stay their own', () => {
    fc.assert(
      fc.property(fc.array(pieces, { minLength: 1, maxLength: 4 }), bodies => {
        const admission = admissionOf();
        const arriving = bodies.map(all => {
          const place = admission.enter() as Place;
          const sizeBytes = sizeOf(all);
          return { all, place, sizeBytes, bytes: BodyBytes.start(place, MAX_BYTES, sizeBytes) as BodyBytes };
        });
        expect(admission.bytes()).toBe(0);
        for (let turn = 0; turn < 12; turn++) {
          for (const { all, bytes } of arriving) {
            const piece = all[turn];
            if (piece !== undefined) expect(bytes.add(piece)).toBeUndefined();
          }
          const come = arriving.map(({ bytes, sizeBytes }) => ({ come: bytes.filledBytes, sizeBytes }));
          const most = come.map(body => Math.min(body.sizeBytes, Math.max(64 * KIB, 4 * body.come)));
          expect(admission.bytes()).toBeGreaterThanOrEqual(come.reduce((sum, body) => sum + body.come, 0));
          expect(admission.bytes()).toBeLessThanOrEqual(most.reduce((sum, bytes) => sum + bytes, 0));
        }
        for (const { all, bytes, sizeBytes } of arriving) {
          expect(bytes.whole()).toHaveLength(sizeBytes);
          expect(bytes.whole().equals(Buffer.concat(all))).toBe(true);
        }
        for (const { place } of arriving) place.leave();
        expect(admission.bytes()).toBe(0);
      }),
    );
  });

  it('is refused where it would grow over what is left, and what it had is given back with its place', () => {
    const admission = admissionOf({ bytes: 300 * KIB });
    const [first, second] = [admission.enter() as Place, admission.enter() as Place];
    const bodies = [first, second].map(place => BodyBytes.start(place, MAX_BYTES, 200 * KIB) as BodyBytes);
    for (const body of bodies) expect(body.add(Buffer.alloc(1))).toBeUndefined();
    expect(bodies[0]?.add(Buffer.alloc(64 * KIB))).toBeUndefined();
    expect(bodies[1]?.add(Buffer.alloc(64 * KIB))).toMatchObject({ condition: 'unavailable' });
    second.leave();
    expect(admission.bytes()).toBe(200 * KIB);
    first.leave();
    expect(admission.bytes()).toBe(0);
  });

  it('is not begun for more than the limit, nor for more than is left', () => {
    const place = admissionOf({ bytes: 1000 }).enter() as Place;
    expect(BodyBytes.start(place, 2000, 2001)).toMatchObject({ condition: 'tooLarge' });
    expect(BodyBytes.start(place, 2000, 1001)).toMatchObject({ condition: 'unavailable' });
    place.take(500);
    expect(BodyBytes.start(place, 2000, 501)).toMatchObject({ condition: 'unavailable' });
  });
});
