// For container health checks: 0 when the URL answers 200. The image has no curl.
const [url] = process.argv.slice(2);
const response = await fetch(url, { signal: AbortSignal.timeout(2500) }).catch(() => undefined);
process.exitCode = response?.status === 200 ? 0 : 1;
