/** What a Redis server says about itself that matters to a queue which must not lose anything. */
export interface RedisSuitability {
  /** Why nothing can be stored there now. */
  readonly refusal: string | undefined;
  /** What may cost stored batches; each names the setting of Redis that removes it. */
  readonly risks: readonly string[];
  /** What an operator should know all the same. */
  readonly advice: readonly string[];
  /** Part of its `maxmemory` that is in use; `undefined` where it has none. */
  readonly memoryShare: number | undefined;
}

/** Claiming needs memory too: a Redis that was filled to the brim could never be drained. */
const MAX_MEMORY_SHARE = 0.8;

/** What must be left of the machine's memory for the copies that rewriting the append-only file makes. */
const MAX_MACHINE_SHARE = 0.6;

export interface SuitabilityQuestion {
  /** Replies to `INFO memory` and `INFO persistence`; empty where the server may not be asked. */
  readonly info: string;
  /** Reply to `CONFIG GET appendfsync`; `undefined` where the server may not be asked. */
  readonly appendFsync: string | undefined;
  /** Payload bytes that the queue may hold on this server. */
  readonly maxQueueBytes: number;
}

export function judgeRedis({ info, appendFsync, maxQueueBytes }: SuitabilityQuestion): RedisSuitability {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const bytes = (name: string) => Number(field(name) ?? 0);
  const policy = field('maxmemory_policy');
  const maxBytes = bytes('maxmemory');
  const machineBytes = bytes('total_system_memory');
  const risks: string[] = [];
  const advice: string[] = [];

  if (policy === undefined) {
    risks.push('it does not tell its maxmemory-policy; it must be noeviction, or batches can vanish');
  } else if (policy !== 'noeviction') {
    risks.push(`it evicts keys when its memory is full (maxmemory-policy ${policy}); it must be noeviction`);
  }
  const appendOnly = field('aof_enabled');
  if (appendOnly === undefined) {
    risks.push('it does not tell whether it keeps an append-only file; appendonly must be yes');
  } else if (appendOnly !== '1') {
    risks.push(
      'it keeps no append-only file (appendonly no); when it restarts, what came after its last snapshot is gone',
    );
  } else if (appendFsync === 'no') {
    risks.push('it leaves syncing to the operating system (appendfsync no); use everysec or always');
  }
  if (maxBytes > 0 && maxQueueBytes > MAX_MEMORY_SHARE * maxBytes) {
    advice.push(
      `its part of queue.maxBytes (${maxQueueBytes}) is more than ${MAX_MEMORY_SHARE * 100} % of its maxmemory (${maxBytes}), from where on nothing is stored for any shard: raise maxmemory, or lower queue.maxBytes to half of it`,
    );
  }
  if (maxBytes === 0 && machineBytes > 0 && maxQueueBytes > MAX_MACHINE_SHARE * machineBytes) {
    advice.push(
      `it has no maxmemory, and queue.maxBytes (${maxQueueBytes}) is more than ${MAX_MACHINE_SHARE * 100} % of the memory of its machine (${machineBytes}): set maxmemory, or lower queue.maxBytes`,
    );
  }
  const usedBytes = bytes('used_memory');
  return {
    refusal: refusalOf({ policy, usedBytes, maxBytes }),
    risks,
    advice,
    memoryShare: maxBytes === 0 ? undefined : usedBytes / maxBytes,
  };
}

interface Memory {
  readonly policy: string | undefined;
  readonly usedBytes: number;
  /** 0 is unlimited. */
  readonly maxBytes: number;
}

function refusalOf({ policy, usedBytes, maxBytes }: Memory): string | undefined {
  if (policy?.startsWith('allkeys') === true) {
    return `Redis evicts keys (maxmemory-policy ${policy}), batches among them; it must be noeviction`;
  }
  if (maxBytes === 0 || usedBytes < MAX_MEMORY_SHARE * maxBytes) return undefined;
  return `Redis uses ${usedBytes} of ${maxBytes} bytes (maxmemory); the queue stores up to ${MAX_MEMORY_SHARE * 100} %`;
}
