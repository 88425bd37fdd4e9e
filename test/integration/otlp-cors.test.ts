import { afterEach, describe, expect, it } from 'vitest';
import { refuse } from '../../src/shared/otlp/door.ts';
import { openHttpDoor, type TestDoor, type TestDoorOptions } from '../support/otlp-door.ts';

let door: TestDoor | undefined;
afterEach(async () => {
  await door?.stop();
  door = undefined;
});

const ORIGIN = 'https://shop.example.com';

async function open(options: TestDoorOptions) {
  door = await openHttpDoor(options);
  return `http://127.0.0.1:${door.port}/v1/traces`;
}

function preflight(url: string, origin = ORIGIN) {
  return fetch(url, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,x-api-key',
    },
  });
}

function post(url: string, origin = ORIGIN) {
  return fetch(url, { method: 'POST', body: '{}', headers: { origin, 'content-type': 'application/json' } });
}

describe('browser pages', () => {
  it('of an allowed origin may post, and ask once in two hours', async () => {
    const url = await open({ corsOrigins: 'https://*.example.com' });
    const asked = await preflight(url);
    expect(asked.status).toBe(204);
    expect(Object.fromEntries(asked.headers)).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'content-type,x-api-key',
      'access-control-max-age': '7200',
      vary: 'origin',
    });
    const response = await post(url);
    expect(response.status).toBe(200);
    expect(response.headers.get('access-control-allow-origin')).toBe(ORIGIN);
  });

  it('may read why they were refused, and when to come back', async () => {
    const url = await open({ corsOrigins: ORIGIN, outcome: refuse('unavailable', 'away') });
    const response = await post(url);
    expect(response.status).toBe(503);
    expect(response.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(response.headers.get('access-control-expose-headers')).toBe('retry-after');
  });

  it.each([
    ['of another origin', 'https://other.example', ORIGIN],
    ['without a setting', ORIGIN, ''],
  ])('%s get no permission', async (_name, origin, corsOrigins) => {
    const url = await open({ corsOrigins });
    const asked = await preflight(url, origin);
    expect(asked.status).toBe(405);
    expect(asked.headers.get('access-control-allow-origin')).toBeNull();
    expect((await post(url, origin)).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('asking for a path that is none get 404', async () => {
    const url = await open({ corsOrigins: '*' });
    expect((await preflight(url.replace('traces', 'nothing'))).status).toBe(404);
  });
});
