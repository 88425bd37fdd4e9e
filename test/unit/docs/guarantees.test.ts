import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { OK_MEANS } from '../../support/promises.ts';

describe('docs/GUARANTEES.md', () => {
  it('says in one sentence what an OK means, the sentence that the tests are named by', () => {
    const text = readFileSync(new URL('../../../docs/GUARANTEES.md', import.meta.url), 'utf8');
    const section = /^## What an OK means\n+\*\*([^*]+)\*\*/m.exec(text)?.[1];
    expect(section?.replaceAll('\n', ' ')).toBe(OK_MEANS);
  });
});
