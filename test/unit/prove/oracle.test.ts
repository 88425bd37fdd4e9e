import { describe, expect, it } from 'vitest';
import { createLedger, type Fate } from '../../prove/ledger.ts';
import { compare } from '../../prove/oracle.ts';

const OK: Fate = { kind: 'acknowledged', rejected: 0 };
const RECORDS = ['a', 'b'];
const textOf = (id: string) => `the text of ${id}`;

interface Sent {
  readonly fate: Fate;
  readonly attempts?: number;
  readonly areRepeatsAllowed?: boolean;
}

/** What the oracle says when one export of the records `a` and `b` was sent, and these were read back. */
function judged(
  { fate, attempts = 1, areRepeatsAllowed = false }: Sent,
  ids: readonly string[],
  dead: readonly string[] = [],
) {
  const ledger = createLedger();
  if (areRepeatsAllowed) ledger.allowRepeatsTwice();
  const entry = ledger.begin({
    signal: 'logs',
    service: 'shop',
    request: {},
    records: new Map(RECORDS.map(id => [id, textOf(id)])),
  });
  for (let attempt = 0; attempt < attempts; attempt += 1) entry.attempt();
  entry.became(fate);
  const read = ids.map(id => ({ id, text: textOf(id) }));
  return compare(read, ledger, new Set(dead));
}

describe('the oracle of npm run prove', () => {
  it.each<[string, Sent, string[], string[]?]>([
    ['everything is there once', { fate: OK }, ['a', 'b']],
    ['a record is a dead letter', { fate: OK }, ['a'], ['b']],
    ['a record was reported as rejected', { fate: { kind: 'acknowledged', rejected: 1 } }, ['a']],
    ['an export without an answer is not there', { fate: { kind: 'unknown' } }, []],
    ['an export without an answer is there in part', { fate: { kind: 'unknown' } }, ['a']],
    ['a refused export is not there', { fate: { kind: 'refused', reason: 'bad' } }, []],
    [
      'an export that was repeated late is there twice',
      { fate: OK, attempts: 2, areRepeatsAllowed: true },
      ['a', 'b', 'a', 'b'],
    ],
  ])('finds nothing when %s', (_, sent, read, dead) => {
    expect(judged(sent, read, dead).findings).toEqual([]);
  });

  it.each<[string, Sent, string[]]>([
    ['1 of 2', { fate: OK }, ['a']],
    ['1 of 2', { fate: { kind: 'acknowledged', rejected: 1 } }, []],
    ['stored twice', { fate: OK }, ['a', 'b', 'b']],
    ['stored twice', { fate: OK, attempts: 2 }, ['a', 'b', 'b']],
    ['stored twice', { fate: OK, attempts: 1, areRepeatsAllowed: true }, ['a', 'b', 'b']],
    ['stored twice', { fate: { kind: 'unknown' } }, ['a', 'a']],
    ['stored though refused', { fate: { kind: 'refused', reason: 'bad' } }, ['a']],
    ['invented', { fate: OK }, ['a', 'b', 'c']],
  ])('finds "%s" of %j when %j is read', (finding, sent, read) => {
    expect(judged(sent, read).findings.join()).toContain(finding);
  });

  it('finds what was changed, and where', () => {
    const ledger = createLedger();
    const entry = ledger.begin({
      signal: 'logs',
      service: 'shop',
      request: {},
      records: new Map([['a', 'one']]),
    });
    entry.became(OK);
    const { findings } = compare([{ id: 'a', text: 'ore' }], ledger, new Set());
    expect(findings).toEqual([expect.stringContaining('expected …one… but read …ore…')]);
  });

  it('counts what was acknowledged, delivered, doubled, lost and put aside', () => {
    expect(judged({ fate: OK }, ['a', 'a'], ['b']).counts).toEqual({
      acknowledged: 2,
      repeated: 0,
      refused: 0,
      delivered: 1,
      duplicates: 1,
      deadLettered: 1,
      lost: 0,
    });
    expect(judged({ fate: { kind: 'acknowledged', rejected: 1 } }, []).counts).toMatchObject({
      acknowledged: 1,
      refused: 1,
      lost: 1,
    });
  });
});
