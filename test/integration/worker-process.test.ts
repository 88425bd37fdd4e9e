import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const KILLED_WORKER = fileURLToPath(new URL('../support/killed-worker.ts', import.meta.url));

it('a worker that is killed with a connection on its way to it leaves no socket open', async () => {
  const primary = spawn(process.execPath, [KILLED_WORKER], {
    stdio: 'inherit',
    timeout: 10_000,
    killSignal: 'SIGKILL',
  });
  const [code, signal] = (await once(primary, 'exit')) as [number | null, NodeJS.Signals | null];
  expect([code, signal]).toEqual([0, null]);
});
