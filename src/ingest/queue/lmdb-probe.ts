import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('./lmdb-probe-child.mjs', import.meta.url));

/** Far above what was seen (10 000 batches of 550 MB in total: a fifth of a second), for disks that are slow or busy. */
const MIN_TIMEOUT_MS = 60_000;
const TIMEOUT_MS_PER_MIB = 20;

/**
 * Why an LMDB file cannot be opened; `undefined` when it can, or is not there yet. A damaged file kills the process
 * that maps it into its memory, so another one goes first: it walks the trees and reads what is newest. Damage
 * between the trees, to the bytes of batches, is not looked for here; they have checksums.
 */
export async function probeLmdb(dir: string): Promise<string | undefined> {
  const sizeBytes = await stat(join(dir, 'data.mdb')).then(
    file => file.size,
    () => 0,
  );
  if (sizeBytes === 0) return undefined;
  const child = spawn(process.execPath, [CHILD, dir], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: MIN_TIMEOUT_MS + Math.ceil(sizeBytes / 1024 ** 2) * TIMEOUT_MS_PER_MIB,
    killSignal: 'SIGKILL',
  });
  const [errors, [code, signal]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  if (code === 0) return undefined;
  if (signal === 'SIGKILL') return 'reading it did not end';
  if (signal !== null) return `reading it ended with ${signal}`;
  return /^\w*Error: .*$/m.exec(errors)?.[0] ?? `reading it ended with exit code ${code}`;
}
