import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Holds, openHolds } from '../../../../src/ingest/queue/holds.ts';
import type { Member } from '../../../../src/ingest/queue/queue-folder.ts';

const LEASE_MS = 100;
const a = { shard: 's0', id: 'a' };

describe('holds', () => {
  let dir: string;
  let nowMs: number;
  let dead: Set<string>;
  let mine: Holds;
  let theirs: Holds;

  const openFor = (id: string) => {
    const self: Member = {
      id,
      isAlive: other => !dead.has(other),
      alone: act => act(),
      leave: () => Promise.resolve(),
    };
    return openHolds({ dir, self, leaseMs: LEASE_MS, clock: { now: () => nowMs } });
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'otelfan-holds-'));
    nowMs = 1_000_000;
    dead = new Set();
    mine = await openFor('me');
    theirs = await openFor('them');
  });

  afterEach(async () => {
    await mine.close();
    await theirs.close();
    await rm(dir, { recursive: true });
  });

  it('a lease holds for its time, for its owner and for others', async () => {
    expect(await mine.lease(a)).toBeDefined();
    nowMs += LEASE_MS - 1;
    expect(await mine.lease(a)).toBeUndefined();
    expect(await theirs.lease(a)).toBeUndefined();
    nowMs += 1;
    expect(await theirs.lease(a)).toBeDefined();
    expect(await mine.lease(a)).toBeUndefined();
  });

  it('a lease ends with its owner', async () => {
    await mine.lease(a);
    dead.add('me');
    expect(await theirs.lease(a)).toBeDefined();
  });

  it('a delay holds for its time, also when who asked for it is gone', async () => {
    await mine.delay(a, (await mine.lease(a)) as never, 50);
    dead.add('me');
    expect(await theirs.lease(a)).toBeUndefined();
    nowMs += 50;
    expect(await theirs.lease(a)).toBeDefined();
  });

  it('a delay of a claim that passed to somebody else changes nothing', async () => {
    const lost = await mine.lease(a);
    nowMs += LEASE_MS;
    await theirs.lease(a);
    await mine.delay(a, lost as never, 0);
    expect(await mine.lease(a)).toBeUndefined();
  });

  it('what is forgotten is free, what is not is not', async () => {
    await mine.lease(a);
    const b = { shard: 's0', id: 'b' };
    await mine.lease(b);
    await theirs.forget(a);
    expect(await theirs.lease(a)).toBeDefined();
    expect(await theirs.lease(b)).toBeUndefined();
  });
});
