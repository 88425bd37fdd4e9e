import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { createTopology, type TopologySpec } from '../../../src/shared/topology/topology.ts';
import {
  type ReloadOutcome,
  type TopologySource,
  watchTopology,
} from '../../../src/shared/topology/topology-source.ts';
import { shardSpec } from '../../support/stub-shard.ts';
import { temporaryFolder } from '../../support/systems.ts';

const hash = await createHash();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let source: TopologySource | undefined;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  await source?.stop();
  await folder.remove();
});

const specOf = (version: number, shards = 2): TopologySpec => ({
  version,
  shards: Array.from({ length: shards }, (_, index) => shardSpec(`s${index}`, index + 1)),
});
const textOf = (version: number, shards?: number) => JSON.stringify(specOf(version, shards));

interface Watched {
  readonly file: string;
  /** How often the file was looked at. */
  looks(): number;
  readonly outcomes: ReloadOutcome[];
  readonly source: TopologySource;
  version(): number;
}

function watch(read: () => Promise<string>): Omit<Watched, 'file'> {
  const outcomes: ReloadOutcome[] = [];
  let looks = 0;
  const watched = watchTopology({
    initial: createTopology(specOf(1), hash),
    hash,
    intervalMs: 20,
    read: () => {
      looks += 1;
      return read();
    },
    parse: text => {
      try {
        return JSON.parse(text) as TopologySpec;
      } catch (error) {
        return { errors: [(error as Error).message] };
      }
    },
    report: outcome => outcomes.push(outcome),
  });
  source = watched;
  return { outcomes, source: watched, looks: () => looks, version: () => watched.current().version };
}

function watchPlainFile(): Watched {
  const file = join(folder.path, 'topology');
  writeFileSync(file, textOf(1));
  return { file, ...watch(() => readFile(file, 'utf8')) };
}

const POLL = { timeout: 10_000 };

describe('a topology that follows a file', () => {
  it('changes when the file is written in place', async () => {
    const { file, version, outcomes } = watchPlainFile();
    writeFileSync(file, textOf(2, 3));
    await expect.poll(version, POLL).toBe(2);
    expect(outcomes).toMatchObject([{ kind: 'changed', from: { version: 1 }, to: { version: 2 } }]);
  });

  it('changes each time another file is renamed into its place, as editors do', async () => {
    const { file, version } = watchPlainFile();
    for (const next of [2, 3, 4]) {
      writeFileSync(`${file}.new`, textOf(next));
      renameSync(`${file}.new`, file);
      await expect.poll(version, POLL).toBe(next);
    }
  });

  it('changes when the folder behind its symbolic link is swapped, as a Kubernetes ConfigMap is', async () => {
    const generation = (name: string, version: number) => {
      mkdirSync(join(folder.path, name));
      writeFileSync(join(folder.path, name, 'topology'), textOf(version));
      symlinkSync(name, join(folder.path, '..data-new'));
      renameSync(join(folder.path, '..data-new'), join(folder.path, '..data'));
    };
    generation('..1', 1);
    symlinkSync(join('..data', 'topology'), join(folder.path, 'topology'));
    const { version } = watch(() => readFile(join(folder.path, 'topology'), 'utf8'));
    generation('..2', 2);
    rmSync(join(folder.path, '..1'), { recursive: true });
    await expect.poll(version, POLL).toBe(2);
    generation('..3', 3);
    await expect.poll(version, POLL).toBe(3);
  });

  it('keeps the old topology while the file is invalid, says so once, and takes the next valid one', async () => {
    const { file, version, outcomes, looks } = watchPlainFile();
    writeFileSync(file, '{ "version": 2, ');
    await expect.poll(() => outcomes.length, POLL).toBe(1);
    const looksSoFar = looks();
    await expect.poll(looks, POLL).toBeGreaterThan(looksSoFar + 3);
    expect(outcomes).toMatchObject([{ kind: 'refused' }]);
    expect(version()).toBe(1);
    writeFileSync(file, textOf(2));
    await expect.poll(version, POLL).toBe(2);
    expect(outcomes).toHaveLength(2);
  });

  it('keeps the old topology while the file is gone', async () => {
    const { file, version, outcomes } = watchPlainFile();
    unlinkSync(file);
    await expect
      .poll(() => outcomes, POLL)
      .toMatchObject([{ kind: 'refused', reasons: [expect.stringContaining('ENOENT')] }]);
    expect(version()).toBe(1);
    writeFileSync(file, textOf(2));
    await expect.poll(version, POLL).toBe(2);
  });

  it('refuses another map under the same version and takes it under a higher one', async () => {
    const { file, version, outcomes, source } = watchPlainFile();
    writeFileSync(file, textOf(1, 3));
    await expect.poll(() => outcomes.at(-1)?.kind, POLL).toBe('refused');
    expect(source.current().all).toHaveLength(2);
    writeFileSync(file, textOf(2, 3));
    await expect.poll(version, POLL).toBe(2);
    expect(source.current().all).toHaveLength(3);
  });

  it('does not take half of a file that is being written, even where the half is valid', async () => {
    const looks = [textOf(1), textOf(2, 1), textOf(2, 2), textOf(2, 3)];
    const { outcomes, version, source } = watch(() => Promise.resolve(looks.shift() ?? textOf(2, 3)));
    await expect.poll(version, POLL).toBe(2);
    expect(source.current().all).toHaveLength(3);
    expect(outcomes).toHaveLength(1);
  });
});

describe('reload', () => {
  it('takes the file at once and tells the listeners', async () => {
    const { file, source, version } = watchPlainFile();
    const told: number[] = [];
    source.onChange(topology => told.push(topology.version));
    writeFileSync(file, textOf(5, 4));
    expect(await source.reload()).toMatchObject({ kind: 'changed' });
    expect(version()).toBe(5);
    expect(told).toEqual([5]);
  });

  it('reports every time it is asked, also that nothing changed', async () => {
    const { file, source, outcomes } = watchPlainFile();
    expect(await source.reload()).toEqual({ kind: 'unchanged' });
    writeFileSync(file, 'not a topology');
    await source.reload();
    await source.reload();
    expect(outcomes.map(outcome => outcome.kind)).toEqual(['unchanged', 'refused', 'refused']);
  });

  it('changes nothing after the end', async () => {
    const { file, source, version } = watchPlainFile();
    await source.stop();
    writeFileSync(file, textOf(2));
    expect(await source.reload()).toEqual({ kind: 'unchanged' });
    expect(version()).toBe(1);
  });
});
