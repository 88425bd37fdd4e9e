import { existsSync } from 'node:fs';
import type { Hash } from '../shared/topology/hash.ts';
import { holdDataFolder } from './store/data-folder.ts';
import { firstLine, type InstanceOptions, openInstance, withConnection } from './store/instance.ts';
import { SCHEMA_VERSION, schemaVersion } from './store/migrations.ts';
import { remedyOf } from './store/shortage.ts';
import { UnusableDataError } from './store/unusable-data-error.ts';
import { type Check, type VerifyParts, verifyStore } from './store/verify.ts';

export type VerifyReport =
  /** `incomplete` when no damage was found and some checks could not be made. */
  | { readonly kind: 'sound' | 'damaged' | 'incomplete'; readonly checks: readonly Check[] }
  /** The folder is in use, or there is none, or there is too little memory to open it. */
  | { readonly kind: 'not checked'; readonly reason: string };

export interface VerifyOptions extends InstanceOptions {
  /** Of one shard. */
  readonly dataDir: string;
  readonly hash: Hash;
  /** Called with the name of each check before it is made. */
  readonly onProgress: (check: string) => void;
}

const OPENS = 'the file opens';

/** Checks the data of a shard that does not run, and leaves it as it is. */
export async function verifyFolder(options: VerifyOptions): Promise<VerifyReport> {
  const { dataDir, onProgress } = options;
  let folder: Awaited<ReturnType<typeof holdDataFolder>>;
  try {
    folder = await holdDataFolder({ dataDir, waitMs: 0 });
  } catch (error) {
    return { kind: 'not checked', reason: firstLine(error) };
  }
  try {
    if (!existsSync(folder.databasePath)) {
      return { kind: 'not checked', reason: `there is no ${folder.databasePath}` };
    }
    onProgress(OPENS);
    return await checkFile(folder.databasePath, options);
  } finally {
    folder.release();
  }
}

async function checkFile(path: string, options: VerifyOptions): Promise<VerifyReport> {
  try {
    const instance = await openInstance(path, options, { access_mode: 'READ_ONLY' });
    try {
      return await withConnection(instance, connection => checkTables({ ...options, connection }));
    } finally {
      instance.closeSync();
    }
  } catch (error) {
    if (!(error instanceof UnusableDataError)) throw error;
    if (remedyOf(error.cause) !== undefined) return { kind: 'not checked', reason: error.message };
    return { kind: 'damaged', checks: [{ name: OPENS, result: 'damaged', detail: error.message }] };
  }
}

async function checkTables(parts: VerifyParts): Promise<VerifyReport> {
  const version = await schemaVersion(parts.connection);
  if (version !== SCHEMA_VERSION) {
    const remedy = version < SCHEMA_VERSION ? 'start the shard once' : 'run a newer one';
    return {
      kind: 'not checked',
      reason: `it has schema version ${version} and this otelfan checks ${SCHEMA_VERSION}: ${remedy}`,
    };
  }
  const checks = await verifyStore(parts);
  const isAny = (wanted: Check['result']) => checks.some(({ result }) => result === wanted);
  return {
    kind: isAny('damaged') ? 'damaged' : isAny('not made') ? 'incomplete' : 'sound',
    checks: [{ name: OPENS, result: 'ok', detail: `schema version ${version}` }, ...checks],
  };
}
