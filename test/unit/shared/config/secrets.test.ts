import { describe, expect, it } from 'vitest';
import { withoutSecrets } from '../../../../src/shared/config/secrets.ts';

describe('secrets in settings', () => {
  it.each([
    ['redis://:hunter2@redis:6379', 'redis://:***@redis:6379'],
    ['rediss://app:hun/ter@2@redis:6379/0', 'rediss://app:***@redis:6379/0'],
    ['redis//app:hunter2@redis', 'redis//app:***@redis'],
    ['redis://redis:6379?password=hunter2&db=1', 'redis://redis:6379?password=***&db=1'],
    [
      '[{"read":"http://a:b@x"},{"read":"http://c:d@y"}]',
      '[{"read":"http://a:***@x"},{"read":"http://c:***@y"}]',
    ],
  ])('%s is shown as %s', (text, shown) => {
    expect(withoutSecrets(text)).toBe(shown);
  });

  it.each(['redis://redis:6379', 'http://user@shard-0:4318/path', '127.0.0.1', './data'])(
    '%s is shown as it is',
    text => {
      expect(withoutSecrets(text)).toBe(text);
    },
  );
});
