import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('a worker that is killed with a connection on its way to it leaves no socket open', async () => {
  const script = join(import.meta.dirname, '..', 'support', 'killed-worker.ts');
  const primary = spawn(process.execPath, [script], {
    stdio: 'inherit',
    timeout: 10_000,
    killSignal: 'SIGKILL',
  });
  const [code, signal] = (await once(primary, 'exit')) as [number | null, NodeJS.Signals | null];
  expect([code, signal]).toEqual([0, null]);
});
