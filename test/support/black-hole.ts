import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface BlackHole {
  readonly port: number;
  stop(): Promise<void>;
}

/** Listens, and never accepts: its event loop stands still. */
const LISTENER = `
  const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    process.stdout.write(server.address().port + '\\n', () =>
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });`;
/** More than the kernel completes on its own for a backlog of one. */
const FILLERS = 8;

/** A port of a machine that is gone: connecting to it neither succeeds nor fails. */
export async function startBlackHole(): Promise<BlackHole> {
  const child: ChildProcess = spawn(process.execPath, ['-e', LISTENER], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const port = Number(line.toString());
  const fillers: Socket[] = [];
  for (let index = 0; index < FILLERS; index++) {
    fillers.push(connect({ port, host: '127.0.0.1' }).on('error', () => {}));
  }
  await once(fillers[0] as Socket, 'connect');
  return {
    port,
    async stop() {
      const exited = once(child, 'exit');
      for (const filler of fillers) filler.destroy();
      child.kill('SIGKILL');
      await exited;
    },
  };
}
