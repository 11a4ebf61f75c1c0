// One log line and one measurement for each request. Addresses hold UIDs, never names; queries may hold names and are left out.
import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { Counter, Histogram, type Registry } from 'prom-client';

export function accessLog(log: Logger, metrics: Registry): RequestHandler {
  const seconds = new Histogram({
    name: 'hilum_http_request_seconds',
    help: 'Time from the request line to the end of the response',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [metrics],
  });
  const received = new Counter({ name: 'hilum_http_received_bytes_total', help: 'Bytes of requests, headers included', registers: [metrics] });
  return (request: Request, response: Response, next: NextFunction): void => {
    const started = performance.now();
    const requestId = randomUUID();
    const { socket } = request;
    const before = socket.bytesRead;
    response.locals['requestId'] = requestId;
    response.setHeader('X-Request-Id', requestId);
    response.once('close', () => {
      const milliseconds = performance.now() - started;
      // The pattern, not the address: one label for all studies.
      const patterns: unknown = request.route?.path;
      const route = String((Array.isArray(patterns) ? patterns[0] : patterns) ?? 'other');
      const bytesReceived = Math.max(0, socket.bytesRead - before);
      seconds.observe({ method: request.method, route, status: response.statusCode }, milliseconds / 1000);
      received.inc(bytesReceived);
      const line = {
        requestId,
        method: request.method,
        path: request.originalUrl.split('?', 1)[0]?.slice(0, 500),
        status: response.statusCode,
        milliseconds: Math.round(milliseconds),
        bytesReceived,
        address: socket.remoteAddress,
        ...(!response.writableFinished && { aborted: true }),
      };
      // Probes and metrics come every few seconds and say nothing new.
      if (['/healthz', '/readyz', '/metrics'].includes(route)) log.debug(line, 'http request');
      else log.info(line, 'http request');
    });
    next();
  };
}
