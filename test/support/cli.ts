import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that this one started may keep its stderr open. */
const LAST_WORDS_MS = 1000;

export const BIN = join(import.meta.dirname, '..', '..', 'bin', 'otelfan.mjs');

/** A running `otelfan` command that told where it listens. */
export interface RunningCli {
  readonly addresses: Readonly<Record<string, string>>;
  readonly pid: number;
  /** Everything written to stderr so far. */
  stderr(): string;
  /** Asks it to end and resolves to its exit code. */
  stop(signal?: 'SIGTERM' | 'SIGINT'): Promise<number | null>;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** Its exit code or the signal that ended it, once it has ended for whatever reason and its stderr was read. */
  readonly ended: Promise<number | NodeJS.Signals>;
  isRunning(): boolean;
  pause(): void;
  resume(): void;
}

interface FinishedCli {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function spawnCli(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('OTELFAN_')),
  );
  return spawn(process.execPath, [BIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, OTELFAN_LOG_LEVEL: 'warn', ...env },
  });
}

/** Starts a serving command with `--json` and waits until it is ready. */
export async function startCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<RunningCli> {
  const child = spawnCli([...args, '--json'], env);
  const stderr = textOf(child.stderr);
  const closed = once(child, 'close');
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const addresses = await new Promise<Record<string, string>>((resolve, reject) => {
    if (child.stdout === null) throw new Error('no stdout');
    createInterface({ input: child.stdout }).once('line', line =>
      resolve(JSON.parse(line) as Record<string, string>),
    );
    void exited.then(([code]) =>
      reject(new Error(`otelfan ${args.join(' ')} ended with ${code}: ${stderr()}`)),
    );
  });
  return {
    addresses,
    pid: child.pid as number,
    stderr,
    ended: exited.then(async ([code, signal]) => {
      await Promise.race([closed, sleep(LAST_WORDS_MS)]);
      return code ?? (signal as NodeJS.Signals);
    }),
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return (await exited)[0];
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
    isRunning: () => child.exitCode === null && child.signalCode === null,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  };
}

/** Runs a command to its end. */
export async function runCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<FinishedCli> {
  const child = spawnCli(args, env);
  const stdout = textOf(child.stdout);
  const stderr = textOf(child.stderr);
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, stdout: stdout(), stderr: stderr() };
}

function textOf(stream: NodeJS.ReadableStream | null): () => string {
  let text = '';
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}
