import { describe, expect, it } from 'vitest';
import { leavesOf } from '../../../../src/shared/config/leaves.ts';

describe('the settings in the schema', () => {
  const leaves = leavesOf();

  it('each have a variable of their own', () => {
    expect(new Set(leaves.map(leaf => leaf.envName)).size).toBe(leaves.length);
    expect(leaves.find(leaf => leaf.path === 'queue.redis.url')?.envName).toBe('OTELFAN_QUEUE_REDIS_URL');
    expect(leaves.find(leaf => leaf.path === 'ingest.maxRequestBytes')?.envName).toBe(
      'OTELFAN_INGEST_MAX_REQUEST_BYTES',
    );
  });

  it('each say what they mean and what is accepted', () => {
    for (const leaf of leaves) {
      expect(leaf.description, leaf.path).not.toBe('');
      expect(leaf.forms, leaf.path).not.toBe('text');
    }
  });

  it('include the topology as one setting that is given whole', () => {
    expect(leaves.filter(leaf => leaf.isStructured).map(leaf => leaf.path)).toEqual(['topology']);
    expect(leaves.some(leaf => leaf.path.startsWith('topology.'))).toBe(false);
  });
});
