import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SAFEGUARDS } from '../../prove/safeguards.ts';
import { SCENARIOS } from '../../prove/scenarios.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

it.each(SAFEGUARDS)(
  '$name is where `npm run prove -- --without $name` switches it off',
  ({ file, text, shownBy }) => {
    expect(readFileSync(join(ROOT, file), 'utf8').split(text)).toHaveLength(2);
    expect(SCENARIOS.map(({ name }) => name)).toEqual(expect.arrayContaining([...shownBy]));
  },
);
