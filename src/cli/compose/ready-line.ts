/** What a serving command prints on stdout with `--json`, once, when it is ready: where it listens. */
export type Addresses = Readonly<Record<string, string>>;

export function readyLine(addresses: Addresses): string {
  return `${JSON.stringify(addresses)}\n`;
}

/** Brackets IPv6 addresses; a wildcard is not something to connect to, so it is shown as this machine. */
export function urlOf(protocol: 'http' | 'grpc', host: string, port: number): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `${protocol}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
