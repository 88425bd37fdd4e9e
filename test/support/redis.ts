import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

/**
 * Why tests that kill, freeze or fill a Redis cannot run here, or `undefined` when they can. One that was given by
 * its address is somebody's own: it is only ever added to.
 */
export const cannotControlRedis: string | undefined = reasonNotToControl();

function reasonNotToControl(): string | undefined {
  if (process.env.OTELFAN_TEST_REDIS_URL !== undefined) {
    return 'OTELFAN_TEST_REDIS_URL names a server that tests may not stop';
  }
  // Signals reach the client that started the container, not the server inside.
  return isOwnProcess() ? undefined : 'redis-server runs in a container';
}

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
  /** SIGKILL; `start` brings it back with what its append-only file holds. */
  kill(): Promise<void>;
  /** SIGTERM, at which it writes everything first; `start` brings it back. */
  shutDown(): Promise<void>;
  start(): Promise<void>;
  /** SIGSTOP: connections stay open, nothing is answered. */
  pause(): void;
  resume(): void;
  isRunning(): boolean;
}

export interface TestRedisOptions {
  /** Further arguments of redis-server, such as `--maxmemory`, `32mb`. */
  readonly args?: readonly string[];
  /** False leaves it down until `start`. Default true. */
  readonly started?: boolean;
  /** Default: a free one that the system chooses. */
  readonly port?: number;
  /** Where its data is, which is then left there. Default: a temporary folder. */
  readonly dir?: string;
}

/** A name no other test uses, for keys in a server that is shared. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(6).toString('hex')}`;
}

/** A redis-server of the test's own on a free loopback port, or the one that OTELFAN_TEST_REDIS_URL names. */
export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const { args = [], started = true } = options;
  const given = process.env.OTELFAN_TEST_REDIS_URL;
  if (given !== undefined) return givenRedis(given);

  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'otelfan-redis-')));
  const port = options.port ?? (await freePort());
  const url = `redis://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const [command, ...words] = serverCommand();
    const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', ''];
    const durability = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
    const place = isOwnProcess() ? ['--dir', dir] : [];
    child = spawn(command, [...words, ...settings, ...durability, ...place, ...args], { stdio: 'ignore' });
    await untilAnswering(url, child);
  }

  const isRunning = () => child !== undefined && child.exitCode === null && child.signalCode === null;

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child === undefined || !isRunning()) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  if (started) await start();
  return {
    url,
    port,
    start,
    kill: () => end('SIGKILL'),
    shutDown: () => end('SIGTERM'),
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    isRunning,
    async stop() {
      await end(isOwnProcess() ? 'SIGKILL' : 'SIGTERM');
      // A child of it that was saving may not have ended yet.
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

function givenRedis(url: string): TestRedis {
  const refuse = () => {
    throw new Error(cannotControlRedis);
  };
  return {
    url,
    port: Number(new URL(url).port || 6379),
    stop: () => Promise.resolve(),
    start: refuse,
    kill: refuse,
    shutDown: refuse,
    pause: refuse,
    resume: refuse,
    isRunning: () => true,
  };
}

function serverCommand(): [string, ...string[]] {
  const words = process.env.OTELFAN_TEST_REDIS_COMMAND;
  return words === undefined ? ['redis-server'] : (JSON.parse(words) as [string, ...string[]]);
}

function isOwnProcess(): boolean {
  return basename(serverCommand()[0]) === 'redis-server';
}

/** One that nobody listens on; the given one, if it is free. */
export async function freePort(wanted = 0): Promise<number> {
  const server = createServer().listen(wanted, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

const START_TIMEOUT_MS = 20_000;

async function untilAnswering(url: string, child: ChildProcess): Promise<void> {
  const failed = once(child, 'exit').then(
    ([code]) => Promise.reject(new Error(`redis-server ended with ${code} at start`)),
    error => Promise.reject(new Error('redis-server could not be started', { cause: error })),
  );
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: null });
  client.on('error', () => undefined);
  const answering = async () => {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < deadline) {
      try {
        await client.connect();
        await client.ping();
        return;
      } catch {
        await sleep(20);
      }
    }
    throw new Error(`redis-server did not answer within ${START_TIMEOUT_MS} ms`);
  };
  // A server that ends later is no failure of its start.
  failed.catch(() => undefined);
  try {
    await Promise.race([answering(), failed]);
  } finally {
    client.disconnect();
  }
}
