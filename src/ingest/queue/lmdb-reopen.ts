import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('./lmdb-reopen-child.mjs', import.meta.url));
const TIMEOUT_MS = 30_000;

/**
 * Opens an LMDB file and closes it, in another process: one process has a file open once.
 * @throws Error with what the other process said when it failed
 */
export async function reopenLmdb(dir: string): Promise<void> {
  const child = spawn(process.execPath, [CHILD, dir], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const [errors, [code, signal]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  if (code !== 0) throw new Error(`opening ${dir} once more ended with ${code ?? signal}: ${errors}`);
}
