import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinFolder, type Member, UnusableQueueError } from '../../../../src/ingest/queue/queue-folder.ts';

describe('the members of a queue folder', () => {
  let dir: string;
  let firsts: number;
  let nowMs: number;

  const enter = (whenFirst = () => Promise.resolve()): Promise<Member> =>
    joinFolder({
      dir,
      clock: { now: () => nowMs },
      async whenFirst() {
        firsts += 1;
        await whenFirst();
      },
    });

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'otelfan-folder-'));
    firsts = 0;
    nowMs = 1_000_000;
  });

  afterEach(() => rm(dir, { recursive: true }));

  it('the first one is told so, and nobody else while it is there', async () => {
    const one = await enter();
    const two = await enter();
    expect(firsts).toBe(1);
    await one.leave();
    const three = await enter();
    expect(firsts).toBe(1);
    await two.leave();
    await three.leave();
    const four = await enter();
    expect(firsts).toBe(2);
    await four.leave();
  });

  it('nobody joins while a member does something alone', async () => {
    const member = await enter();
    let isOver = false;
    const alone = member.alone(async () => {
      await new Promise(resolve => setTimeout(resolve, 100));
      isOver = true;
    });
    const other = await enter();
    expect(isOver).toBe(true);
    await alone;
    await member.leave();
    await other.leave();
  });

  it('only one is the first of those who come at the same time, and the others wait until it is ready', async () => {
    let isReady = false;
    const slowly = async () => {
      await new Promise(resolve => setTimeout(resolve, 100));
      isReady = true;
    };
    const members = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const member = await enter(slowly);
        expect(isReady).toBe(true);
        return member;
      }),
    );
    expect(firsts).toBe(1);
    for (const member of members) await member.leave();
  });

  it('one that left is not alive, whoever asks; one that is there is', async () => {
    const [one, two] = [await enter(), await enter()];
    expect([one.isAlive(one.id), one.isAlive(two.id), two.isAlive(one.id)]).toEqual([true, true, true]);
    await two.leave();
    nowMs += 1000;
    expect(one.isAlive(two.id)).toBe(false);
    expect(one.isAlive('nobody')).toBe(false);
    await one.leave();
  });

  it('nothing is left of members that are gone', async () => {
    const one = await enter();
    await one.leave();
    expect(await readdir(join(dir, 'members'))).toEqual([]);
  });

  it('a folder that cannot be used, or prepared, is said so in one line', async () => {
    const file = join(dir, 'file');
    await writeFile(file, '');
    const inFile = joinFolder({ dir: file, clock: { now: () => 0 }, whenFirst: () => Promise.resolve() });
    await expect(inFile).rejects.toThrow(UnusableQueueError);
    await expect(inFile).rejects.toThrow(file);
    await expect(enter(() => Promise.reject(new Error('no space left')))).rejects.toThrow(
      `queue folder ${dir} cannot be used: no space left`,
    );
    // And the next one may try again.
    await (await enter()).leave();
  });
});
