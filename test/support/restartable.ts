import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningCli, startCli } from './cli.ts';

/** A serving command that can be ended and started again: at its old addresses, with what it left behind. */
export interface Restartable
  extends Pick<
    RunningCli,
    'addresses' | 'pid' | 'stderr' | 'isRunning' | 'stop' | 'kill' | 'pause' | 'resume'
  > {
  /** The command, and what else tells it from others. */
  readonly name: string;
  /** Without effect while it runs. */
  start(): Promise<void>;
}

interface RestartableOptions {
  readonly name: string;
  readonly args: readonly string[];
  /** Its ports by the names of their flags, which are those of its addresses, too: `http` for `--http-port`. */
  readonly ports: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Told when it ends and nobody asked for it, in words. */
  readonly onCrash?: (words: string) => void;
}

const START_TRIES = 20;
const START_AGAIN_MS = 500;
/** Characters; the stack of a native crash fits. */
const LAST_WORDS = 3000;

export async function startRestartable(options: RestartableOptions): Promise<Restartable> {
  const { name, args, ports, env, onCrash = () => {} } = options;
  const meantToEnd = new WeakSet<RunningCli>();

  async function launch(portOf: (port: string) => string): Promise<RunningCli> {
    const started = await startCli(
      [...args, ...ports.flatMap(port => [`--${port}-port`, portOf(port)])],
      env,
    );
    void started.ended.then(how => {
      if (!meantToEnd.has(started))
        onCrash(`${name} ended by itself with ${how}: ${started.stderr().slice(-LAST_WORDS)}`);
    });
    return started;
  }

  /** While it was down, a connection of somebody else may have got its port for a while. */
  async function relaunch(): Promise<RunningCli> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await launch(port => new URL(addresses[port] ?? '').port);
      } catch (error) {
        if (tries === START_TRIES || !String(error).includes('is in use')) throw error;
      }
      await sleep(START_AGAIN_MS);
    }
  }

  /** One that is starting can be ended once it runs. */
  let starting: Promise<void> = Promise.resolve();
  let current = await launch(() => '0');
  const { addresses } = current;
  return {
    name,
    addresses,
    get pid() {
      return current.pid;
    },
    stderr: () => current.stderr(),
    isRunning: () => current.isRunning(),
    async stop(signal) {
      await starting.catch(() => undefined);
      if (current.isRunning()) meantToEnd.add(current);
      return current.stop(signal);
    },
    async kill() {
      await starting.catch(() => undefined);
      if (current.isRunning()) meantToEnd.add(current);
      await current.kill();
    },
    pause: () => current.pause(),
    resume: () => current.resume(),
    async start() {
      if (current.isRunning()) return;
      starting = relaunch().then(started => {
        current = started;
      });
      await starting;
    },
  };
}
