import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { ShardSpec } from '../../shared/topology/topology.ts';
import { UserError } from '../exit-codes.ts';

/**
 * Which shards a data folder has, remembered between starts of `otelfan up`, so that a start with another number of
 * shards still reads what earlier ones stored: shards over the wanted number stay, draining.
 */
export interface LocalTopology {
  /** Grows by one whenever the number of active shards changes. */
  readonly version: number;
  /** The shards `s0` to `s<n-1>` receive data. */
  readonly activeCount: number;
  /** The largest number there ever was; all of them are read from. */
  readonly totalCount: number;
}

const DEFAULT_SHARDS = 3;

const schema = z.strictObject({
  version: z.int().min(1),
  activeCount: z.int().min(1),
  totalCount: z.int().min(1),
});

/** @param wanted number of shards, or `undefined` for what the folder has (a new one has three) */
export function resolveLocalTopology(dataDir: string, wanted: number | undefined): LocalTopology {
  const file = fileIn(dataDir);
  const stored = readLocalTopology(dataDir);
  const activeCount = wanted ?? stored?.activeCount ?? DEFAULT_SHARDS;
  if (stored?.activeCount === activeCount) return stored;
  const next = {
    version: (stored?.version ?? 0) + 1,
    activeCount,
    totalCount: Math.max(activeCount, stored?.totalCount ?? 0),
  };
  mkdirSync(dataDir, { recursive: true });
  // Renamed into place: a crash leaves the old file or the new one, never half of one.
  writeFileSync(`${file}.new`, `${JSON.stringify(next)}\n`, { flush: true });
  renameSync(`${file}.new`, file);
  return next;
}

/** What a data folder says of its shards; `undefined` when no `otelfan up` ever used it. */
export function readLocalTopology(dataDir: string): LocalTopology | undefined {
  const file = fileIn(dataDir);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new UserError(`cannot read ${file}: ${(error as Error).message}`);
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new UserError(
      `${file} is damaged; it says how many shards there are, as {"version":1,"activeCount":3,"totalCount":3}`,
    );
  }
}

/** The shards of a folder, at the addresses of this run. */
export function localShards(
  { activeCount, totalCount }: LocalTopology,
  addressesOf: (index: number) => Pick<ShardSpec, 'otlp' | 'read'>,
): ShardSpec[] {
  return Array.from({ length: totalCount }, (_, index) => {
    const { otlp, read } = addressesOf(index);
    const state = index < activeCount ? 'active' : 'draining';
    return { id: `s${index}`, kind: 'embedded', otlp, read, weight: 1, state };
  });
}

function fileIn(dataDir: string): string {
  return join(dataDir, 'topology.json');
}
