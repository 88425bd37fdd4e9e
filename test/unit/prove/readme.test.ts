import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SAFEGUARDS } from '../../prove/safeguards.ts';
import { SCENARIOS } from '../../prove/scenarios.ts';

const README = join(import.meta.dirname, '..', '..', '..', 'README.md');

it('README.md has a line for every scenario of npm run prove, and for every safeguard', () => {
  const [, section = ''] = readFileSync(README, 'utf8').split(/^## Try to break it\n/m);
  const [told = ''] = section.split(/^## /m);
  const firstCells = Array.from(
    told.matchAll(/^\| (?!Trouble|Without|---)`?([^|`]+?)`? \|/gm),
    ([, cell]) => cell,
  );
  expect(firstCells).toEqual([...SCENARIOS, ...SAFEGUARDS].map(({ name }) => name));
});
