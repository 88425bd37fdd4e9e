import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/systems.ts';

const BIN = join(import.meta.dirname, '..', '..', 'bin', 'otelfan.mjs');

function startChildShard(dataDir: string): ChildProcess {
  const args = [
    'shard',
    '--id',
    's0',
    '--data-dir',
    dataDir,
    '--otlp-port',
    '0',
    '--read-port',
    '0',
    '--json',
  ];
  return spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'ignore', 'ipc'] });
}

it.each([
  ['as it starts', 0],
  ['a moment later', 150],
])('a shard whose parent is gone %s ends by itself and lets go of its data', async (_when, afterMs) => {
  const folder = await temporaryFolder();
  const child = startChildShard(folder.path);
  try {
    const exited = once(child, 'exit', { signal: AbortSignal.timeout(60_000) });
    await new Promise(resolve => setTimeout(resolve, afterMs));
    child.disconnect();
    expect(await exited).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
    await folder.remove();
  }
});
