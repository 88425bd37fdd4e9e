import { describe, expect, it } from 'vitest';
import type { Admission, Place } from '../../../../src/shared/otlp/admission.ts';
import { admissionOf } from '../../../support/admission.ts';

function enter(admission: Admission): Place {
  const place = admission.enter();
  if (place.kind === 'refused') throw new Error(place.message);
  return place;
}

const why = (outcome: { readonly message?: string } | undefined) => outcome?.message;

describe('admission', () => {
  it('lets in as many requests as it may, and one more for each that leaves', () => {
    const admission = admissionOf({ requests: 2 });
    const first = enter(admission);
    enter(admission);
    expect(admission.enter()).toMatchObject({
      condition: 'unavailable',
      message: '2 requests in hand; raise ingest.maxConcurrentRequests or add replicas',
    });
    first.leave();
    expect(admission.enter().kind).toBe('admitted');
  });

  it('gives bytes until they are used up, and takes nothing when they do not fit', () => {
    const admission = admissionOf({ bytes: 100 });
    const first = enter(admission);
    const second = enter(admission);
    expect(first.take(60)).toBeUndefined();
    expect(why(second.take(41))).toContain('ingest.maxBytesInFlight');
    expect(second.take(40)).toBeUndefined();
    first.give(10);
    expect(second.take(10)).toBeUndefined();
    expect(admission.bytes()).toBe(100);
  });

  it('a place that is left gives everything back, once', () => {
    const admission = admissionOf();
    const place = enter(admission);
    place.take(50);
    place.take(7);
    place.give(7);
    place.leave();
    place.leave();
    expect([admission.requests(), admission.bytes()]).toEqual([0, 0]);
  });

  it('lets four requests grow at once, the others in the order they came', async () => {
    const admission = admissionOf();
    const log: string[] = [];
    const ends: (() => void)[] = [];
    const works = Array.from({ length: 6 }, (_, index) =>
      enter(admission).inTurn(() => {
        log.push(`${index} begins`);
        return new Promise<number>((resolve, reject) =>
          ends.push(() => (index === 1 ? reject(new Error('broken')) : resolve(index))),
        );
      }),
    );
    const outcomes = Promise.allSettled(works);
    expect(log).toEqual(['0 begins', '1 begins', '2 begins', '3 begins']);
    // A work that fails hands its turn on like any other.
    ends[1]?.();
    await expect.poll(() => log.at(-1)).toBe('4 begins');
    ends[0]?.();
    await expect.poll(() => log.at(-1)).toBe('5 begins');
    for (const end of ends) end();
    expect((await outcomes).map(({ status }) => status)).toEqual(
      Array.from({ length: 6 }, (_, index) => (index === 1 ? 'rejected' : 'fulfilled')),
    );
  });

  it('refuses with the first reason there is, for as long as there is one', () => {
    let reason: string | undefined = 'Redis is full';
    const admission = admissionOf({ reasons: [() => undefined, () => reason, () => 'never asked'] });
    expect(admission.enter()).toMatchObject({ condition: 'unavailable', message: 'Redis is full' });
    reason = undefined;
    expect(why(admission.enter() as { message?: string })).toBe('never asked');
  });
});
