import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configDocs, TOPOLOGY_EXAMPLE } from '../../../scripts/config-docs.ts';
import { leavesOf } from '../../../src/shared/config/leaves.ts';
import { loadConfig } from '../../../src/shared/config/load.ts';

describe('docs/CONFIG.md', () => {
  it('is what the schema says (otherwise run: node scripts/config-docs.ts)', () => {
    expect(readFileSync('docs/CONFIG.md', 'utf8')).toBe(configDocs());
  });

  it('has every setting with its environment variable and its meaning', () => {
    const rows = configDocs()
      .split('\n')
      .map(line => line.split('|').map(cell => cell.trim()));
    for (const leaf of leavesOf()) {
      expect(leaf.description, leaf.path).not.toBe('');
      const row = rows.find(cells => cells[1] === `\`${leaf.path}\`` && cells.length === 7);
      expect([row?.[2], row?.[5]]).toEqual([`\`${leaf.envName}\``, leaf.description]);
    }
  });

  it('shows a topology that is valid and without warnings', () => {
    const below = TOPOLOGY_EXAMPLE.replace('topology:\n', '');
    expect(loadConfig({ env: { OTELFAN_TOPOLOGY: below } })).toMatchObject({ ok: true, warnings: [] });
  });
});
