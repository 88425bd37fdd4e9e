import type { Express } from 'express';

/** Doors of the API that we speak which do not open here: the data comes as OTLP. */
const CLOSED_DOORS = [
  { path: '/api/v1/write', what: 'Prometheus remote write' },
  { path: /^\/v0\.[345]\/traces$/, what: 'Datadog traces' },
] as const;

/** Says 501 where a sender of another protocol knocks, and what to send instead. */
export function addClosedDoors(app: Express): void {
  for (const { path, what } of CLOSED_DOORS) {
    app.all(path, (_request, response) => {
      const error = `${what} cannot be received: send OTLP to otelfan ingest, gRPC (port 4317) or HTTP (port 4318)`;
      response.status(501).json({ error });
    });
  }
}
