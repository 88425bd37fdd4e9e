import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Logger } from 'pino';
import { z } from 'zod';
import { type Component, once } from '../../shared/lifecycle.ts';
import { UserError } from '../exit-codes.ts';
import { type Liveness, type LivenessOptions, watchLiveness } from './liveness.ts';

/** A shard in a process of its own. What ends it or makes it silent is contained there, and it is started again. */
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
  /** For tests. */
  readonly liveness?: LivenessOptions;
  readonly firstStartLimitMs?: number;
  readonly startLimitMs?: number;
  readonly logger: Logger;
}

const READY = z.object({ otlp: z.url(), read: z.url() });
type Ready = z.output<typeof READY>;

const RESTART_FIRST_MS = 250;
const RESTART_MAX_MS = 10_000;
/** A process that lived this long was healthy: its end is a new story. */
const STABLE_AFTER_MS = 30_000;
const STOP_GRACE_MS = 15_000;
const LIVENESS: LivenessOptions = { everyMs: 5_000, silences: 6 };
/**
 * A process that is not ready by then is ended: nothing outside tells a slow start from one that stands still. The
 * first start may have a large file to migrate, and fails as a whole when it does not get ready. Later ones replay a
 * WAL, which takes seconds, and are tried again with twice the time: one that only is slow is through some time.
 */
const FIRST_START_LIMIT_MS = 30 * 60_000;
const START_LIMIT_MS = 5 * 60_000;
/** Somebody waits for the first start and wants to know why. */
const TELL_AFTER_MS = 30_000;

/** @throws UserError when its process ends, says something else, or is not ready in time at the first start */
export async function startShardProcess(options: ShardProcessOptions): Promise<ShardProcess> {
  const {
    id,
    logger,
    liveness: livenessOptions = LIVENESS,
    firstStartLimitMs = FIRST_START_LIMIT_MS,
    startLimitMs: usualLimitMs = START_LIMIT_MS,
  } = options;
  let isStopping = false;
  let restartMs = RESTART_FIRST_MS;
  let restartTimer: NodeJS.Timeout | undefined;
  let startLimitMs = usualLimitMs;
  let liveness: Liveness | undefined;

  let child = spawnShard(options, { otlpPort: '0', readPort: '0' });
  const addresses = await firstReady();
  const ports = { otlpPort: new URL(addresses.otlp).port, readPort: new URL(addresses.read).port };
  watch(child);
  watchAnswers();

  async function firstReady(): Promise<Ready> {
    const tell = setTimeout(() => {
      logger.warn({ shard: id, firstStartLimitMs }, 'shard process is not ready yet; it opens its data');
    }, TELL_AFTER_MS);
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, firstStartLimitMs);
    try {
      return await readyOf(child);
    } catch (error) {
      if (!isLate) throw error;
      throw new UserError(`shard ${id} was not ready after ${firstStartLimitMs} ms and was ended`);
    } finally {
      clearTimeout(tell);
      clearTimeout(limit);
    }
  }

  function watch(watched: ChildProcess): void {
    const startedAtMs = performance.now();
    // Unlike `exit`, this also comes when there was no process to begin with.
    watched.once('close', (code, signal) => {
      liveness?.stop();
      if (isStopping) return;
      if (performance.now() - startedAtMs >= STABLE_AFTER_MS) restartMs = RESTART_FIRST_MS;
      logger.error({ shard: id, code, signal, restartMs }, 'shard process ended; starting it again');
      restartTimer = setTimeout(restart, restartMs);
      restartMs = Math.min(restartMs * 2, RESTART_MAX_MS);
    });
  }

  function watchAnswers(): void {
    const watched = child;
    liveness = watchLiveness(`${addresses.read}/healthz`, {
      ...livenessOptions,
      onStuck: () => {
        logger.error({ shard: id, ...livenessOptions }, 'shard process does not answer; ending it');
        watched.kill('SIGKILL');
      },
    });
  }

  // The same ports again: the topology of this run names them.
  function restart(): void {
    const started = spawnShard(options, ports);
    child = started;
    watch(started);
    const limit = setTimeout(() => {
      logger.error({ shard: id, startLimitMs }, 'shard process is not ready; ending it');
      startLimitMs *= 2;
      started.kill('SIGKILL');
    }, startLimitMs);
    readyOf(started)
      .then(
        () => {
          // It may have been told to stop in the meantime, or have ended.
          if (isStopping || child !== started) return;
          startLimitMs = usualLimitMs;
          watchAnswers();
          logger.warn({ shard: id }, 'shard process is back');
        },
        (error: unknown) => logger.error({ shard: id, err: error }, 'shard process did not start'),
      )
      .finally(() => clearTimeout(limit));
  }

  return {
    id,
    pid: () => child.pid,
    ...addresses,
    stop: once(async () => {
      isStopping = true;
      clearTimeout(restartTimer);
      liveness?.stop();
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
      env: options.env,
    },
  );
}

/** What it listens at. A process that says anything else first is ended. */
function readyOf(child: ChildProcess): Promise<Ready> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new UserError('a shard did not start; its own message is above')));
    if (child.stdout === null) throw new Error('shard process has no stdout');
    createInterface({ input: child.stdout }).once('line', line => {
      const ready = parsedReady(line);
      if (ready !== undefined) return resolve(ready);
      reject(new UserError(`a shard did not say where it listens but ${JSON.stringify(line.slice(0, 200))}`));
      child.kill('SIGKILL');
    });
  });
}

function parsedReady(line: string): Ready | undefined {
  try {
    return READY.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
