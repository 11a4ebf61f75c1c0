import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile, utimes } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openApi } from '../../gateway/http/openapi.ts';
import { TokenFile } from '../../gateway/http/auth.ts';
import { settingsSchema } from '../../config/settings.ts';
import pino from 'pino';
import { studyDetail } from '../support/memory-worklist.ts';
import { sendRaw, startTestGateway, type TestGateway } from '../support/http-gateway.ts';

describe('the HTTP server', () => {
  let gateway: TestGateway;
  beforeEach(async () => (gateway = await startTestGateway()));
  afterEach(() => gateway.close());

  const get = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(gateway.url + path, init);
    return { status: response.status, headers: response.headers, body: (await response.json().catch(() => undefined)) as Record<string, unknown> };
  };

  it('says whether it lives and whether it can take work', async () => {
    assert.deepEqual((await get('/healthz')).body, { ok: true, checks: {} });
    assert.equal((await get('/readyz')).status, 200);
    await gateway.close();
    gateway = await startTestGateway({ health: { live: () => ({ ok: true, checks: {} }), ready: async () => ({ ok: false, checks: { database: { ok: false, detail: 'no answer' } } }) } });
    const { status, body } = await get('/readyz');
    assert.deepEqual([status, body], [503, { ok: false, checks: { database: { ok: false, detail: 'no answer' } } }]);
  });

  it('measures requests by route, not by address', async () => {
    gateway.worklist.put(studyDetail(1));
    await get('/api/studies/2.25.1000.1');
    await get('/api/studies/2.25.999');
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    assert.match(text, /hilum_http_request_seconds_count\{method="GET",route="\/api\/studies\/:study",status="200"\} 1/);
    assert.match(text, /hilum_event_streams 0/);
    assert.doesNotMatch(text, /2\.25\./);
  });

  it('writes an access line for each request, without the query and without names', async () => {
    gateway.worklist.put(studyDetail(1, { patientName: 'Secret^Name' }));
    await get('/api/studies/2.25.1000.1?PatientName=Secret');
    const { headers } = await get('/api/worklist?limit=5');
    const lines = gateway.logged.filter((line) => line.includes('http request')).map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(lines.map(({ method, path, status }) => [method, path, status]), [['GET', '/api/studies/2.25.1000.1', 200], ['GET', '/api/worklist', 200]]);
    assert.equal(lines[1]!['requestId'], headers.get('x-request-id'));
    assert.doesNotMatch(gateway.logged.join(''), /Secret/);
  });

  it('tells browsers to run nothing but its own script', async () => {
    const { headers } = await get('/api/about');
    assert.match(headers.get('content-security-policy')!, /default-src 'none'; script-src 'self'/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('x-powered-by'), null);
  });

  it('answers what it does not know with a problem that says so', async () => {
    for (const [path, method, status] of [['/nothing', 'GET', 404], ['/api/worklist', 'DELETE', 405], ['/api/studies/%E0%A4%A', 'GET', 400]] as const) {
      const { status: got, headers, body } = await get(path, { method });
      assert.deepEqual([got, headers.get('content-type')], [status, 'application/problem+json'], path);
      assert.ok(body['detail'] && body['requestId']);
    }
  });

  it('keeps the reason of a failure for the log', async () => {
    gateway.worklist.list = () => Promise.reject(new Error('relation "studies" does not exist'));
    const { status, body } = await get('/api/worklist');
    assert.equal(status, 500);
    assert.doesNotMatch(JSON.stringify(body), /relation/);
    assert.match(gateway.logged.join(''), /relation \\"studies\\" does not exist/);
  });

  it('serves only callers that name this machine, where there are no tokens', async () => {
    const { port } = gateway.server;
    const status = await new Promise((resolve) => request({ port, host: '127.0.0.1', path: '/api/worklist', headers: { Host: 'evil.example' } }, (answer) => resolve(answer.resume().statusCode)).end());
    assert.equal(status, 421);
    assert.equal((await fetch(`http://localhost:${port}/api/worklist`)).status, 200);
  });

  it('lives through garbage, and through a connection that says nothing', async () => {
    const silent = connect(gateway.server.port, '127.0.0.1');
    assert.match(await sendRaw(gateway.url, '\x16\x03\x01\x02\x00\x01garbage\r\n\r\n'), /^HTTP\/1.1 400 /);
    assert.match(await sendRaw(gateway.url, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`), /^HTTP\/1.1 431 /);
    assert.equal((await get('/healthz')).status, 200);
    silent.destroy();
  });

  it('describes exactly the addresses that it serves', async () => {
    const { body } = await get('/api/openapi.json');
    const paths = body['paths'] as ReturnType<typeof openApi>['paths'];
    for (const [pattern, methods] of Object.entries(paths))
      for (const method of Object.keys(methods)) {
        if (pattern === '/api/events') continue; // does not end; has tests of its own
        const path = pattern.replace('{frame}', '1').replaceAll(/\{\w+\}/g, '2.25.1');
        const { body: answer } = await get(path, { method: method.toUpperCase() });
        assert.doesNotMatch(String(answer?.['detail']), /There is nothing at/, `${method} ${path}`);
      }
  });

  it('ends running requests before it stops, and takes no new ones', async () => {
    let release: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    gateway.worklist.list = async () => (await held, { entries: [], next: null });
    const running = get('/api/worklist');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const drained = gateway.server.drain();
    await assert.rejects(fetch(`${gateway.url}/healthz`));
    release!();
    assert.equal((await running).status, 200);
    await drained;
  });

  it('closes what does not end within the time for draining', async () => {
    await gateway.close();
    gateway = await startTestGateway({ settings: settingsSchema.parse({ http: { port: 0 }, limits: { drainSeconds: 0.1 } }) });
    gateway.worklist.list = () => new Promise(() => undefined);
    const running = fetch(`${gateway.url}/api/worklist`);
    running.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await gateway.server.drain();
    await assert.rejects(running);
  });
});

describe('bearer tokens', () => {
  let folder: string;
  let gateway: TestGateway;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hilum-token-'));
    await writeFile(join(folder, 'tokens'), 'first-token\n\nsecond-token\n');
    await writeFile(join(folder, 'index.html'), '<title>page</title>');
    gateway = await startTestGateway({ settings: settingsSchema.parse({ http: { port: 0, auth: { tokenFile: join(folder, 'tokens') } }, limits: { drainSeconds: 1 } }), webRoot: folder });
  });
  afterEach(async () => {
    await gateway.close();
    await rm(folder, { recursive: true });
  });
  const status = async (path: string, authorization?: string) => (await fetch(gateway.url + path, authorization ? { headers: { authorization } } : {})).status;

  it('lets through every token of the file, and nothing else', async () => {
    assert.equal(await status('/api/worklist', 'Bearer first-token'), 200);
    assert.equal(await status('/api/worklist', 'bearer second-token'), 200);
    for (const authorization of [undefined, 'Bearer', 'Bearer first-toke', 'Bearer first-token2', 'Basic first-token', 'Bearer first-token second-token'])
      assert.equal(await status('/api/worklist', authorization), 401, authorization);
  });

  it('protects everything but health and the page itself, which holds no data', async () => {
    for (const path of ['/metrics', '/api/about', '/api/events', '/api/openapi.json', '/dicomweb/studies/1.2/metadata', '/nothing']) assert.equal(await status(path), 401, path);
    for (const path of ['/healthz', '/readyz', '/']) assert.equal(await status(path), 200, path);
  });

  it('follows the file when it changes', async () => {
    const path = join(folder, 'tokens');
    const tokens = new TokenFile(path, pino({ level: 'silent' }));
    await tokens.load();
    assert.equal(await tokens.accepts('third-token'), false);
    await writeFile(path, 'third-token\n');
    await utimes(path, 1, 1);
    await tokens.load();
    assert.deepEqual([await tokens.accepts('third-token'), await tokens.accepts('first-token')], [true, false]);
  });

  it('does not start with a token file that is missing or empty', async () => {
    await writeFile(join(folder, 'empty'), '\n \n');
    for (const name of ['empty', 'missing'])
      await assert.rejects(startTestGateway({ settings: settingsSchema.parse({ http: { port: 0, auth: { tokenFile: join(folder, name) } } }) }), /empty holds no token|ENOENT/);
  });
});
