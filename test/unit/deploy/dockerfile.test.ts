import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { leavesOf } from '../../../src/shared/config/leaves.ts';
import { repositoryFile } from '../../support/deploy-files.ts';

const lines = repositoryFile('Dockerfile').replaceAll(/\\\n/g, ' ').split('\n');
/** What follows an instruction, in the stage that becomes the image. */
const last = (instruction: string) =>
  lines.findLast(line => line.startsWith(`${instruction} `))?.slice(instruction.length + 1) ?? '';
const inImage = (command: string) =>
  (JSON.parse(command) as string[]).flatMap(word =>
    word.startsWith('/app/') ? [word.slice('/app/'.length)] : [],
  );

describe('Dockerfile', () => {
  it('runs as a number that is not root, which Kubernetes can check', () => {
    expect(last('USER')).toBe('1000:1000');
    expect(lines.indexOf('USER 1000:1000')).toBeGreaterThan(
      lines.findLastIndex(line => line.startsWith('RUN ')),
    );
  });

  it('starts and checks with files that it copies', () => {
    const copied = lines.flatMap(line => /^COPY (\w+) \.\/\w+$/.exec(line)?.[1] ?? []);
    const [, healthCheck = ''] = /CMD (.*)$/.exec(last('HEALTHCHECK')) ?? [];
    const files = [...inImage(last('ENTRYPOINT')), ...inImage(healthCheck)];
    expect(files).toEqual(['bin/otelfan.mjs', 'bin/healthcheck.mjs']);
    for (const file of files) {
      expect(existsSync(file)).toBe(true);
      expect(copied).toContain(file.split('/', 1)[0]);
    }
    const ignored = repositoryFile('.dockerignore').split('\n');
    for (const folder of copied) expect(ignored).toContain(`!${folder}`);
  });

  it('keeps data in its volume', () => {
    expect(last('ENV')).toContain(`OTELFAN_DATA_DIR=${last('VOLUME')}`);
    expect(leavesOf().map(leaf => leaf.envName)).toContain('OTELFAN_DATA_DIR');
  });

  it('tells of every port that a part listens on by default', () => {
    const ports = leavesOf().flatMap(({ path, fallback }) =>
      path.endsWith('.port') ? [String(fallback)] : [],
    );
    expect(new Set(last('EXPOSE').split(' '))).toEqual(new Set(ports));
  });
});
