import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Logger } from 'pino';
import { type Component, once } from '../../shared/lifecycle.ts';
import { UserError } from '../exit-codes.ts';

/** A shard in a process of its own: a crash there is contained, and the process is started again. */
export interface ShardProcess extends Component {
  readonly id: string;
  readonly pid: () => number | undefined;
  readonly otlp: string;
  readonly read: string;
}

interface ShardProcessOptions {
  readonly id: string;
  readonly dataDir: string;
  /** What `up` itself was configured with, apart from the environment. */
  readonly configFile: string | undefined;
  /** Arguments for Node up to and including the CLI's entry file. */
  readonly entry: readonly string[];
  readonly logLevel: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logger: Logger;
}

interface Ready {
  readonly otlp: string;
  readonly read: string;
}

/** DuckDB holds a libuv thread per running query; file access must not wait behind them. */
const THREAD_POOL_SIZE = '32';
const RESTART_FIRST_MS = 250;
const RESTART_MAX_MS = 10_000;
const STOP_GRACE_MS = 15_000;

export async function startShardProcess(options: ShardProcessOptions): Promise<ShardProcess> {
  const { id, logger } = options;
  let isStopping = false;
  let restartMs = RESTART_FIRST_MS;
  let restartTimer: NodeJS.Timeout | undefined;

  let child = spawnShard(options, { otlpPort: '0', readPort: '0' });
  const addresses = await readyOf(child);
  const ports = { otlpPort: new URL(addresses.otlp).port, readPort: new URL(addresses.read).port };
  watch(child);

  function watch(watched: ChildProcess): void {
    // Unlike `exit`, this also comes when there was no process to begin with.
    watched.once('close', (code, signal) => {
      if (isStopping) return;
      logger.error({ shard: id, code, signal, restartMs }, 'shard process ended; starting it again');
      restartTimer = setTimeout(restart, restartMs);
      restartMs = Math.min(restartMs * 2, RESTART_MAX_MS);
    });
  }

  // The same ports again: the topology of this run names them.
  function restart(): void {
    child = spawnShard(options, ports);
    watch(child);
    readyOf(child).then(
      () => {
        restartMs = RESTART_FIRST_MS;
        logger.warn({ shard: id }, 'shard process is back');
      },
      (error: unknown) => logger.error({ shard: id, err: error }, 'shard process did not start'),
    );
  }

  return {
    id,
    pid: () => child.pid,
    ...addresses,
    stop: once(async () => {
      isStopping = true;
      clearTimeout(restartTimer);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise<void>(resolve => child.once('exit', () => resolve()));
      const grace = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
      child.kill('SIGTERM');
      await ended;
      clearTimeout(grace);
    }),
  };
}

function spawnShard(
  options: ShardProcessOptions,
  ports: { otlpPort: string; readPort: string },
): ChildProcess {
  const args = [
    'shard',
    '--id',
    options.id,
    '--data-dir',
    options.dataDir,
    '--log-level',
    options.logLevel,
    '--json',
    ...(options.configFile === undefined ? [] : ['--config', options.configFile]),
  ];
  return spawn(
    process.execPath,
    [...options.entry, ...args, '--otlp-port', ports.otlpPort, '--read-port', ports.readPort],
    {
      // The IPC channel carries nothing: its end tells the shard that this process is gone.
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      env: { ...options.env, UV_THREADPOOL_SIZE: THREAD_POOL_SIZE },
    },
  );
}

function readyOf(child: ChildProcess): Promise<Ready> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new UserError('a shard did not start; its own message is above')));
    if (child.stdout === null) throw new Error('shard process has no stdout');
    createInterface({ input: child.stdout }).once('line', line => resolve(JSON.parse(line) as Ready));
  });
}
