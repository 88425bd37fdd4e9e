import { describe, expect, it } from 'vitest';
import { createCorsPolicy } from '../../../../src/shared/otlp/cors.ts';

const allowed = (origins: string, origin: string) =>
  createCorsPolicy(origins)?.headersFor(origin)?.['access-control-allow-origin'];

describe('ingest.corsOrigins', () => {
  it.each(['', ' ', ','])('"%s" allows nobody', origins => {
    expect(createCorsPolicy(origins)).toBeUndefined();
  });

  it('"*" allows everybody, without credentials', () => {
    const headers = createCorsPolicy('*')?.headersFor('https://any.example');
    expect(headers).toMatchObject({ 'access-control-allow-origin': '*' });
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
  });

  it.each([
    ['https://a.example', 'https://a.example', true],
    ['https://a.example, https://b.example', 'https://b.example', true],
    ['https://A.example', 'https://a.example', true],
    ['https://a.example', 'https://b.example', false],
    ['https://a.example', 'http://a.example', false],
    ['https://a.example', 'https://a.example:8443', false],
    ['https://*.example.com', 'https://app.example.com', true],
    ['https://*.example.com', 'https://deep.app.example.com', true],
    ['https://*.example.com', 'https://example.com', false],
    ['https://*.example.com', 'https://.example.com', false],
    ['https://*.example.com', 'https://evil-example.com', false],
    ['https://*.example.com', 'https://app.example.com.evil.org', false],
    ['https://*.example.com', 'http://app.example.com', false],
    ['http://*.test:8080', 'http://app.test:8080', true],
    ['http://*.test:8080', 'http://app.test', false],
  ])('"%s" allows %s: %s', (origins, origin, isAllowed) => {
    expect(allowed(origins, origin)).toBe(isAllowed ? origin : undefined);
  });

  it('an answer for one origin is not cached for another', () => {
    expect(createCorsPolicy('https://a.example')?.headersFor('https://a.example')).toMatchObject({
      vary: 'origin',
    });
  });
});
