import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BrokenPart } from '../../src/query/merge/row-part.ts';
import { percentiles, servicePercentiles } from '../../src/query/reads/percentiles.ts';
import { runRounds, together } from '../../src/query/reads/rounds.ts';
import { type Duration, durationShard } from '../support/duration-shard.ts';
import { durationSets, sortedIndex } from '../support/durations.ts';
import { type Give, shardReads } from '../support/rounds.ts';

const PS = [0, 0.5, 0.95, 0.99, 1];

/** Some durations are so frequent that their bucket has to be cut before it is listed. */
const held: fc.Arbitrary<Duration[]> = durationSets.chain(durations =>
  fc.tuple(
    ...durations.map(durationNs =>
      fc.record({
        durationNs: fc.constant(durationNs),
        service: fc.constantFrom('a', 'b', ''),
        times: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, { arbitrary: fc.nat(3000), weight: 1 }),
      }),
    ),
  ),
);

describe('percentiles over shards', () => {
  it('are the elements at the nearest index of all sorted durations, however they are split', async () => {
    await fc.assert(
      fc.asyncProperty(
        held,
        fc.integer({ min: 1, max: 5 }),
        fc.infiniteStream(fc.nat()),
        async (all, over, places) => {
          const shards = split(all, over, places);
          const services = [...new Set(all.map(({ service }) => service)), 'nobody'];
          const [overall, byService] = await runRounds(
            shardReads(giveOf(shards)),
            together(percentiles({}, PS), servicePercentiles({}, services, 0.95)),
          );
          expect(overall).toEqual(PS.map(p => sortedIndex(repeated(all), p)));
          for (const service of services) {
            const ofService = repeated(all.filter(each => each.service === service));
            expect(byService.get(service)).toBe(sortedIndex(ofService, 0.95));
          }
        },
      ),
    );
  });

  it('of many services take few rounds, none of which asks for more ranges than a request may have', async () => {
    const services = Array.from({ length: 1500 }, (_, index) => `service ${index}`);
    const all = services.flatMap((service, index) =>
      [1n, 1000n, 1001n, 1010n].map(ns => ({ service, durationNs: ns + BigInt(index), times: 40 })),
    );
    const shards = split(
      all,
      3,
      Array.from({ length: all.length }, (_, index) => index),
    );
    let rounds = 0;
    const give = giveOf(shards);
    const counting = shardReads(query => {
      const { ranges, services } = query.request as { ranges?: unknown[]; services?: unknown[] };
      expect(ranges?.length ?? 0).toBeLessThanOrEqual(1000);
      expect(services?.length ?? 0).toBeLessThanOrEqual(500);
      rounds++;
      return give(query);
    });
    const found = await runRounds(counting, servicePercentiles({}, services, 0.5));
    for (const [index, service] of services.entries()) expect(found.get(service)).toBe(1001n + BigInt(index));
    expect(rounds).toBeLessThan(10);
  });

  it.each([
    ['lost durations', (durations: Duration[]) => durations.filter(({ durationNs }) => durationNs !== 1010n)],
    ['gained durations', (durations: Duration[]) => [...durations, ...durations]],
  ])('are not made of the rows of a shard that has %s since its first answer', async (_what, change) => {
    const durations = Array.from({ length: 20 }, (_, ns) => ({
      service: 'a',
      durationNs: 1000n + BigInt(ns),
      times: 1,
    }));
    const give: Give = query => [
      durationShard('s0', durations)(query),
      durationShard('s1', query.name === 'durationValues' ? change(durations) : durations)(query),
    ];
    const failure = await runRounds(shardReads(give), percentiles({}, [0.5])).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(BrokenPart);
    expect(failure).toMatchObject({ shardId: 's1' });
  });
});

function split(all: readonly Duration[], over: number, places: Iterable<number>): Duration[][] {
  const shards = Array.from({ length: over }, () => [] as Duration[]);
  const place = places[Symbol.iterator]();
  for (const duration of all) shards[(place.next().value as number) % over]?.push(duration);
  return shards;
}

function giveOf(shards: readonly Duration[][]): Give {
  const give = shards.map((durations, index) => durationShard(`s${index}`, durations));
  return query => give.map(shard => shard(query));
}

function repeated(durations: readonly Duration[]): bigint[] {
  return durations.flatMap(({ durationNs, times }) => Array<bigint>(times).fill(durationNs));
}
