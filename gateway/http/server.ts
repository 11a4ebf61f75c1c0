// The HTTP side of the gateway: sockets, their limits in time, and an orderly end. What is served stands in app.ts.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApp, type HttpOptions } from './app.ts';
import { upgrade } from './upgrade.ts';

/** Complete headers within this time: longer is a port scan or an attack. */
const HEADERS_MILLISECONDS = 20_000;
/** A little over the minute after which common proxies close idle connections themselves. */
const KEEP_ALIVE_MILLISECONDS = 65_000;
/** Each connection costs some 50 KB; more than a department has machines. */
const MAX_CONNECTIONS = 1_000;

export interface HttpServer {
  port: number;
  /** Takes nothing new, lets running requests end within limits.drainSeconds, then closes what is left. */
  drain(): Promise<void>;
}

/** Listens on settings.http. @throws when the address is taken, or the token file cannot be used */
export async function startHttpServer(options: HttpOptions): Promise<HttpServer> {
  const { app, streams, authenticate } = await createApp(options);
  let draining = false;
  const running = new Set<ServerResponse>();
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (draining) response.setHeader('Connection', 'close');
    running.add(response);
    response.once('close', () => running.delete(response));
    app(request, response);
  };
  // A body may take as long as its sender needs; that bytes keep coming is watched by who reads them.
  const server = createServer({ headersTimeout: HEADERS_MILLISECONDS, requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MILLISECONDS }, handle);
  // Handlers ask for the body themselves, so that a refusal comes before gigabytes do.
  server.on('checkContinue', handle);
  const { ups, log } = options;
  const notifications = ups?.notifications;
  const { auth, allowOrigins } = options.settings.http;
  server.on('upgrade', (request, socket, head) => void upgrade(request, socket, head, { notifications, authenticate, hasTokens: auth !== undefined, allowOrigins, log }));
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.settings.http.port, options.settings.http.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => options.log.error({ err: error }, 'the HTTP server reports an error'));
  const { port } = server.address() as AddressInfo;
  options.log.info({ host: options.settings.http.host, port }, 'HTTP is served');

  return {
    port,
    drain: () => {
      if (draining) return Promise.resolve();
      draining = true;
      streams.close();
      notifications?.close();
      return new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), options.settings.limits.drainSeconds * 1000);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
        for (const response of running) if (!response.headersSent) response.setHeader('Connection', 'close');
      });
    },
  };
}
