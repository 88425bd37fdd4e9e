import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningCli, startCli } from './cli.ts';

/** A serving command that can be ended and started again: at its old addresses, with what it left behind. */
export interface Restartable
  extends Pick<RunningCli, 'addresses' | 'pid' | 'stderr' | 'stop' | 'kill' | 'pause' | 'resume'> {
  /** The command, and what else tells it from others. */
  readonly name: string;
  isRunning(): boolean;
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

export async function startRestartable(options: RestartableOptions): Promise<Restartable> {
  const { name, args, ports, env, onCrash = () => {} } = options;
  let isMeantToRun = false;
  let isRunning = false;

  async function launch(portOf: (port: string) => string): Promise<RunningCli> {
    const started = await startCli(
      [...args, ...ports.flatMap(port => [`--${port}-port`, portOf(port)])],
      env,
    );
    isMeantToRun = true;
    isRunning = true;
    void started.ended.then(how => {
      isRunning = false;
      if (isMeantToRun) onCrash(`${name} ended by itself with ${how}: ${started.stderr().slice(-500)}`);
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
    isRunning: () => isRunning,
    async stop(signal) {
      await starting.catch(() => undefined);
      isMeantToRun = false;
      const exitCode = await current.stop(signal);
      isRunning = false;
      return exitCode;
    },
    async kill() {
      await starting.catch(() => undefined);
      isMeantToRun = false;
      await current.kill();
      isRunning = false;
    },
    pause: () => current.pause(),
    resume: () => current.resume(),
    async start() {
      if (isRunning) return;
      starting = relaunch().then(started => {
        current = started;
      });
      await starting;
    },
  };
}
