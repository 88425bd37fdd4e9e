import { createHash } from 'node:crypto';
import { createIORedisClient, type IRedisClient, type IRedisTransaction } from 'bullmq';
import type { Redis } from 'ioredis';
import type { RedisClient } from './redis-client.ts';
import { executeCalls, type RedisArgument, type RedisCall } from './redis-transaction.ts';

/**
 * A Redis client that runs scripts by their hash. ioredis has that, too, but copies every script that it knows into
 * each transaction it opens: with the sixty of BullMQ that costs more than anything else about storing a small batch.
 */
export interface ScriptClient {
  /** The same client for BullMQ, whose scripts then go the same way. */
  readonly bullmq: IRedisClient;
  defineScript(name: string, lua: string): void;
  run(name: string, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown>;
  /**
   * Executes what `build` puts into a transaction, all of whose keys have one hash tag. Resolves to the replies.
   * `build` is called again when a server did not know a script, so its commands may be executed twice.
   *
   * @throws PartialTransactionError when a command failed and its neighbours may not have.
   */
  transact(build: (transaction: ScriptTransaction) => Promise<void> | void): Promise<unknown[]>;
}

export interface ScriptTransaction {
  call(...call: RedisCall): void;
  /** For BullMQ, which can put its scripts into the transaction of somebody else. */
  readonly bullmq: Pick<IRedisTransaction, 'runCommand'>;
  run(name: string, keys: readonly string[], args: readonly RedisArgument[]): void;
}

export class PartialTransactionError extends Error {
  override readonly name = 'PartialTransactionError';
}

interface Script {
  readonly lua: string;
  readonly sha: string;
}

/** `nodes` are connections to all servers that may get a transaction. */
export function createScriptClient(client: RedisClient, nodes: () => readonly Redis[]): ScriptClient {
  const scripts = new Map<string, Script>();
  /** BullMQ says how many keys a script has when it defines it, not when it runs it. */
  const keyCounts = new Map<string, number>();
  const usedInTransactions = new Set<string>();

  function defineScript(name: string, lua: string): void {
    scripts.set(name, { lua, sha: createHash('sha1').update(lua).digest('hex') });
  }

  function scriptOf(name: string): Script {
    const script = scripts.get(name);
    if (script === undefined) throw new Error(`there is no script ${name}`);
    return script;
  }

  async function runScript(name: string, keyCount: number, args: RedisArgument[]): Promise<unknown> {
    const { sha, lua } = scriptOf(name);
    try {
      return await client.evalsha(sha, keyCount, ...args);
    } catch (error) {
      if (!isMissingScript(error)) throw error;
      return client.eval(lua, keyCount, ...args);
    }
  }

  function transactionOf(calls: RedisCall[]): ScriptTransaction {
    const add = (name: string, keyCount: number, args: RedisArgument[]) => {
      usedInTransactions.add(name);
      calls.push(['evalsha', scriptOf(name).sha, keyCount, ...args]);
    };
    return {
      call: (...call) => calls.push(call),
      bullmq: {
        runCommand(name, args) {
          add(name, keyCounts.get(name) ?? 0, args);
          return this as IRedisTransaction;
        },
      },
      run: (name, keys, args) => add(name, keys.length, [...keys, ...args]),
    };
  }

  async function loadScripts(): Promise<void> {
    const luas = [...usedInTransactions].map(name => scriptOf(name).lua);
    await Promise.all(nodes().flatMap(node => luas.map(lua => node.script('LOAD', lua))));
  }

  async function attempt(build: Parameters<ScriptClient['transact']>[0]): Promise<unknown[]> {
    const calls: RedisCall[] = [];
    await build(transactionOf(calls));
    const replies = await executeCalls(client, calls);
    return replies.map(([error, reply]) => {
      if (error !== null) throw new PartialTransactionError(error.message, { cause: error });
      return reply;
    });
  }

  return {
    bullmq: Object.create(createIORedisClient(client), {
      defineCommand: {
        value(name: string, definition: { readonly lua: string; readonly numberOfKeys: number }) {
          defineScript(name, definition.lua);
          keyCounts.set(name, definition.numberOfKeys);
        },
      },
      runCommand: {
        value: (name: string, args: RedisArgument[]) => runScript(name, keyCounts.get(name) ?? 0, args),
      },
    }) as IRedisClient,
    defineScript,
    run: (name, keys, args) => runScript(name, keys.length, [...keys, ...args]),
    async transact(build) {
      try {
        return await attempt(build);
      } catch (error) {
        if (!isMissingScript(error)) throw error;
        await loadScripts();
        return attempt(build);
      }
    },
  };
}

function isMissingScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
