import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type LmdbFile, openLmdbFile } from '../../src/ingest/queue/lmdb-file.ts';
import { temporaryFolder } from '../support/systems.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: LmdbFile;
let waiting: ChildProcess | undefined;
beforeEach(async () => {
  folder = await temporaryFolder();
  file = await openLmdbFile({ path: folder.path, maxDbs: 2, mapBytes: 1024 ** 2 });
});
afterEach(async () => {
  waiting?.kill('SIGKILL');
  await file.close();
  await folder.remove();
});

const commit = (change: () => void) => file.commit(act => file.root.transactionSync(act), change);

/**
 * Works on the mark of the lock that somebody waits for it, while this process has the lock. In another process, as
 * whoever closes the lock file loses its locks on it.
 */
function onMark(script: string): void {
  const common = `
    import { openSync, readSync, writeSync } from 'node:fs';
    const file = openSync(process.argv[1], 'r+');
    const word = new Uint32Array(1);
    const read = at => readSync(file, word, 0, 4, at);
    const place = [64, 128].find(at => {
      read(at);
      return (word[0] & 0x3fffffff) === Number(process.argv[2]);
    });
    const isMarked = () => {
      read(place);
      return word[0] >= 0x80000000;
    };
    const unmark = () => writeSync(file, Buffer.of(0), 0, 1, place + 3);
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
  `;
  const lockFile = join(folder.path, 'lock.mdb');
  const args = ['--input-type=module', '-e', common + script, lockFile, String(process.pid)];
  execFileSync(process.execPath, args, { timeout: 60_000, killSignal: 'SIGKILL' });
}

it.runIf(isGlibc())(
  'a writer who waits when the one before it in line is killed is not left waiting',
  async () => {
    await commit(() => {
      onMark('unmark()');
      const { pathname } = new URL('../support/open-lmdb-file.ts', import.meta.url);
      waiting = spawn(process.execPath, [pathname, folder.path], { stdio: 'inherit' });
      onMark('while (!isMarked()) await sleep(10)');
      // As it is when one who was woken died of a signal, and this process took the lock again. Who is not asleep yet marks it anew.
      onMark('do { unmark(); await sleep(300) } while (isMarked())');
    });
    await commit(() => {});
    await expect.poll(() => waiting?.exitCode).toBe(0);
  },
);

/** Other C libraries keep count of those who wait. */
function isGlibc(): boolean {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}
