// For container health checks: 0 when the URL answers 200, or, without one, when a part of otelfan on this machine says
// that it is alive: ingest, query or a shard. The image has no curl.
const { OTELFAN_INGEST_HEALTH_PORT, OTELFAN_QUERY_HTTP_PORT, OTELFAN_SHARD_READ_PORT } = process.env;
const ports = [
  OTELFAN_INGEST_HEALTH_PORT ?? 13133,
  OTELFAN_QUERY_HTTP_PORT ?? 7701,
  OTELFAN_SHARD_READ_PORT ?? 7800,
];
const [url] = process.argv.slice(2);
const urls = url === undefined ? ports.map(port => `http://127.0.0.1:${port}/healthz`) : [url];
const signal = AbortSignal.timeout(2500);
const statuses = await Promise.all(
  urls.map(async each => (await fetch(each, { signal }).catch(() => undefined))?.status),
);
process.exitCode = statuses.includes(200) ? 0 : 1;
