import { randomBytes } from 'node:crypto';

/** One command that sends a trace and one that reads it back, to copy as they are. */
export function tryItText({ http, api }: { http: string; api: string }): string {
  const traceId = randomBytes(16).toString('hex');
  const startNs = BigInt(Date.now()) * 1_000_000n;
  const request = {
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'hello' } }] },
        scopeSpans: [
          {
            spans: [
              {
                traceId,
                spanId: randomBytes(8).toString('hex'),
                name: 'first span',
                kind: 2,
                startTimeUnixNano: String(startNs),
                endTimeUnixNano: String(startNs + 42_000_000n),
              },
            ],
          },
        ],
      },
    ],
  };
  return `Send a trace:
  curl -sS ${http}/v1/traces -H 'content-type: application/json' -d '${JSON.stringify(request)}'
Read it back:
  curl -sS ${api}/api/v1/traces/${traceId}
`;
}
