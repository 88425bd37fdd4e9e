import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { mountSyncedDisk } from '../support/synced-disk.ts';

it('a disk after a power cut has what was synced, and not what was only written', async context => {
  const disk = await mountSyncedDisk();
  if (typeof disk === 'string') return context.skip(disk);
  try {
    const write = (name: string, isSynced: boolean) => {
      const file = openSync(join(disk.path, name), 'a');
      writeSync(file, name);
      if (isSynced) fsyncSync(file);
      closeSync(file);
    };
    write('synced', true);
    write('written', false);
    // Somebody else's sync is none of theirs.
    write('synced too', true);
    const after = await disk.asSynced();
    const content = (name: string) => readFile(join(after, name), 'utf8').catch(() => '');
    expect(await content('synced')).toBe('synced');
    expect(await content('synced too')).toBe('synced too');
    expect(await content('written')).toBe('');
    expect(await readFile(join(disk.path, 'written'), 'utf8')).toBe('written');
  } finally {
    await disk.remove();
  }
});
