import { describe, expect, it } from 'vitest';
import { leavesOf } from '../../../src/shared/config/leaves.ts';
import { repositoryFile } from '../../support/deploy-files.ts';

const text = repositoryFile('docs', 'SECURITY-MODEL.md');
const leaves = leavesOf();

describe('docs/SECURITY-MODEL.md', () => {
  it('lists every port that a part listens on, with its setting', () => {
    const rows = [...text.matchAll(/^\| (\d+) \| \w+, `([\w.]+)` \|/gm)].map(
      ([, port, setting]) => `${setting} ${port}`,
    );
    const listeners = leaves.flatMap(({ path, fallback }) =>
      path.endsWith('.port') ? [`${path.replace(/\.port$/, '')} ${String(fallback)}`] : [],
    );
    expect(rows.toSorted()).toEqual(listeners.toSorted());
  });

  it('names settings that there are', () => {
    const known = leaves.flatMap(({ path }) => [path, path.replace(/\.port$/, '')]);
    const named = [...text.matchAll(/`((?:ingest|queue|delivery|query|shard)\.[\w.]+|dataDir)`/g)].map(
      ([, name = '']) => name,
    );
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter(name => !known.includes(name))).toEqual([]);
  });
});
