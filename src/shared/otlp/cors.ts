/**
 * Which browser pages may post OTLP (Fetch standard, "CORS protocol"). Without it browsers keep the answers of other
 * origins from their pages, and do not even send what is not a plain form.
 */
export interface CorsPolicy {
  /** Headers for the answer to a page of this origin; `undefined` when it is not one of ours. */
  headersFor(origin: string): Readonly<Record<string, string>> | undefined;
}

/** Browsers keep the answer to a preflight for two hours at most. */
const PREFLIGHT_MAX_AGE_SECONDS = 7200;

/**
 * From `ingest.corsOrigins`: origins separated by commas, `*` for any, a host that begins with `*.` for every host
 * below it. `undefined` when there is none.
 */
export function createCorsPolicy(origins: string): CorsPolicy | undefined {
  const patterns = origins
    .split(',')
    .map(origin => origin.trim().toLowerCase())
    .filter(origin => origin !== '');
  if (patterns.length === 0) return undefined;
  const isAny = patterns.includes('*');
  const exact = new Set(patterns);
  const belowHosts = patterns
    .filter(pattern => pattern.includes('://*.'))
    .map(pattern => pattern.split('*', 2) as [string, string]);
  return {
    headersFor(origin) {
      if (isAny)
        return { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'retry-after' };
      const isAllowed =
        exact.has(origin) ||
        belowHosts.some(
          ([scheme, domain]) =>
            origin.length > scheme.length + domain.length &&
            origin.startsWith(scheme) &&
            origin.endsWith(domain),
        );
      if (!isAllowed) return undefined;
      return {
        'access-control-allow-origin': origin,
        // Beacons, with which pages send what is left when they close, always come with credentials.
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': 'retry-after',
        vary: 'origin',
      };
    },
  };
}

/** Further headers for the answer to a preflight that asked to send these request headers. */
export function preflightHeaders(requestHeaders: string | undefined): Readonly<Record<string, string>> {
  return {
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': requestHeaders ?? 'content-type',
    'access-control-max-age': String(PREFLIGHT_MAX_AGE_SECONDS),
  };
}
