import { Cluster, Command, type Redis } from 'ioredis';
import type { RedisClient } from './redis-client.ts';

export type RedisArgument = string | number | Buffer;

/** A command and its arguments. */
export type RedisCall = readonly [name: string, ...args: RedisArgument[]];

/** The error of a call, or its reply. */
export type RedisReply = readonly [Error | null, unknown];

/**
 * Executes the calls in one MULTI; in a cluster, all their keys have one hash tag.
 *
 * @throws the error that made Redis discard the whole, with those of the calls as `previousErrors`.
 */
export async function executeCalls(client: RedisClient, calls: readonly RedisCall[]): Promise<RedisReply[]> {
  // Only a pipeline of ioredis knows how to follow a slot that moves.
  const replies =
    client instanceof Cluster
      ? await client.multi(calls.map(call => [...call])).exec()
      : await executeOn(client, calls);
  return replies ?? [];
}

/**
 * Writes the calls straight to the server's socket. A pipeline of ioredis gathers them in one buffer first; with
 * payloads in them, the memory for that, and collecting it, costs more than everything else.
 */
async function executeOn(server: Redis, calls: readonly RedisCall[]): Promise<RedisReply[] | null> {
  const previousErrors: unknown[] = [];
  const send = ([name, ...args]: RedisCall) => {
    const queued = server.sendCommand(new UncopiedCommand(name, args)) as Promise<unknown>;
    queued.catch((error: unknown) => previousErrors.push(error));
  };
  const { stream } = server;
  stream?.cork();
  send(['multi']);
  calls.forEach(send);
  const replies = server.exec();
  process.nextTick(() => stream?.uncork());
  try {
    return await replies;
  } catch (error) {
    throw error instanceof Error ? Object.assign(error, { previousErrors }) : error;
  }
}

/** Hands its buffers to the socket as they are, where a plain command copies all its arguments into one of its own. */
class UncopiedCommand extends Command {
  override toWritable(socket: object): string | Buffer {
    if (!('write' in socket) || typeof socket.write !== 'function') return super.toWritable(socket);
    let text = `*${this.args.length + 1}\r\n${lengthOf(this.name)}${this.name}\r\n`;
    for (const argument of this.args) {
      if (argument instanceof Buffer) {
        socket.write(text + lengthOf(argument));
        socket.write(argument);
        text = '\r\n';
      } else {
        const part = String(argument);
        text += `${lengthOf(part)}${part}\r\n`;
      }
    }
    return text;
  }
}

/** The line of the Redis protocol that precedes a string. */
function lengthOf(part: string | Buffer): string {
  return `$${Buffer.byteLength(part)}\r\n`;
}
