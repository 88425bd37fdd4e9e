import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { formsOf } from '../../shared/config/leaves.ts';
import type { Config } from '../../shared/config/schema.ts';
import { shardId } from '../../shared/config/schema.ts';
import { shardFolder } from '../compose/components.ts';
import { EXIT, UserError } from '../exit-codes.ts';
import { CONFIG_FLAGS, configFrom, type Flags, type ParsedFlags, parseFlags } from '../flags.ts';
import type { Io } from '../io.ts';

/** What the tasks on a stopped shard's data have in common. */
export const DATA_FLAGS = {
  id: {
    type: 'string',
    placeholder: 'ID',
    about: 'only this shard (default: every one in the data folder); may be repeated',
    multiple: true,
  },
  ...CONFIG_FLAGS,
  json: { type: 'boolean', about: 'one JSON object per shard; a pipe always gets JSON' },
  help: { type: 'boolean', about: 'show this text' },
} as const satisfies Flags;

export interface DataTask {
  readonly parsed: ParsedFlags;
  readonly config: Config;
  readonly shards: readonly StoredShard[];
  readonly asJson: boolean;
}

export interface StoredShard {
  readonly id: string;
  readonly folder: string;
}

/**
 * The arguments of a task on stored shards; `undefined` when help was asked for.
 * @throws UserError when there is nothing to work on
 */
export function dataTaskFrom(command: string, argv: readonly string[], io: Io): DataTask | undefined {
  const parsed = parseFlags(command, argv, DATA_FLAGS);
  if (parsed.isSet('help')) return undefined;
  const { config } = configFrom(parsed, DATA_FLAGS, io.env);
  const ids = parsed.texts('id');
  for (const id of ids) {
    if (shardId.safeParse(id).success) continue;
    throw new UserError(`--id ${id}: expected the shard's id, ${formsOf(shardId)}`, EXIT.usage);
  }
  const shards = (ids.length > 0 ? ids : storedIds(config.dataDir)).map(id => ({
    id,
    folder: shardFolder(config.dataDir, id),
  }));
  if (shards.length === 0) {
    throw new UserError(`there is no shard in ${config.dataDir}; name the data folder (--data-dir)`);
  }
  for (const { folder } of shards) {
    if (!existsSync(folder)) {
      throw new UserError(
        `there is no shard in ${folder}; name the data folder (--data-dir) and the shard (--id)`,
      );
    }
  }
  return { parsed, config, shards, asJson: parsed.isSet('json') || !io.isTty };
}

function storedIds(dataDir: string): string[] {
  const folder = join(dataDir, 'shards');
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}
