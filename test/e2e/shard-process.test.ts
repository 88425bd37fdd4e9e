import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { it } from 'vitest';
import { startShardProcess } from '../../src/cli/compose/shard-process.ts';
import { eventually } from '../support/read-api.ts';
import { temporaryFolder } from '../support/systems.ts';

const BIN = join(import.meta.dirname, '..', '..', 'bin', 'otelfan.mjs');

it('a shard process that once could not be started is tried again', async () => {
  const folder = await temporaryFolder();
  const { execPath } = process;
  const node = join(folder.path, 'node');
  await copyFile(execPath, node);
  process.execPath = node;
  const shard = await startShardProcess({
    id: 's0',
    dataDir: folder.path,
    configFile: undefined,
    entry: [BIN],
    logLevel: 'silent',
    env: process.env,
    logger: pino({ level: 'silent' }),
  });
  try {
    await rename(node, `${node}.away`);
    process.kill(shard.pid() as number, 'SIGKILL');
    await eventually(
      () => Promise.resolve(shard.pid()),
      pid => pid === undefined,
    );
    await rename(`${node}.away`, node);
    await eventually(
      () =>
        fetch(`${shard.read}/readyz`).then(
          ({ status }) => status,
          () => 0,
        ),
      status => status !== 0,
    );
  } finally {
    process.execPath = execPath;
    await shard.stop();
    await folder.remove();
  }
});
