import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { newBatch } from '../conformance/new-batch.ts';
import { openDataFolderQueue } from '../support/queue-samples.ts';
import { temporaryFolder } from '../support/systems.ts';

const SUPPORT = join(import.meta.dirname, '..');

/** Ends in the middle of its first commits, as an uncaught error does. */
const SCRIPT = `
  import { newBatch } from '${SUPPORT}/conformance/new-batch.ts';
  import { openDataFolderQueue } from '${SUPPORT}/support/queue-samples.ts';
  const queue = await openDataFolderQueue(process.argv[1]);
  const enqueueForever = async () => {
    for (;;) await queue.enqueue([newBatch('s0')]);
  };
  for (let i = 0; i < 4; i++) void enqueueForever();
  setTimeout(() => process.exit(3), 100);
`;

it('a process that exits while it stores does end, and leaves the queue to the others', async () => {
  const folder = await temporaryFolder();
  const children = Array.from({ length: 5 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, folder.path], { stdio: 'inherit' }),
  );
  try {
    const signal = AbortSignal.timeout(20_000);
    await Promise.all(children.map(child => once(child, 'exit', { signal })));
    const queue = await openDataFolderQueue(folder.path);
    expect(await queue.enqueue([newBatch('s1')])).toEqual({ kind: 'stored' });
    await queue.stop();
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await folder.remove();
  }
});
