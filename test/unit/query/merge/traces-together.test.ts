import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BrokenPart } from '../../../../src/query/merge/row-part.ts';
import { tracesTogether } from '../../../../src/query/merge/traces-together.ts';
import { partOf } from '../../../support/rounds.ts';

const TERMS = 3;
const NAMES = ['a', 'b', 'c', 'd'];
const idOf = (name: string) => name.repeat(32);

/** What one shard has of some traces: terms of the text, and whether it shows spans of them. */
const shard = fc.dictionary(
  fc.constantFrom(...NAMES),
  fc.record({ has: fc.subarray([0, 1, 2]), isShown: fc.boolean() }),
);

type Shard = Readonly<Record<string, { readonly has: readonly number[]; readonly isShown: boolean }>>;

const termsOf = (traces: Shard, index: number) =>
  partOf(
    `s${index}`,
    NAMES.flatMap(name => {
      const { has = [] } = traces[name] ?? {};
      return has.length === 0 ? [] : [{ key: [idOf(name)], row: { has, of: TERMS } }];
    }),
  );
const shownOf = (traces: Shard, index: number) =>
  partOf(
    `s${index}`,
    NAMES.filter(name => traces[name]?.isShown).map(name => ({ key: ['', idOf(name)], row: {} })),
  );

describe('the traces that hold a text together', () => {
  it('are those whose terms are all there when the shards are taken together', () => {
    fc.assert(
      fc.property(fc.array(shard, { maxLength: 4 }), shards => {
        const holds = (name: string) => new Set(shards.flatMap(each => each[name]?.has ?? [])).size === TERMS;
        expect([...tracesTogether(shards.map(termsOf))]).toEqual(NAMES.filter(holds).map(idOf));
      }),
    );
  });

  it('are narrowed to those that a shard shows and does not hold by itself', () => {
    fc.assert(
      fc.property(fc.array(shard, { maxLength: 4 }), shards => {
        const isNeeded = (name: string) =>
          new Set(shards.flatMap(each => each[name]?.has ?? [])).size === TERMS &&
          shards.some(each => each[name]?.isShown === true && each[name].has.length < TERMS);
        expect([...tracesTogether(shards.map(termsOf), shards.map(shownOf))]).toEqual(
          NAMES.filter(isNeeded).map(idOf),
        );
      }),
    );
  });

  it.each([
    ['of a state that is none', [{ key: [idOf('a')], row: { has: [-1], of: 1 } }]],
    ['of a key of another read', [{ key: ['', idOf('a')], row: { has: [0], of: 1 } }]],
    ['out of order', ['b', 'a'].map(name => ({ key: [idOf(name)], row: { has: [0], of: 1 } }))],
  ])('blame the shard that sends rows %s', (_what, rows) => {
    expect(() => [...tracesTogether([partOf('s0', rows)])]).toThrow(BrokenPart);
  });
});
