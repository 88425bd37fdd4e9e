import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { leavesOf } from '../../shared/config/leaves.ts';
import type { Config } from '../../shared/config/schema.ts';
import { type Hash, SLOT_COUNT } from '../../shared/topology/hash.ts';
import { movesBetween } from '../../shared/topology/movement.ts';
import { createTopology } from '../../shared/topology/topology.ts';
import {
  fixedTopology,
  type ReloadOutcome,
  type TopologySource,
  watchTopology,
} from '../../shared/topology/topology-source.ts';
import { EXIT, UserError } from '../exit-codes.ts';
import type { Settings } from '../flags.ts';

/** A change of the file is in force about two looks later. */
const LOOK_INTERVAL_MS = 1000;

interface SourceParts {
  readonly settings: Settings;
  readonly hash: Hash;
  /** Whose topology it is, for the error when there is none. */
  readonly command: string;
  readonly logger: Logger;
}

/**
 * The topology of a serving command. Where it comes from the configuration file it follows that file, and SIGHUP makes
 * it look at once.
 * @throws UserError when the configuration names no shards
 */
export function openTopology({ settings, hash, command, logger }: SourceParts): TopologySource {
  const { config, file, sources, withText } = settings;
  if (config.topology === undefined) {
    throw new UserError(
      `${command} needs a topology: name the shards in the configuration file or in OTELFAN_TOPOLOGY`,
      EXIT.usage,
    );
  }
  const initial = createTopology(config.topology, hash);
  if (file === undefined || sources.get('topology') !== `file ${file}`) {
    return reloadedOnHangup(fixedTopology(initial), () =>
      logger.warn('SIGHUP changes nothing: the topology does not come from a configuration file'),
    );
  }
  const source = watchTopology({
    initial,
    hash,
    intervalMs: LOOK_INTERVAL_MS,
    read: () => readFile(file, 'utf8'),
    parse: text => {
      const loaded = withText(text);
      if (!loaded.ok) return { errors: loaded.errors };
      warnOfOtherChanges(config, loaded.config, logger);
      return (
        loaded.config.topology ?? { errors: [`topology: missing (file ${file}): it was there at start`] }
      );
    },
    report: outcome => report(outcome, logger),
  });
  return reloadedOnHangup(source, () => void source.reload());
}

function reloadedOnHangup(source: TopologySource, reload: () => void): TopologySource {
  process.on('SIGHUP', reload);
  return {
    ...source,
    stop: () => {
      process.off('SIGHUP', reload);
      return source.stop();
    },
  };
}

function warnOfOtherChanges(before: Config, after: Config, logger: Logger): void {
  const settings = leavesOf()
    .map(leaf => leaf.path)
    .filter(path => path !== 'topology' && valueAt(before, path) !== valueAt(after, path));
  if (settings.length > 0) logger.warn({ settings }, `only a restart changes ${settings.join(', ')}`);
}

function valueAt(config: Config, path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], config);
}

function report(outcome: ReloadOutcome, logger: Logger): void {
  switch (outcome.kind) {
    case 'unchanged':
      logger.info('the topology is unchanged');
      return;
    case 'refused':
      logger.error(
        { reasons: outcome.reasons },
        `the topology stays as it is: ${outcome.reasons.join('; ')}`,
      );
      return;
    case 'changed': {
      const { from, to, warnings } = outcome;
      for (const warning of warnings) logger.warn(warning);
      const movedSlots = movesBetween(from, to).reduce((sum, move) => sum + move.slots, 0);
      const movedShare = movedSlots / SLOT_COUNT;
      logger.info({ fromVersion: from.version, toVersion: to.version, movedShare }, 'the topology changed');
      return;
    }
  }
}
