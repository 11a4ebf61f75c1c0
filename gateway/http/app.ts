// Every address of the gateway, and what stands before each: the one place that says who may call what.
import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import type { Settings } from '../../config/settings.ts';
import type { Archive } from '../../storage/archive.ts';
import type { IndexOutcome } from '../../storage/intake.repository.ts';
import type { Spool } from '../../storage/spool.ts';
import { BodyCache } from '../dicomweb/body-cache.ts';
import type { RetrieveOptions } from '../dicomweb/instance-file.ts';
import { renderResource } from '../dicomweb/rendered.ts';
import type { InstanceReceiver } from '../dicomweb/stow-parts.ts';
import { storeInstances } from '../dicomweb/stow-rs.ts';
import { renderThumbnail } from '../dicomweb/thumbnail.ts';
import { retrieveCapabilities } from '../dicomweb/capabilities.ts';
import { search } from '../dicomweb/qido-rs.ts';
import { retrieveBulkData, retrieveBulkValue } from '../dicomweb/wado-bulkdata.ts';
import { retrieveFrames, retrievePixelData } from '../dicomweb/wado-frames.ts';
import { retrieveInstances } from '../dicomweb/wado-instances.ts';
import { retrieveMetadata } from '../dicomweb/wado-metadata.ts';
import { retrieveByUri } from '../dicomweb/wado-uri.ts';
import type { Transcoder } from '../transcode/transcoder.ts';
import type { ComparisonSource } from '../comparison/comparison.ts';
import { showComparison } from '../comparison/http.ts';
import { showDrift } from '../drift/http.ts';
import type { DriftSource } from '../drift/report.ts';
import type { RecycleSource } from '../recycle/bin.ts';
import { deleteResource, listRecycleBin, restoreFromBin } from '../recycle/http.ts';
import { changeStudy, listWorklist, showStudy } from '../worklist/http.ts';
import { listSources, requestRetrieve, showRetrieve, type RetrievalSource } from '../sources/http.ts';
import { changeWorkitemState } from '../ups/change-state.ts';
import { createWorkitem } from '../ups/create.ts';
import { requestCancellation } from '../ups/request-cancellation.ts';
import { retrieveWorkitem } from '../ups/retrieve.ts';
import { searchWorkitems } from '../ups/search.ts';
import type { UpsService } from '../ups/service.ts';
import type { Ups } from '../ups/start.ts';
import { subscribe, suspend, unsubscribe } from '../ups/subscriptions.ts';
import { updateWorkitem } from '../ups/update.ts';
import type { WorklistEvents, WorklistSource } from '../worklist/worklist.ts';
import { accessLog } from './access-log.ts';
import { methodsByAddress } from './allowed-methods.ts';
import { answer } from './answer.ts';
import { authentication } from './auth.ts';
import { HttpError, problemOf } from './errors.ts';
import { allowOrigins } from './cors.ts';
import { EventStreams } from './event-stream.ts';
import type { HealthReport, HealthSource } from './health.ts';
import { openApi } from './openapi.ts';
import { securityHeaders } from './security-headers.ts';

export interface About {
  aeTitle: string;
  dimsePort: number;
  version: string;
}

export interface HttpOptions {
  settings: Pick<Settings, 'dicomweb' | 'http' | 'limits'>;
  /** Undefined where this process has no intake. */
  receiver: InstanceReceiver | undefined;
  /** Where what a store request sends ahead of the rest of its instance is kept. */
  spool: Spool;
  /** Resolves once the instance can be found in the database; never waited for longer than two seconds. */
  indexed(blobId: string): Promise<IndexOutcome | undefined>;
  archive: Archive;
  transcoder: Transcoder;
  recycleBin: RecycleSource;
  /** Undefined where nobody may ask for workitems: the HTTP side alone. */
  ups?: Ups;
  worklist: WorklistSource;
  events: WorklistEvents;
  drift: DriftSource;
  comparisons: ComparisonSource;
  retrievals: RetrievalSource;
  health: HealthSource;
  /** Asked at each request, so that a port picked at start is the one told. */
  about(): About;
  metrics: Registry;
  log: Logger;
  /** Folder of the built page; undefined serves none. */
  webRoot: string | undefined;
}

/** @throws when http.auth names a token file that cannot be used */
export async function createApp(options: HttpOptions): Promise<{ app: Express; streams: EventStreams; authenticate: RequestHandler }> {
  const { worklist, health, metrics, log } = options;
  const streams = new EventStreams(options.events);
  metrics.registerMetric(openStreams(streams));
  const app = express();
  app.disable('x-powered-by').disable('etag').set('trust proxy', 'loopback').set('query parser', 'simple');
  app.use(accessLog(log, metrics), securityHeaders);

  app.get('/healthz', (_request, response) => report(response, health.live()));
  app.get('/readyz', async (_request, response) => report(response, await health.ready()));
  // The page itself holds no data: it is free, so that it can ask for the token that its requests need.
  if (options.webRoot !== undefined) app.use(page(options.webRoot));

  app.use(allowOrigins(options.settings.http.allowOrigins));
  const authenticate = await authentication(options.settings.http, log);
  app.use(authenticate);
  app.use('/api', noStore);
  app.get('/metrics', async (_request, response) => {
    response.type(metrics.contentType).send(await metrics.metrics());
  });
  app.get('/api/openapi.json', (_request, response) => void response.json(openApi(options.about().version)));
  app.get('/api/about', (_request, response) => void response.json(options.about()));
  app.get('/api/worklist', (request, response) => listWorklist(request, response, worklist));
  app.route('/api/studies/:study')
    .get((request, response) => showStudy(request, response, worklist))
    .patch((request, response) => changeStudy(request, response, worklist));
  app.get('/api/models/:model/comparison', (request, response) => showComparison(request, response, options.comparisons));
  app.get('/api/drift', (request, response) => showDrift(request, response, options.drift));
  app.get('/api/sources', (request, response) => listSources(request, response, options.retrievals));
  app.post('/api/retrieve', (request, response) => requestRetrieve(request, response, options.retrievals));
  app.get('/api/retrieve/:id', (request, response) => showRetrieve(request, response, options.retrievals));
  app.get('/api/recycle-bin', (request, response) => listRecycleBin(request, response, options.recycleBin));
  app.post('/api/recycle-bin/:uid/restore', (request, response) => restoreFromBin(request, response, options.recycleBin));
  app.get('/api/events', (request, response) => streams.connect(request, response));

  app.post(['/dicomweb/studies', '/dicomweb/studies/:study'], (request, response) => storeInstances(request, response, options));
  const levels = ['/dicomweb/studies/:study', '/dicomweb/studies/:study/series/:series', '/dicomweb/studies/:study/series/:series/instances/:instance'];
  app.delete(levels, (request, response) => deleteResource(request, response, options.recycleBin));
  const { archive, transcoder } = options;
  if (options.ups) workitemRoutes(app, options.ups.service);
  searchRoutes(app, archive, options);
  retrieveRoutes(app, { archive, transcoder });

  const { paths } = openApi('');
  const methodsAt = methodsByAddress(paths);
  app.use((request: Request, response: Response) => {
    const allow = methodsAt(request.path);
    if (request.method === 'OPTIONS' && isDicomweb(request.path) && (allow.length > 0 || isServiceRoot(request.path))) return retrieveCapabilities(request, response, paths, allow);
    if (request.method === 'OPTIONS' && allow.length > 0) return void response.status(204).setHeader('Allow', allow.join(', ')).end();
    if (allow.length > 0) throw new HttpError(405, `${request.path} does not take ${request.method}, but ${allow.join(', ')}.`, { Allow: allow.join(', ') });
    throw new HttpError(404, `There is nothing at ${request.method} ${request.path}; /api/openapi.json lists what there is.`);
  });
  app.use(async (error: unknown, request: Request, response: Response, _next: NextFunction) => {
    await answerError(error, request, response, log);
  });
  return { app, streams, authenticate };
}

const isDicomweb = (path: string): boolean => /^\/dicomweb(\/|$)/i.test(path);
const isServiceRoot = (path: string): boolean => /^\/dicomweb\/?$/i.test(path);

/** PS3.18 table 10.6.1-1. */
function searchRoutes(app: Express, archive: Archive, { settings, about }: HttpOptions): void {
  const options = () => ({ archive, maxResults: settings.dicomweb.maxResults, aeTitle: about().aeTitle });
  const study = '/dicomweb/studies/:study';
  app.get('/dicomweb/studies', (request, response) => search(request, response, 'study', options()));
  app.get(['/dicomweb/series', `${study}/series`], (request, response) => search(request, response, 'series', options()));
  app.get(['/dicomweb/instances', `${study}/instances`, `${study}/series/:series/instances`], (request, response) => search(request, response, 'instance', options()));
}

/** PS3.18 table 11.3-1; events are had over a WebSocket (upgrade.ts). */
function workitemRoutes(app: Express, service: UpsService): void {
  const workitem = '/dicomweb/workitems/:workitem';
  const subscriber = `${workitem}/subscribers/:aetitle`;
  app.get('/dicomweb/workitems', (request, response) => searchWorkitems(request, response, service));
  app.post('/dicomweb/workitems', (request, response) => createWorkitem(request, response, service));
  app.get(workitem, (request, response) => retrieveWorkitem(request, response, service));
  app.post(workitem, (request, response) => updateWorkitem(request, response, service));
  app.put(`${workitem}/state`, (request, response) => changeWorkitemState(request, response, service));
  app.post(`${workitem}/cancelrequest`, (request, response) => requestCancellation(request, response, service));
  app.post(subscriber, (request, response) => subscribe(request, response, service));
  app.delete(subscriber, (request, response) => unsubscribe(request, response, service));
  app.post(`${subscriber}/suspend`, (request, response) => suspend(request, response, service));
  app.get('/dicomweb/subscribers/:aetitle', () => {
    throw new HttpError(426, 'Notifications are had over a WebSocket: ask for an upgrade.', { Upgrade: 'websocket', Connection: 'Upgrade' });
  });
}

/** At all three levels (PS3.18 table 10.4.1-1), and what only an instance has. */
function retrieveRoutes(app: Express, options: RetrieveOptions): void {
  const study = '/dicomweb/studies/:study';
  const series = `${study}/series/:series`;
  const instance = `${series}/instances/:instance`;
  const levels = [study, series, instance];
  const bodies = new BodyCache();
  app.get(levels, (request, response) => retrieveInstances(request, response, options));
  app.get(levels.map((level) => `${level}/metadata`), (request, response) => retrieveMetadata(request, response, { ...options, bodies }));
  app.get(levels.map((level) => `${level}/bulkdata`), (request, response) => retrieveBulkData(request, response, options));
  app.get(levels.map((level) => `${level}/pixeldata`), (request, response) => retrievePixelData(request, response, options));
  app.get(`${instance}/bulkdata/*path`, (request, response) => retrieveBulkValue(request, response, options));
  app.get(`${instance}/frames/:frames`, (request, response) => retrieveFrames(request, response, options));
  const shown = [...levels, `${instance}/frames/:frames`];
  app.get(shown.map((level) => `${level}/rendered`), (request, response) => renderResource(request, response, options));
  app.get(shown.map((level) => `${level}/thumbnail`), (request, response) => renderThumbnail(request, response, options));
  app.get('/wado', (request, response) => retrieveByUri(request, response, options));
}

function openStreams(streams: EventStreams): Gauge {
  return new Gauge({
    name: 'hilum_event_streams',
    help: 'Open server-sent event streams',
    registers: [],
    collect() {
      this.set(streams.clientCount);
    },
  });
}

async function answerError(error: unknown, request: Request, response: Response, log: Logger): Promise<void> {
  const requestId = String(response.locals['requestId']);
  if (request.destroyed && !request.complete) {
    log.info({ requestId }, 'the caller left before its request was complete');
    return;
  }
  const { problem, headers, unexpected } = problemOf(error);
  if (unexpected && !response.destroyed) log.error({ err: error, requestId }, 'a request failed');
  const body = JSON.stringify({ ...problem, requestId });
  await answer(request, response, problem.status, { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store', ...headers }, body);
}

function report(response: Response, health: HealthReport): void {
  response.status(health.ok ? 200 : 503).set('Cache-Control', 'no-store').json(health);
}

function noStore(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('Cache-Control', 'no-store');
  next();
}

/** Files under assets/ carry a digest in their names and never change; the page that names them may. */
function page(root: string) {
  return express.static(root, {
    index: 'index.html',
    redirect: false,
    etag: true,
    setHeaders: (response, path) => response.setHeader('Cache-Control', /[\\/]assets[\\/]/.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache'),
  });
}
